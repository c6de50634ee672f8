"""predict: networks run over draws of their weights, and what they then predict together."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from onebasin.networks.posterior import Posterior
from onebasin.prediction.categorical import CategoricalPredictive
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.regression import MixturePredictive
from onebasin.samples import Samples
from onebasin.types import Array, Params

_CHUNK = 64


def predict(
    posterior: Posterior,
    draws: Params,
    inputs: Num[Array, "batch *features"],
    target_mean: float = 0.0,
    target_std: float = 1.0,
    *,
    recalibrates: bool = True,
) -> Predictive:
    r"""The predictive distribution of the targets of some inputs, averaged over draws.

    $p(y \mid x) = \tfrac1S \sum_s p(y \mid x, w_s)$ for `draws` $w_1 \dots w_S$ and each $x$ of
    `inputs`. Under a categorical likelihood it is a `CategoricalPredictive`, under a gaussian one
    a `MixturePredictive` in the targets' own units.

    Args:
        posterior: Whose network predicts, and whose likelihood says how targets scatter.
        draws: Draws of the params, such as `samples.flatten()`. Every leaf leads with the draw.
        inputs: What to predict from, scaled as the training inputs were.
        target_mean: What was subtracted from the targets of a regression to standardize them, in
            their own units.
        target_std: What they were divided by after that, in their own units.
        recalibrates: Whether every draw of a network with BatchNorm first gets statistics of its
            own, computed on training inputs. If not, it predicts with those that it holds.

    Raises:
        TypeError: If draws are `Samples`.
        ValueError: If the network's outputs do not suit the likelihood.

    Examples:
        >>> predictive = ob.predict(posterior, samples.flatten(), data.test.inputs)
        >>> predictive.num_draws, sorted(predictive.scores(data.test.targets))
        (20, ['accuracy', 'brier', 'ece', 'nll'])
    """
    outputs, noise_stds = network_outputs(posterior, draws, inputs, recalibrates)
    if posterior.likelihood.name == "categorical":
        return CategoricalPredictive(np.asarray(jax.nn.log_softmax(outputs, axis=-1)))
    return MixturePredictive(
        outputs[..., 0].astype(np.float64) * target_std + target_mean,
        noise_stds.astype(np.float64) * target_std,
    )


def network_outputs(
    posterior: Posterior,
    draws: Params,
    inputs: Num[Array, "batch *features"],
    recalibrates: bool = True,
) -> tuple[Float[np.ndarray, "draw batch outputs"], Float[np.ndarray, " draw"]]:
    """Outputs and noise stds (NaN without noise) of every draw; draws lead every leaf.

    Here, and nowhere else, predictions meet the statistics of BatchNorm: every draw is
    recalibrated on training inputs first, whatever its statistics were.

    Raises:
        TypeError: If draws are `Samples`.
        ValueError: If the network's outputs do not suit the likelihood.
    """
    if isinstance(draws, Samples):
        raise TypeError(
            "draws must be params whose leaves lead with the draw. Got Samples, which lead with "
            "(chain, draw). Pass samples.flatten()."
        )
    return _map_draws(_outputs, posterior, draws, jnp.asarray(inputs), recalibrates)


def recalibrated(posterior: Posterior, draws: Params) -> Params:
    """Draws that hold the statistics they predict with, on the host; draws lead every leaf.

    Draws of a network without statistics come back as they are.
    """
    if posterior.network.recalibrate is None:
        return draws
    return _map_draws(_recalibrated, posterior, draws)


def _outputs(
    posterior: Posterior, params: Params, inputs: Array, recalibrates: bool
) -> tuple[Array, Array]:
    noise_std = posterior.noise_std(params)
    outputs = posterior.apply(posterior.recalibrate(params) if recalibrates else params, inputs)
    posterior.likelihood.check_outputs(outputs.shape)
    return outputs, jnp.asarray(jnp.nan if noise_std is None else noise_std, outputs.dtype)


def _recalibrated(posterior: Posterior, params: Params) -> Params:
    return posterior.recalibrate(params)


def _map_draws(
    function: Callable[..., Any], posterior: Posterior, draws: Params, *arguments: Any
) -> Any:
    """`function(posterior, params, *arguments)` of every draw's params, stacked on the host."""
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    parts: list[Any] = []
    for first in range(0, num_draws, _CHUNK):
        # Every chunk has one size, so that the program is compiled once.
        rows = np.minimum(np.arange(first, first + _CHUNK), num_draws - 1)
        chunk = jax.tree.map(lambda leaf, rows=rows: jnp.asarray(leaf[rows]), draws)
        count = min(_CHUNK, num_draws - first)
        values = _map_chunk(function, posterior, chunk, jnp.asarray(count), *arguments)
        parts.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], values))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


@eqx.filter_jit
def _map_chunk(
    function: Callable[..., Any], posterior: Posterior, draws: Params, count: Array, *arguments: Any
) -> Any:
    """Of the first `count` draws, one after another; zeros stand for the rest."""
    of_row = lambda row: function(
        posterior, jax.tree.map(lambda leaf: leaf[row], draws), *arguments
    )
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros((_CHUNK, *leaf.shape), leaf.dtype), jax.eval_shape(of_row, count)
    )
    put = lambda row, values: jax.tree.map(
        lambda leaf, value: leaf.at[row].set(value), values, of_row(row)
    )
    return jax.lax.fori_loop(0, count, put, zeros)
