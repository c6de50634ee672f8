"""Basin: aligned samples of one run, and what everything that is fitted to them is fitted on."""

from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin._types import Params
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.weight_matching import weight_matching
from onebasin.analysis.predictive import Predictive, predict
from onebasin.analysis.refinement import mixed_inputs
from onebasin.experiments.setup import Setup
from onebasin.samples import Samples

_FIT_INPUTS = 2000


class Basin(NamedTuple):
    """Samples, two alignments of them, and their predictive on inputs to fit on.

    `by_weights` is the iterated mean by weights, `by_likelihood` the relabelling from there.
    `fit_inputs` lie between training inputs; neither validation nor test inputs are among them.
    """

    setup: Setup
    samples: Samples
    by_weights: Alignment
    by_likelihood: Alignment
    fit_inputs: Any
    fit_reference: Predictive

    @property
    def aligned(self) -> Samples:
        """The samples relabelled by likelihood."""
        return self.by_likelihood.apply(self.samples)

    def predict(self, draws: Params) -> Predictive:
        """The predictive of draws on the inputs to fit on, in standardized targets."""
        return predict(self.setup.posterior, draws, self.fit_inputs)

    def chain(self, chain: int) -> Samples:
        """One chain, relabelled to its own mean alone and then brought to the others' basin."""
        alone = self.samples.chains(chain)
        symmetry = self.setup.posterior.symmetry
        own = align(alone, symmetry, weight_matching())
        return align(alone, symmetry, gaussian_matching(), start=own).apply(alone)


def make_basin(setup: Setup, samples: Samples) -> Basin:
    """Align samples and predict on inputs to fit on."""
    symmetry = setup.posterior.symmetry
    by_weights = align(samples, symmetry, weight_matching())
    by_likelihood = align(samples, symmetry, gaussian_matching(), start=by_weights)
    train = np.asarray(setup.dataset.train.inputs)
    inputs = mixed_inputs(setup.key("fit-inputs"), train, max(_FIT_INPUTS, len(train)))
    reference = predict(setup.posterior, samples.draws(), inputs[:_FIT_INPUTS])
    return Basin(setup, samples, by_weights, by_likelihood, inputs[:_FIT_INPUTS], reference)


def as_draws(params: Params) -> Params:
    """One network as draws: a leading axis of 1."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)
