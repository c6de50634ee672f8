"""Predictive distributions of classes, their scores, and how far two of them lie apart.

Regression's mixtures of Gaussians live in `mixture`; both answer to the same names.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Num

from onebasin._types import Array, Params
from onebasin.models.posterior import Posterior
from onebasin.prediction.regression import MixturePredictive

_CHUNK = 64
_CALIBRATION_BINS = 15


class CategoricalPredictive:
    """The mean over draws of class probabilities, whose logarithms in nats are held."""

    def __init__(self, draw_log_probs: Float[np.ndarray, "draw batch classes"]):
        self.draw_log_probs = draw_log_probs

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.draw_log_probs)

    @cached_property
    def draw_probs(self) -> Float[np.ndarray, "draw batch classes"]:
        """The probabilities that every draw gives."""
        return np.exp(self.draw_log_probs)

    @cached_property
    def probs(self) -> Float[np.ndarray, "batch classes"]:
        """The predictive probabilities."""
        return self.draw_probs.mean(axis=0, dtype=np.float64)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "CategoricalPredictive":
        """The predictive of some draws alone."""
        return CategoricalPredictive(self.draw_log_probs[rows])

    def at(self, examples: slice) -> "CategoricalPredictive":
        """The predictive of some examples alone."""
        return CategoricalPredictive(self.draw_log_probs[:, examples])

    def scores(self, targets: Int[Array, " batch"]) -> dict[str, float]:
        r"""Accuracy, negative log likelihood in nats, Brier score and calibration error.

        The likelihood is $\log \tfrac1S \sum_s p_s(y)$, summed in log space: it is as exact for a
        class that all draws take to be all but impossible. Brier: $\sum_k (p_k - 1[y = k])^2$, the
        mean over examples (0 to 2).
        """
        probs, targets = self.probs, np.asarray(targets)
        truth = np.eye(probs.shape[1])[targets]
        chosen = self.draw_log_probs[:, np.arange(len(targets)), targets].astype(np.float64)
        log_density = np.logaddexp.reduce(chosen, axis=0) - np.log(self.num_draws)
        return {
            "accuracy": float((probs.argmax(axis=1) == targets).mean()),
            "nll": float(-log_density.mean()),
            "brier": float(((probs - truth) ** 2).sum(axis=1).mean()),
            "ece": expected_calibration_error(probs, targets),
        }

    def agreement(self, other: "CategoricalPredictive") -> float:
        """The share of examples with the same most probable class."""
        return float((self.probs.argmax(axis=1) == other.probs.argmax(axis=1)).mean())

    def total_variation(self, other: "CategoricalPredictive") -> float:
        r"""$\tfrac12 \sum_k |p_k - q_k|$, the mean over examples (0 to 1)."""
        return float(0.5 * np.abs(self.probs - other.probs).sum(axis=1).mean())


Predictive = CategoricalPredictive | MixturePredictive


def expected_calibration_error(
    probs: Float[np.ndarray, "batch classes"], targets: Int[np.ndarray, " batch"]
) -> float:
    r"""$\sum_b \tfrac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|$ over 15 equal bins of confidence.

    It depends on the bins and is biased upward on few examples.

    Source: Guo et al. (2017), arXiv 1706.04599, equation 3.
    """
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == targets
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = np.zeros(_CALIBRATION_BINS)
    np.add.at(gaps, bins, correct - confidence)
    return float(np.abs(gaps).sum() / len(targets))


def network_outputs(
    posterior: Posterior,
    draws: Params,
    inputs: Float[Array, "batch features"],
    recalibrates: bool = True,
) -> tuple[Float[np.ndarray, "draw batch outputs"], Float[np.ndarray, " draw"]]:
    """Outputs and noise stds (NaN without noise) of every draw; draws lead every leaf.

    Here, and nowhere else, predictions meet the statistics of BatchNorm: every draw is
    recalibrated on training inputs first, whatever its statistics were.
    """
    return _of_every_draw(_outputs, posterior, draws, jnp.asarray(inputs), recalibrates)


def recalibrated(posterior: Posterior, draws: Params) -> Params:
    """Draws that hold the statistics they predict with, on the host; draws lead every leaf.

    Draws of a network without statistics come back as they are.
    """
    if posterior.network.recalibrate is None:
        return draws
    return _of_every_draw(_recalibrated, posterior, draws)


def _outputs(
    posterior: Posterior, params: Params, inputs: Array, recalibrates: bool
) -> tuple[Array, Array]:
    noise = posterior.noise_std(params)
    outputs = posterior.apply(posterior.recalibrate(params) if recalibrates else params, inputs)
    posterior.likelihood.check_outputs(outputs.shape)
    return outputs, jnp.asarray(jnp.nan if noise is None else noise, outputs.dtype)


def _recalibrated(posterior: Posterior, params: Params) -> Params:
    return posterior.recalibrate(params)


def _of_every_draw(one: Callable[..., Any], posterior: Posterior, draws: Params, *more: Any) -> Any:
    """What a function of a posterior and its params makes of every draw, stacked on the host."""
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    parts: list[Any] = []
    for first in range(0, num_draws, _CHUNK):
        # Every chunk has one size, so that the program is compiled once.
        rows = np.minimum(np.arange(first, first + _CHUNK), num_draws - 1)
        some = jax.tree.map(lambda leaf, rows=rows: jnp.asarray(leaf[rows]), draws)
        count = min(_CHUNK, num_draws - first)
        found = _of_chunk(one, posterior, some, jnp.asarray(count), *more)
        parts.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], found))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


@eqx.filter_jit
def _of_chunk(
    one: Callable[..., Any], posterior: Posterior, draws: Params, count: Array, *more: Any
) -> Any:
    """Of the first `count` draws, one after another; zeros stand for the rest."""
    of_row = lambda row: one(posterior, jax.tree.map(lambda leaf: leaf[row], draws), *more)
    empty = jax.tree.map(
        lambda leaf: jnp.zeros((_CHUNK, *leaf.shape), leaf.dtype), jax.eval_shape(of_row, count)
    )
    put = lambda row, found: jax.tree.map(
        lambda leaf, own: leaf.at[row].set(own), found, of_row(row)
    )
    return jax.lax.fori_loop(0, count, put, empty)


def predict(
    posterior: Posterior,
    draws: Params,
    inputs: Float[Array, "batch features"],
    target_mean: float = 0.0,
    target_std: float = 1.0,
    *,
    recalibrates: bool = True,
) -> Predictive:
    """The predictive distribution of draws of the weights, which lead every leaf.

    Regression targets were standardized by `target_mean` and `target_std`; the predictive is
    in the targets' own units. With BatchNorm every draw predicts with statistics of training
    inputs that are its own, unless `recalibrates` is false.
    """
    outputs, noise = network_outputs(posterior, draws, inputs, recalibrates)
    if posterior.likelihood.name == "categorical":
        return CategoricalPredictive(np.asarray(jax.nn.log_softmax(outputs, axis=-1)))
    return MixturePredictive(
        outputs[..., 0].astype(np.float64) * target_std + target_mean,
        noise.astype(np.float64) * target_std,
    )


def cell_probs(
    predictive: Predictive, reference: Predictive
) -> Float[np.ndarray, "draw batch cells"]:
    """Each draw's probability of each class, or of cells of a target that a reference lays out."""
    if isinstance(predictive, CategoricalPredictive):
        return predictive.draw_probs
    assert isinstance(reference, MixturePredictive)
    return predictive.cell_probs(reference)


def evaluate(
    predictive: Predictive, targets: Num[Array, " batch"], reference: Predictive
) -> dict[str, float | None]:
    """Scores against targets, and agreement and total variation against a reference."""
    return predictive.scores(targets) | {  # pyright: ignore[reportReturnType]
        "agreement": predictive.agreement(reference),  # pyright: ignore[reportArgumentType]
        "total_variation": predictive.total_variation(reference),  # pyright: ignore[reportArgumentType]
    }
