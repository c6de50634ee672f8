"""Objectives and inputs for refining a Gaussian so that it predicts as its samples do."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.tree_util import Partial
from jaxtyping import Float

from onebasin._arguments import check_count, check_key
from onebasin._random import numpy_rng
from onebasin.methods.vi import DrawsObjective
from onebasin.networks.posterior import Posterior
from onebasin.prediction.categorical import CategoricalPredictive
from onebasin.prediction.counts import CountPredictive
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.regression import MixturePredictive
from onebasin.types import Array, Key, Params


def mixed_inputs(
    inputs: Float[Array, "examples features"], num_inputs: int, *, key: Key
) -> Float[np.ndarray, "inputs features"]:
    r"""Inputs on the lines between training inputs, in the units of these.

    $x_i + t (x_j - x_i)$ with $j$ uniform over `inputs` and $t$ uniform in [0, .5], where $i$ runs
    through `inputs` in their order, again and again until there are `num_inputs`. Samples predict
    there what they predict between examples, of which training targets say nothing.

    Raises:
        TypeError: If the key is none of JAX's.
        ValueError: If there are no inputs, or fewer than 1 are asked for.

    Examples:
        >>> ob.prediction.mixed_inputs(data.train.inputs, 500, key=key).shape
        (500, 64)

    Source: Zhang et al. (2018), arXiv 1710.09412, for inputs alone.
    """
    check_key(key)
    inputs = np.asarray(inputs)
    if num_inputs < 1 or len(inputs) < 1:
        raise ValueError(
            "mixed_inputs must have 1 training input or more, and make 1 or more of them. "
            f"Got {len(inputs)}, and num_inputs={num_inputs}."
        )
    rng = numpy_rng(key)
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
    r"""An objective for `refine`, in nats: to predict as samples do, without any target.

    $\sum_x \mathrm E_{y \sim p(y|x)} \log \tfrac1S \sum_s p(y|x,w_s)$ for the draws
    $w_1 \dots w_S$ that `refine` makes, where $p(y|x)$ is `reference` and the sum over `inputs` is
    estimated from a random batch. It is largest if the draws' predictive equals the samples', so
    it says nothing about the spread of weights that predictions do not need: combine it with a
    pull.

    Args:
        posterior: Whose network and likelihood are fitted.
        inputs: Where to predict alike, scaled as the training inputs: those of `mixed_inputs`.
        reference: What the samples predict on these inputs, as `predict` gives it with the same
            posterior. In regression it is of standardized targets: leave out `predict`'s
            `target_mean` and `target_std`.
        batch_size: How many inputs are drawn for each estimate, 1 or more. Default: 256.

    Raises:
        TypeError: If the reference is not of the type that `predict` gives for this posterior, or
            the likelihood is a log density of your own. The objective needs more of the reference
            than a `Predictive` promises.
        ValueError: If the reference was not predicted on these inputs, or the batch size is below
            1.

    Examples:
        >>> inputs = ob.prediction.mixed_inputs(data.train.inputs, 500, key=key)
        >>> reference = ob.predict(posterior, samples.flatten(), inputs)
        >>> objective = ob.prediction.predictive_match(posterior, inputs, reference)
        >>> method = ob.methods.refine(objective, compact)

    Source: Korattikara et al. (2015), arXiv 1506.04416, equation 5, for one network.
    """
    check_count("batch_size", batch_size)
    inputs = jnp.asarray(inputs)
    slots = jnp.zeros(min(batch_size, len(inputs)), bool)
    likelihood = posterior.likelihood.name
    match reference:
        case CategoricalPredictive() if likelihood == "categorical":
            target, objective = (jnp.asarray(reference.probs, inputs.dtype),), _class_match
        case MixturePredictive() if likelihood in ("gaussian", "heteroscedastic"):
            both = np.broadcast_arrays(reference.means.T, reference.stds.T)
            target = tuple(jnp.asarray(array, inputs.dtype) for array in both)
            objective = _number_match
        case CountPredictive() if likelihood == "poisson":
            target, objective = (jnp.asarray(reference.rates.T, inputs.dtype),), _count_match
        case _ if likelihood == "own":
            raise TypeError(
                "predictive_match needs targets drawn from the reference. Got a likelihood that is "
                "a log density of one's own, which cannot draw any. Take mean_logdensity."
            )
        case _:
            raise TypeError(
                f"reference must be what predict gives under a {likelihood} likelihood. "
                f"Got {type(reference).__name__}. "
                "Take predict(posterior, samples.flatten(), inputs)."
            )
    if len(target[0]) != len(inputs):
        raise ValueError(
            f"The reference must be predicted on the {len(inputs)} inputs. Got {len(target[0])}."
        )
    return Partial(objective, posterior, inputs, target, slots)


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


def _number_match(
    posterior: Posterior,
    inputs: Array,
    target: tuple[Array, Array],
    slots: Array,
    draws: Params,
    key: Key,
) -> Array:
    """Targets are drawn from the reference: a mixture's cross entropy has no closed form."""
    means, stds = target
    rows, picked, key_noise = _picked(means, slots, key)
    noise = jax.random.normal(key_noise, slots.shape, means.dtype)
    targets = means[rows, picked] + stds[rows, picked] * noise
    return _mean_log_likelihood(posterior, inputs, rows, targets, draws)


def _count_match(
    posterior: Posterior,
    inputs: Array,
    target: tuple[Array],
    slots: Array,
    draws: Params,
    key: Key,
) -> Array:
    """As `_number_match`, with counts."""
    (rates,) = target
    rows, picked, key_counts = _picked(rates, slots, key)
    targets = jax.random.poisson(key_counts, rates[rows, picked])
    return _mean_log_likelihood(posterior, inputs, rows, targets, draws)


def _picked(values: Array, slots: Array, key: Key) -> tuple[Array, Array, Key]:
    """An input and one of the reference's draws for each slot, and a key for its target."""
    key_rows, key_draws, key_target = jax.random.split(key, 3)
    rows = jax.random.randint(key_rows, slots.shape, 0, values.shape[0])
    return rows, jax.random.randint(key_draws, slots.shape, 0, values.shape[1]), key_target


def _mean_log_likelihood(
    posterior: Posterior, inputs: Array, rows: Array, targets: Array, draws: Params
) -> Array:
    log_probs = jax.vmap(lambda params: posterior.log_likelihood(params, inputs[rows], targets))(
        draws
    )
    return len(inputs) * _log_mean(log_probs).mean()


def _log_mean(log_probs: Array) -> Array:
    return logsumexp(log_probs, axis=0) - jnp.log(log_probs.shape[0])
