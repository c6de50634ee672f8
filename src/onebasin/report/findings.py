"""Findings: the results and Gaussians of a finished run, for figures, tables and sentences."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import own_names, without_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian, load_gaussian
from onebasin.knowledge import array_of, load_table
from onebasin.run.kinds import title_of
from onebasin.run.results import (
    STEPS,
    AlignResults,
    CompareResults,
    PruneResults,
    Results,
    SampleResults,
    SummarizeResults,
)
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup
from onebasin.store.errors import StoreError
from onebasin.symmetry.axes import Axes
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray

_S = TypeVar("_S")


class Findings:
    """The results and Gaussians of a run whose steps are all done.

    Raises: StoreError if a step is not done.
    """

    def __init__(self, run: RunDirectory, setup: Setup):
        results = run.load_results() or Results(config=setup.config, versions={})
        missing = [step for step in STEPS if results.of_step(step) is None]
        if missing:
            raise StoreError(
                f"A report needs every step of a run. Got {run.path}, for which "
                f"{', '.join(missing)} is not done. Run `onebasin step {missing[0]} {run.path}` "
                "first."
            )
        self.run = run
        self.setup = setup
        self.results = results
        self._gaussians: dict[str, DiagonalGaussian] = {}

    @cached_property
    def sample(self) -> SampleResults:
        """The numbers of examples and features."""
        return _taken(self.results.sample)

    @cached_property
    def align(self) -> AlignResults:
        """The quality of the alignment, and transpositions."""
        return _taken(self.results.align)

    @cached_property
    def summarize(self) -> SummarizeResults:
        """The null floor, the residuals of low ranks, and convergence."""
        return _taken(self.results.summarize)

    @cached_property
    def weights(self) -> "xarray.Dataset":
        """The table of weights."""
        return load_table(self.run.weights)

    @cached_property
    def compare(self) -> CompareResults:
        """The scores of representations, distances and barriers."""
        return _taken(self.results.compare)

    @cached_property
    def prune(self) -> PruneResults:
        """The pruning curves."""
        return _taken(self.results.prune)

    @property
    def is_classification(self) -> bool:
        """Whether the task is a classification and not a regression."""
        return self.setup.dataset.task == "classification"

    @property
    def data_name(self) -> str:
        """The name of the data set. For a file, its name without the folder."""
        return Path(self.setup.config.data.name).name

    @property
    def sampler(self) -> str:
        """The sampler as people read it, such as HMC."""
        return title_of(self.setup.config.method.kind)

    @property
    def network_name(self) -> str:
        """The network in words, such as 64-32-10 relu."""
        return self.setup.network_name

    @cached_property
    def first_kernel(self) -> tuple[str, int] | None:
        """The path of the array with one weight for each input and unit, and the axis of inputs.

        None if there is no such array, as in a network that convolves its inputs.
        """
        num_inputs = self.setup.dataset.num_features
        weights = _trees.named_leaves(without_statistics(self.setup.template))
        for name, leaf in weights.items():
            listed = self.setup.posterior.symmetry.named[name]
            if isinstance(listed, Axes) and len(listed.names) == 2:
                for axis, group in enumerate(listed.names):
                    if group is None and leaf.shape[axis] == num_inputs:
                        return name, axis
        return None

    @cached_property
    def array_names(self) -> dict[str, str]:
        """The name of each array: its path without the names of collections."""
        return own_names(self.setup.template)

    @property
    def num_weights(self) -> int:
        """The number of weights, including an inferred noise."""
        return _trees.size(without_statistics(self.setup.template))

    def gaussian(self, name: str) -> DiagonalGaussian:
        """The diagonal Gaussian of the weights of the run in the file of this name."""
        if name not in self._gaussians:
            found, _ = load_gaussian(self.run.compact(name), self.setup.template)
            assert isinstance(found, DiagonalGaussian)
            weights = map(without_statistics, (found.mean, found.std))
            self._gaussians[name] = DiagonalGaussian(*weights)
        return self._gaussians[name]

    def first_layer(self, params: Params) -> Float[np.ndarray, "inputs units"]:
        """The entries of `first_kernel` in anything shaped like the params, which must have one."""
        assert self.first_kernel is not None  # otherwise no figure calls this
        name, axis = self.first_kernel
        kernel = np.asarray(_trees.named_leaves(params)[name], np.float64)
        return np.moveaxis(kernel, axis, 0)

    def first_layer_column(self, column: str) -> Float[np.ndarray, "inputs units"]:
        """A column of the table of weights at `first_kernel`, which must be there."""
        assert self.first_kernel is not None  # otherwise no figure calls this
        name, axis = self.first_kernel
        return np.moveaxis(array_of(self.weights, name)[column].values, axis, 0)

    def is_permuted(self, array: str) -> bool:
        """Whether alignment moves any axis of an array, named by its path."""
        pieces = self.setup.posterior.symmetry.pieces.values()
        return any(any(piece.names) for piece in pieces if piece.leaf == array)


def _taken(section: _S | None) -> _S:
    assert section is not None  # Findings has checked that all steps are done
    return section


def flat(tree: Params) -> Float[np.ndarray, " weights"]:
    """All weights of a tree as one vector in float64."""
    return _trees.ravel_batch(jax.tree.map(np.asarray, tree), 0).astype(np.float64)
