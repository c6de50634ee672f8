"""Refinement in a run: the compact Gaussian is changed so that it predicts as the samples do."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Float

from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.methods.sample import Progress, sample
from onebasin.methods.vi import DrawsObjective, mean_logdensity, refine
from onebasin.prediction.match import mixed_inputs, predictive_match
from onebasin.prediction.predict import predict
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.tempering import temper
from onebasin.run.methods import decaying_adam, final_gaussian, minibatches
from onebasin.run.setup import Setup
from onebasin.run.statistics import fitted_with_statistics
from onebasin.samples import Samples
from onebasin.types import Array, Key, Params

_MIN_INPUTS = 5000
_START_SCALE = 0.3
_NUM_DRAWS_OF_MIXTURE = 16
_BATCH_SIZE = 256
_LEARNING_RATE = 5e-3


class Refinement(NamedTuple):
    """The weights of the terms of the objective, and the number of draws in each step.

    `elbo` weighs the evidence lower bound: the log posterior density plus the entropy.
    `predictive` weighs the match with the predictions of the samples. `pull` weighs the KL
    divergence to the Gaussian before refinement. Each step takes `num_particles` draws.
    """

    elbo: float = 1.0
    predictive: float = 1.0
    pull: float = 0.0
    num_particles: int = 8


class FitInputs(NamedTuple):
    """Inputs between training inputs, and the predictions of the samples for these inputs.

    No target is used, and no validation or test input.
    """

    inputs: Float[np.ndarray, "inputs features"]
    reference: Predictive


def fit_inputs(setup: Setup, samples: Samples) -> FitInputs:
    """As many inputs as there are training examples, and no fewer than 5,000."""
    train = np.asarray(setup.dataset.train.inputs)
    inputs = mixed_inputs(train, max(_MIN_INPUTS, len(train)), key=setup.key("fit-inputs"))
    return FitInputs(inputs, predict(setup.posterior, samples.flatten(), inputs))


def refined(
    setup: Setup,
    anchor: DiagonalGaussian,
    fit: FitInputs,
    refinement: Refinement,
    num_steps: int,
    progress: Callable[[Progress], None] | None = None,
) -> DiagonalGaussian:
    """The Gaussian `anchor`, refined. The first std is a share of the std of the anchor.

    `progress` is called as `sample` calls it.
    """
    objective = _objective(setup, fit, refinement)
    found = _refined(setup, anchor, objective, refinement, num_steps, progress)
    key, count = setup.key("refined-statistics"), setup.config.evaluation.num_gaussian_draws
    return fitted_with_statistics(setup.posterior, found, count, key=key)


def refined_mixture(
    setup: Setup, anchor: GaussianMixture, fit: FitInputs, num_steps: int, pull: float = 0.02
) -> GaussianMixture:
    """The components of a mixture, refined together so that they predict as the samples do.

    Only the predictions of the samples are used: neither targets nor the density of the posterior.
    Each component needs its own std.
    """
    objective = Partial(_match_all, _predictive_match(setup, fit))
    count = max(1, _NUM_DRAWS_OF_MIXTURE // anchor.num_components)
    refinement = Refinement(elbo=0.0, predictive=1.0, pull=pull, num_particles=count)
    together = DiagonalGaussian(anchor.mean, anchor.std)
    found = _refined(setup, together, objective, refinement, num_steps)
    return GaussianMixture(found.mean, found.std)


def _refined(
    setup: Setup,
    anchor: DiagonalGaussian,
    objective: DrawsObjective,
    refinement: Refinement,
    num_steps: int,
    progress: Callable[[Progress], None] | None = None,
) -> DiagonalGaussian:
    method = refine(
        objective,
        anchor,
        init_std=temper(anchor, _START_SCALE).std,
        entropy=refinement.elbo,
        pull=refinement.pull,
        num_steps=num_steps,
        num_particles=refinement.num_particles,
        optimizer=decaying_adam(_LEARNING_RATE, num_steps),
    )
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], anchor.mean)
    drawn = sample(method, start, 1, num_chunks=10, progress=progress, key=setup.key("refine"))
    return final_gaussian(method, drawn)


def _objective(setup: Setup, fit: FitInputs, refinement: Refinement) -> DrawsObjective:
    density = mean_logdensity(minibatches(setup, 2 * _BATCH_SIZE))
    elbo, predictive = jnp.float32(refinement.elbo), jnp.float32(refinement.predictive)
    if not refinement.predictive:
        return Partial(_weighted, density, elbo)
    match = _predictive_match(setup, fit)
    if not refinement.elbo:
        return Partial(_weighted, match, predictive)
    return Partial(_sum, density, elbo, match, predictive)


def _predictive_match(setup: Setup, fit: FitInputs) -> DrawsObjective:
    return predictive_match(setup.posterior, fit.inputs, fit.reference, _BATCH_SIZE)


def _match_all(match: DrawsObjective, draws: Params, key: Key) -> Array:
    """The match of draws from several components. Leaves begin with axes (draw, component)."""
    return match(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), draws), key)


def _weighted(objective: DrawsObjective, weight: Array, draws: Params, key: Key) -> Array:
    return weight * objective(draws, key)


def _sum(
    density: DrawsObjective,
    elbo: Array,
    match: DrawsObjective,
    predictive: Array,
    draws: Params,
    key: Key,
) -> Array:
    key_density, key_match = jax.random.split(key)
    return elbo * density(draws, key_density) + predictive * match(draws, key_match)
