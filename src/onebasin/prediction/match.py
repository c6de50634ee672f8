"""Objectives and inputs for refining a Gaussian so that it predicts as its samples do."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.tree_util import Partial
from jaxtyping import Float

from onebasin._random import numpy_rng
from onebasin._types import Array, Key, Params
from onebasin.inference.vi import DrawsObjective
from onebasin.models.posterior import Posterior
from onebasin.prediction.categorical import CategoricalPredictive, Predictive
from onebasin.prediction.regression import MixturePredictive


def mixed_inputs(
    key: Key, inputs: Float[Array, "examples features"], num_inputs: int
) -> Float[np.ndarray, "inputs features"]:
    r"""Inputs on the lines between training inputs, $x_i + t (x_j - x_i)$, $t$ uniform in [0, .5].

    Samples predict there what they predict between examples, where training targets say nothing.

    Source: Zhang et al. (2018), arXiv 1710.09412, for inputs alone.
    """
    rng = numpy_rng(key)
    inputs = np.asarray(inputs)
    first = np.arange(num_inputs) % len(inputs)
    second = rng.integers(len(inputs), size=num_inputs)
    share = rng.uniform(0, 0.5, (num_inputs, 1)).astype(inputs.dtype)
    return inputs[first] + share * (inputs[second] - inputs[first])


def predictive_match(
    posterior: Posterior,
    inputs: Float[Array, "inputs features"],
    reference: Predictive,
    batch_size: int = 256,
) -> DrawsObjective:
    r"""An objective for `refine`: to predict as samples do, without any target.

    $\sum_x \mathrm E_{y \sim p(y|x)} \log \tfrac1S \sum_s p(y|x,w_s)$, where $p(y|x)$ is the
    `reference` predictive of samples on `inputs` (in standardized targets), and the sum over
    inputs is estimated from a random batch. It is largest where the draws' predictive equals
    the samples', so it says nothing about the spread of weights that predictions do not need:
    combine it with a pull.

    Raises: ValueError where the reference was not predicted on these inputs.
    Source: Korattikara et al. (2015), arXiv 1506.04416, equation 5, for one network.
    """
    inputs = jnp.asarray(inputs)
    slots = jnp.zeros(min(batch_size, len(inputs)), bool)
    if isinstance(reference, CategoricalPredictive):
        target = (jnp.asarray(reference.probs, inputs.dtype),)
        match = _class_match
    else:
        assert isinstance(reference, MixturePredictive)
        stds = jnp.asarray(reference.stds, inputs.dtype)
        target = (jnp.asarray(reference.means.T, inputs.dtype), stds)
        match = _target_match
    if len(target[0]) != len(inputs):
        raise ValueError(
            f"The reference must be predicted on the {len(inputs)} inputs. Got {len(target[0])}."
        )
    return Partial(match, posterior, inputs, target, slots)


def _class_match(
    posterior: Posterior,
    inputs: Array,
    target: tuple[Array],
    slots: Array,
    draws: Params,
    key: Key,
) -> Array:
    rows = jax.random.randint(key, slots.shape, 0, len(inputs))
    outputs = jax.vmap(lambda params: posterior.batch_apply(params, inputs[rows]))(draws)
    log_probs = _log_mean(jax.nn.log_softmax(outputs))
    return len(inputs) * (target[0][rows] * log_probs).sum(axis=-1).mean()


def _target_match(
    posterior: Posterior,
    inputs: Array,
    target: tuple[Array, Array],
    slots: Array,
    draws: Params,
    key: Key,
) -> Array:
    """Targets are drawn from the reference: a mixture's cross entropy has no closed form."""
    means, stds = target
    key_rows, key_draws, key_noise = jax.random.split(key, 3)
    rows = jax.random.randint(key_rows, slots.shape, 0, len(inputs))
    picked = jax.random.randint(key_draws, slots.shape, 0, len(stds))
    noise = jax.random.normal(key_noise, slots.shape, means.dtype)
    targets = means[rows, picked] + stds[picked] * noise
    log_probs = jax.vmap(lambda params: posterior.log_likelihood(params, inputs[rows], targets))(
        draws
    )
    return len(inputs) * _log_mean(log_probs).mean()


def _log_mean(log_probs: Array) -> Array:
    return logsumexp(log_probs, axis=0) - jnp.log(log_probs.shape[0])
