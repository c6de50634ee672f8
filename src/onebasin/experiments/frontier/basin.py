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
from onebasin.symmetry.axes import Symmetry

_FIT_INPUTS = 1000
_MIN_INPUTS = 5000


class Basin(NamedTuple):
    """Samples, two alignments of them, and their predictive on inputs to fit on.

    `by_weights` is the iterated mean by weights, `by_likelihood` the relabelling from there.
    `inputs` lie between training inputs, whose targets are not used; neither validation nor test
    inputs are among them.
    """

    setup: Setup
    samples: Samples
    by_weights: Alignment
    by_likelihood: Alignment
    inputs: Any
    reference: Predictive

    @property
    def aligned(self) -> Samples:
        """The samples relabelled by likelihood."""
        return self.by_likelihood.apply(self.samples)

    @property
    def fit_reference(self) -> Predictive:
        """The samples' predictive on the first of the inputs, where factors are fitted."""
        return self.reference.at(slice(0, _FIT_INPUTS))

    def predict(self, draws: Params) -> Predictive:
        """The predictive of draws where `fit_reference` is that of the samples."""
        return predict(self.setup.posterior, draws, self.inputs[:_FIT_INPUTS])

    def chain(self, chain: int) -> Samples:
        """One chain, aligned to its own mean alone."""
        alone = self.samples.chains(chain)
        return relabelled(alone, self.setup.posterior.symmetry)[1].apply(alone)


def make_basin(setup: Setup, samples: Samples) -> Basin:
    """Align samples and predict on inputs to fit on."""
    train = np.asarray(setup.dataset.train.inputs)
    inputs = mixed_inputs(setup.key("fit-inputs"), train, max(_MIN_INPUTS, len(train)))
    reference = predict(setup.posterior, samples.draws(), inputs)
    alignments = relabelled(samples, setup.posterior.symmetry)
    return Basin(setup, samples, *alignments, inputs, reference)


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
