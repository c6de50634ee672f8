"""Findings: what a finished run holds, as figures, tables and sentences ask for it."""

from functools import cached_property
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin._types import Params
from onebasin.gaussians.gaussian import DiagonalGaussian, load_gaussian
from onebasin.run.networks import network_name
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

_S = TypeVar("_S")


class Findings:
    """The results and Gaussians of a run whose steps have all been taken.

    Raises: StoreError where a step has not been taken.
    """

    def __init__(self, run: RunDirectory, setup: Setup):
        results = run.load_results() or Results(config=setup.config, versions={})
        missing = [step for step in STEPS if results.of_step(step) is None]
        if missing:
            raise StoreError(
                f"A report needs every step of a run. Got {run.path}, where {', '.join(missing)} "
                f"has not been taken. Run `onebasin {missing[0]}` on it first."
            )
        self.run = run
        self.setup = setup
        self.results = results
        self._gaussians: dict[str, DiagonalGaussian] = {}

    @cached_property
    def sample(self) -> SampleResults:
        """What was drawn of which data."""
        return _taken(self.results.sample)

    @cached_property
    def align(self) -> AlignResults:
        """How draws were aligned."""
        return _taken(self.results.align)

    @cached_property
    def summarize(self) -> SummarizeResults:
        """Null floor, ranks and convergence."""
        return _taken(self.results.summarize)

    @cached_property
    def compare(self) -> CompareResults:
        """Scores of representations, distances and barriers."""
        return _taken(self.results.compare)

    @cached_property
    def prune(self) -> PruneResults:
        """Pruning curves."""
        return _taken(self.results.prune)

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return self.setup.dataset.task == "classification"

    @property
    def data_name(self) -> str:
        """The name of the data set; of a file, without its folder."""
        return Path(self.setup.config.data.name).name

    @property
    def network_name(self) -> str:
        """The network in words, like 64-32-10 relu."""
        return network_name(self.setup.config.network, self.setup.dataset)

    @property
    def has_dense_first_layer(self) -> bool:
        """Whether every unit next to the inputs has a weight for each of them."""
        return self.setup.config.network.kind == "mlp"

    @property
    def num_weights(self) -> int:
        """The number of weights, an inferred noise included."""
        return _trees.size(without_statistics(self.setup.template))

    def gaussian(self, name: str) -> DiagonalGaussian:
        """A diagonal Gaussian of the run's weights by its file's name."""
        if name not in self._gaussians:
            found, _ = load_gaussian(self.run.compact(name), self.setup.template)
            assert isinstance(found, DiagonalGaussian)
            weights = map(without_statistics, (found.mean, found.std))
            self._gaussians[name] = DiagonalGaussian(*weights)
        return self._gaussians[name]

    def first_layer(self, params: Params) -> Float[np.ndarray, "inputs units"]:
        """The kernel next to the inputs, of anything shaped like the params of an `mlp`."""
        layers = self.setup.posterior.network_params(params)
        name = "hidden_0" if "hidden_0" in layers else "out"
        return np.asarray(layers[name]["kernel"], np.float64)

    def is_permuted(self, array: str) -> bool:
        """Whether alignment moves any axis of an array, named by its path."""
        pieces = self.setup.posterior.symmetry.pieces.values()
        return any(any(piece.names) for piece in pieces if piece.leaf == array)


def _taken(section: _S | None) -> _S:
    assert section is not None  # or there are no findings
    return section


def flat(tree: Params) -> Float[np.ndarray, " weights"]:
    """All weights of a tree in one row, in float64."""
    return _trees.ravel_batch(jax.tree.map(np.asarray, tree), 0).astype(np.float64)
