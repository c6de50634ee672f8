"""Predictive distributions of classes, their scores, and how far two of them lie apart.

Regression's mixtures of Gaussians live in `mixture`; both answer to the same names.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Num

from onebasin._types import Array, Params
from onebasin.analysis.mixture import MixturePredictive
from onebasin.models.posterior import Posterior

_CHUNK = 64
_CALIBRATION_BINS = 15


class CategoricalPredictive(NamedTuple):
    """Class probabilities of every draw; the predictive is their mean over draws."""

    draw_probs: Float[np.ndarray, "draw batch classes"]

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.draw_probs)

    @property
    def probs(self) -> Float[np.ndarray, "batch classes"]:
        """The predictive probabilities."""
        return self.draw_probs.mean(axis=0, dtype=np.float64)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "CategoricalPredictive":
        """The predictive of some draws alone."""
        return CategoricalPredictive(self.draw_probs[rows])

    def at(self, examples: slice) -> "CategoricalPredictive":
        """The predictive of some examples alone."""
        return CategoricalPredictive(self.draw_probs[:, examples])

    def scores(self, targets: Int[Array, " batch"]) -> dict[str, float]:
        r"""Accuracy, negative log likelihood in nats, Brier score and calibration error.

        Brier: $\sum_k (p_k - 1[y = k])^2$, the mean over examples (0 to 2).
        """
        probs, targets = self.probs, np.asarray(targets)
        truth = np.eye(probs.shape[1])[targets]
        chosen = np.maximum(probs[np.arange(len(targets)), targets], np.finfo(np.float64).tiny)
        return {
            "accuracy": float((probs.argmax(axis=1) == targets).mean()),
            "nll": float(-np.log(chosen).mean()),
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


@eqx.filter_jit
def _outputs(posterior: Posterior, draws: Params, inputs: Array) -> tuple[Array, Array]:
    def one(params: Params) -> tuple[Array, Array]:
        noise = posterior.noise_std(params)
        return posterior.apply(params, inputs), jnp.asarray(jnp.nan if noise is None else noise)

    return jax.lax.map(one, draws)


def network_outputs(
    posterior: Posterior, draws: Params, inputs: Float[Array, "batch features"]
) -> tuple[Float[np.ndarray, "draw batch outputs"], Float[np.ndarray, " draw"]]:
    """Outputs and noise stds (NaN without noise) of every draw; draws lead every leaf."""
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    inputs = jnp.asarray(inputs)
    outputs, noises = [], []
    for first in range(0, num_draws, _CHUNK):
        # Every chunk has one size, so that the program is compiled once.
        rows = np.minimum(np.arange(first, first + _CHUNK), num_draws - 1)
        some = jax.tree.map(lambda leaf, rows=rows: jnp.asarray(leaf[rows]), draws)
        out, noise = _outputs(posterior, some, inputs)
        kept = min(_CHUNK, num_draws - first)
        outputs.append(np.asarray(out)[:kept])
        noises.append(np.asarray(noise)[:kept])
    return np.concatenate(outputs), np.concatenate(noises)


def predict(
    posterior: Posterior,
    draws: Params,
    inputs: Float[Array, "batch features"],
    target_mean: float = 0.0,
    target_std: float = 1.0,
) -> Predictive:
    """The predictive distribution of draws of the weights, which lead every leaf.

    Regression targets were standardized by `target_mean` and `target_std`; the predictive is
    in the targets' own units.
    """
    outputs, noise = network_outputs(posterior, draws, inputs)
    if posterior.likelihood.name == "categorical":
        return CategoricalPredictive(np.asarray(jax.nn.softmax(outputs, axis=-1)))
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
