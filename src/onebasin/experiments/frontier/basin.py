"""Basin: aligned samples of one run, and what everything that is fitted to them is fitted on."""

from typing import NamedTuple

import jax
import numpy as np

from onebasin._types import Params
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.weight_matching import weight_matching
from onebasin.analysis.predictive import Predictive, predict
from onebasin.experiments.refinement import FitInputs, fit_inputs
from onebasin.experiments.setup import Setup
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry

# Mixtures of regression are compared on grids, which takes longer than comparing classes.
_FIT_INPUTS = {"classification": 1000, "regression": 150}


class Basin(NamedTuple):
    """Samples, two alignments of them, and their predictive on inputs to fit on.

    `by_weights` is the iterated mean by weights, `by_likelihood` the relabelling from there, which
    makes `aligned`. Each of `aligned_chains` is relabelled to its own mean alone.
    Factors are fitted on the first of `fit`'s inputs, and choices made there.
    """

    setup: Setup
    samples: Samples
    by_weights: Alignment
    by_likelihood: Alignment
    aligned: Samples
    aligned_chains: list[Samples]
    fit: FitInputs

    @property
    def _num_fit_inputs(self) -> int:
        return _FIT_INPUTS[self.setup.dataset.task]

    @property
    def fit_reference(self) -> Predictive:
        """The samples' predictive on the first inputs."""
        return self.fit.reference.at(slice(0, self._num_fit_inputs))

    def predict(self, draws: Params) -> Predictive:
        """The predictive of draws where `fit_reference` is that of the samples."""
        return predict(self.setup.posterior, draws, self.fit.inputs[: self._num_fit_inputs])


def make_basin(setup: Setup, samples: Samples) -> Basin:
    """Align samples, all together and each chain alone, and predict on inputs to fit on."""
    symmetry = setup.posterior.symmetry
    by_weights, by_likelihood = relabelled(samples, symmetry)
    alone = [samples.chains(chain) for chain in range(samples.num_chains)]
    return Basin(
        setup,
        samples,
        by_weights,
        by_likelihood,
        by_likelihood.apply(samples),
        [relabelled(chain, symmetry)[1].apply(chain) for chain in alone],
        fit_inputs(setup, samples),
    )


def relabelled(samples: Samples, symmetry: Symmetry) -> tuple[Alignment, Alignment]:
    """The alignment to the iterated mean by weights, and the relabelling by likelihood from it."""
    by_weights = align(samples, symmetry, weight_matching())
    # A likelihood moves by small shares: most of it is the weights that no permutation helps.
    return by_weights, align(
        samples, symmetry, gaussian_matching(), start=by_weights, max_rounds=40, tolerance=1e-6
    )


def as_draws(params: Params) -> Params:
    """One network as draws: a leading axis of 1."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)
