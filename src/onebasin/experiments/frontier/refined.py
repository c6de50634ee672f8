"""Refined representations: a Gaussian moved from the aligned samples to where it predicts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial

from onebasin._types import Array, Key, Params
from onebasin.analysis.refinement import predictive_match
from onebasin.analysis.tempering import temper
from onebasin.experiments.frontier.basin import Basin
from onebasin.gaussian import DiagonalGaussian, summarize
from onebasin.inference.sample import sample
from onebasin.inference.vi import DrawsObjective, mean_logdensity, refine

_START_SCALE = 0.3
_NUM_PARTICLES = 8
_BATCH_SIZE = 256
_LEARNING_RATE = 5e-3


class Refinement(NamedTuple):
    """What a Gaussian is moved towards, and how strongly it is held where it was.

    `elbo` and `predictive` weigh the two objectives: the log posterior density with the entropy,
    and the match of the samples' predictive.
    """

    elbo: float = 0.0
    predictive: float = 0.0
    pull: float = 0.0


REFINEMENTS = {
    "refined-elbo": Refinement(elbo=1.0),
    "refined-predictive": Refinement(predictive=1.0, pull=0.1),
    "refined-both": Refinement(elbo=1.0, predictive=1.0),
}
PATH = (0.3, 3.0)
"""Pulls of the path from variational inference (0) to the aligned samples (infinity)."""


def refined(basin: Basin, refinement: Refinement, num_steps: int) -> DiagonalGaussian:
    """The compact Gaussian, refined; it begins with a share of its std, where it predicts."""
    setup, anchor = basin.setup, summarize(basin.aligned)
    method = refine(
        _objective(basin, refinement),
        anchor,
        init_std=temper(anchor, _START_SCALE).std,
        entropy=refinement.elbo,
        pull=refinement.pull,
        num_steps=num_steps,
        num_particles=_NUM_PARTICLES,
        optimizer=optax.adam(optax.cosine_decay_schedule(_LEARNING_RATE, num_steps)),
    )
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], anchor.mean)
    state = sample(method, setup.key("refine"), start, 1, num_chunks=2).last_state
    assert method.gaussian is not None
    return method.gaussian(jax.tree.map(lambda leaf: np.asarray(leaf)[0, ...], state))


def _objective(basin: Basin, refinement: Refinement) -> DrawsObjective:
    setup = basin.setup
    size = min(2 * _BATCH_SIZE, len(setup.dataset.train))
    density = mean_logdensity(setup.posterior.minibatch_logdensity(size))
    if not refinement.predictive:
        return density
    match = predictive_match(setup.posterior, basin.inputs, basin.reference, _BATCH_SIZE)
    if not refinement.elbo:
        return match
    return Partial(_sum, density, match, jnp.float32(refinement.predictive))


def _sum(
    density: DrawsObjective, match: DrawsObjective, weight: Array, draws: Params, key: Key
) -> Array:
    key_density, key_match = jax.random.split(key)
    return density(draws, key_density) + weight * match(draws, key_match)
