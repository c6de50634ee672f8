"""Basin: aligned samples of one run, and what everything that is fitted to them is fitted on."""

from typing import NamedTuple

import jax
import numpy as np

from onebasin.prediction.predict import predict
from onebasin.prediction.predictive import Predictive
from onebasin.run.refinement import FitInputs, fit_inputs
from onebasin.run.setup import Setup
from onebasin.samples import Samples
from onebasin.studies.frontier.matchings import LIKELIHOOD, Way, relabelled, ways
from onebasin.types import Params

# Mixtures of regression are compared on grids, which takes longer than comparing classes.
_FIT_INPUTS = {"classification": 1000, "regression": 150}


class Basin(NamedTuple):
    """Samples, aligned in every way, and their predictive on inputs to fit on.

    `in_basin` holds what each of `ways` has aligned. Each of `aligned_chains` is relabelled to its
    own mean alone. Factors are fitted on the first of `fit`'s inputs, and choices made there:
    `fit_reference` is what the samples predict for them. Factors for each array take `num_sweeps`.
    """

    setup: Setup
    samples: Samples
    ways: dict[str, Way]
    in_basin: dict[str, Samples]
    aligned_chains: list[Samples]
    fit: FitInputs
    fit_reference: Predictive
    num_sweeps: int

    @property
    def aligned(self) -> Samples:
        """The samples, relabelled by likelihood."""
        return self.in_basin[LIKELIHOOD]

    def predict(self, draws: Params) -> Predictive:
        """The predictive of draws where `fit_reference` is that of the samples."""
        return predict(self.setup.posterior, draws, self.fit.inputs[: self._num_fit_inputs])

    @property
    def _num_fit_inputs(self) -> int:
        return _FIT_INPUTS[self.setup.dataset.task]


def make_basin(setup: Setup, samples: Samples, num_sweeps: int) -> Basin:
    """Align samples in every way, and each chain alone, and predict on inputs to fit on."""
    symmetry = setup.posterior.symmetry
    chosen = ways(setup, samples)
    alone = [samples.select_chains(chain) for chain in range(samples.num_chains)]
    fit = fit_inputs(setup, samples)
    return Basin(
        setup,
        samples,
        chosen,
        {name: way.align(way.samples).apply(way.samples) for name, way in chosen.items()},
        [relabelled(chain, symmetry)[1].apply(chain) for chain in alone],
        fit,
        fit.reference.at(slice(0, _FIT_INPUTS[setup.dataset.task])),
        num_sweeps,
    )


def as_draws(params: Params) -> Params:
    """One network as draws: a leading axis of 1."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)
