"""Basin: the aligned samples of one run, and the inputs on which representations are fitted."""

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

# Predictive distributions of regressions are compared on grids, which takes longer than classes.
_FIT_INPUTS = {"classification": 1000, "regression": 150}


class Basin(NamedTuple):
    """Samples aligned in every way, and their predictive on inputs for fitting.

    `in_basin` has the samples that each of `ways` aligned. Each chain in `aligned_chains` is
    relabelled alone, to its own mean. Factors are fitted, and draws are chosen, on the first
    inputs of `fit`; `fit_reference` is the predictive of the samples there. The fit of factors for
    each array takes `num_sweeps` sweeps over the arrays.
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
        """The predictive of draws on the inputs of `fit_reference`."""
        return predict(self.setup.posterior, draws, self.fit.inputs[: self._num_fit_inputs])

    @property
    def _num_fit_inputs(self) -> int:
        return _FIT_INPUTS[self.setup.dataset.task]


def make_basin(setup: Setup, samples: Samples, num_sweeps: int) -> Basin:
    """Align samples in every way, align each chain alone, and predict on inputs for fitting."""
    symmetry = setup.posterior.symmetry
    chosen = ways(setup, samples)
    alone = [samples.select_chains(chain) for chain in range(samples.num_chains)]
    fit = fit_inputs(setup, samples)
    return Basin(
        setup,
        samples,
        chosen,
        {name: way.align(way.samples).apply(way.samples).load() for name, way in chosen.items()},
        [relabelled(chain, symmetry)[1].apply(chain) for chain in alone],
        fit,
        fit.reference.at(slice(0, _FIT_INPUTS[setup.dataset.task])),
        num_sweeps,
    )


def as_draws(params: Params) -> Params:
    """One network as a single draw, with a first axis of length 1."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)
