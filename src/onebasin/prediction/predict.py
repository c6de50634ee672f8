"""predict: networks run over draws of their weights, and what they then predict together."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from onebasin._arguments import check_is
from onebasin.networks.likelihood import (
    Likelihood,
    LikelihoodName,
    LogLikelihood,
    check_likelihood,
)
from onebasin.networks.network import Network
from onebasin.networks.posterior import Posterior
from onebasin.prediction.categorical import CategoricalPredictive
from onebasin.prediction.counts import CountPredictive
from onebasin.prediction.density import DensityPredictive
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.regression import MixturePredictive
from onebasin.samples import Samples
from onebasin.types import Array, Params

_CHUNK = 64


def predict(
    model: Posterior | Network,
    draws: Params,
    inputs: Num[Array, "batch *features"],
    target_mean: float = 0.0,
    target_std: float = 1.0,
    *,
    likelihood: LikelihoodName | LogLikelihood | None = None,
    noise_std: float | Literal["inferred"] = "inferred",
    recalibrates: bool = True,
) -> Predictive:
    r"""The predictive distribution of the targets of some inputs, averaged over draws.

    $p(y \mid x) = \tfrac1S \sum_s p(y \mid x, w_s)$ for `draws` $w_1 \dots w_S$ and each $x$ of
    `inputs`. It is a `CategoricalPredictive` under a categorical likelihood, a `MixturePredictive`
    in the targets' own units under a gaussian or heteroscedastic one, a `CountPredictive` under a
    poisson one, and a `DensityPredictive` under a log density of your own.

    Args:
        model: The posterior, whose network predicts and whose likelihood says how targets scatter.
            Or a network alone, with `likelihood`.
        draws: Draws of the params, such as `samples.flatten()`. Every leaf leads with the draw.
        inputs: What to predict from, scaled as the training inputs were.
        target_mean: What was subtracted from the targets of a regression to standardize them, in
            their own units.
        target_std: What they were divided by after that, in their own units.
        likelihood: How targets scatter around the outputs of a network alone, in the words of
            `posterior`. A posterior has its own.
        noise_std: The std of the noise of a network alone under a gaussian likelihood, in the unit
            of the outputs, or "inferred" if draws hold it, as those of a posterior do.
        recalibrates: Whether every draw of a network with BatchNorm first gets statistics of its
            own, computed on training inputs. If not, it predicts with those that it holds. A
            network alone has no training inputs: its draws predict with those that they hold.

    Raises:
        TypeError: If draws are `Samples`, or the model is neither a posterior nor a network.
        ValueError: If the network's outputs do not suit the likelihood, a posterior is given a
            likelihood or a network none, or targets are rescaled that cannot be.

    Examples:
        >>> predictive = ob.predict(posterior, samples.flatten(), data.test.inputs)
        >>> predictive.num_draws, sorted(predictive.scores(data.test.targets))
        (20, ['accuracy', 'brier', 'ece', 'nll'])
        >>> inputs, draws = data.test.inputs, samples.flatten()
        >>> alone = ob.predict(network, draws, inputs, likelihood="categorical")
        >>> bool((alone.probs == predictive.probs).all())
        True
    """
    known = _with_likelihood(model, likelihood, noise_std)
    kind = known.likelihood
    has_unit = kind.name in ("gaussian", "heteroscedastic")
    if not has_unit and (target_mean, target_std) != (0, 1):
        raise ValueError(
            "target_mean and target_std are for a gaussian or heteroscedastic likelihood. "
            f"Got {target_mean} and {target_std} for one called {kind.name}. Leave them out."
        )
    outputs, noise_stds = network_outputs(known, draws, inputs, recalibrates)
    if kind.log_density is not None:
        return DensityPredictive(outputs, kind.log_density)
    if kind.name == "categorical":
        return CategoricalPredictive(np.asarray(jax.nn.log_softmax(outputs, axis=-1)))
    first = outputs[..., 0].astype(np.float64)
    if kind.name == "poisson":
        return CountPredictive(first)
    if kind.name == "heteroscedastic":
        noise_stds = np.exp(outputs[..., 1].astype(np.float64))
    return MixturePredictive(
        first * target_std + target_mean, noise_stds.astype(np.float64) * target_std
    )


class _NetworkAlone(eqx.Module):
    """A network and a likelihood, which predict as a posterior does, but for training inputs."""

    network: Network = eqx.field(static=True)
    likelihood: Likelihood = eqx.field(static=True)

    def noise_std(self, params: Params) -> Float[Array, ""] | None:
        return self.likelihood.noise_of(params)

    def apply(self, params: Params, inputs: Array) -> Array:
        return self.network.apply(self.likelihood.network_params(params), inputs)

    def recalibrate(self, params: Params) -> Params:
        return params


def _with_likelihood(
    model: Posterior | Network,
    likelihood: LikelihoodName | LogLikelihood | None,
    noise_std: float | Literal["inferred"],
) -> Posterior | _NetworkAlone:
    """What predicts, with its likelihood: a posterior as it is, or a network with the one given.

    Raises:
        TypeError: If it is neither a posterior nor a network.
        ValueError: If a posterior is given a likelihood, or a network none.
    """
    if isinstance(model, Posterior):
        if likelihood is not None or noise_std != "inferred":
            raise ValueError(
                f"A posterior has its own likelihood, here {model.likelihood.name}. Got "
                f"likelihood={likelihood!r}, noise_std={noise_std!r}. Leave them out, or pass "
                "posterior.network."
            )
        return model
    check_is("model", model, Network, "Pass a posterior, or a Network with likelihood=.")
    if likelihood is None:
        raise ValueError(
            "A network alone predicts no targets. Got no likelihood. "
            'Pass likelihood="categorical", another one that ob.posterior takes, or a posterior.'
        )
    return _NetworkAlone(model, check_likelihood(likelihood, noise_std))


def network_outputs(
    posterior: Posterior | _NetworkAlone,
    draws: Params,
    inputs: Num[Array, "batch *features"],
    recalibrates: bool = True,
) -> tuple[Float[np.ndarray, "draw batch *outputs"], Float[np.ndarray, " draw"]]:
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
    posterior: Posterior | _NetworkAlone, params: Params, inputs: Array, recalibrates: bool
) -> tuple[Array, Array]:
    outputs = posterior.apply(posterior.recalibrate(params) if recalibrates else params, inputs)
    posterior.likelihood.check_outputs(outputs.shape)
    noise_std = posterior.noise_std(params)
    return outputs, jnp.asarray(jnp.nan if noise_std is None else noise_std, outputs.dtype)


def _recalibrated(posterior: Posterior, params: Params) -> Params:
    return posterior.recalibrate(params)


def _map_draws(
    function: Callable[..., Any],
    posterior: Posterior | _NetworkAlone,
    draws: Params,
    *arguments: Any,
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
    function: Callable[..., Any],
    posterior: Posterior | _NetworkAlone,
    draws: Params,
    count: Array,
    *arguments: Any,
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
