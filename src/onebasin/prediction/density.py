"""DensityPredictive: what draws predict under a log density of one's own."""

from collections.abc import Callable
from typing import NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Num

from onebasin.networks.likelihood import LogLikelihood
from onebasin.types import Array


class DensityPredictive:
    r"""The outputs of each draw, and a log density of targets given outputs.

    $p(y \mid x) = \tfrac1S \sum_s p(y \mid f_s(x))$ with the outputs $f_s(x)$ of draw $s$.

    Args:
        outputs: $f_s(x)$ for each draw and example.
        log_likelihood: $\log p(y \mid f)$ in nats: a function of outputs and targets, which both
            lead with the batch, one number for each example.

    Examples:
        >>> from onebasin.prediction import DensityPredictive
        >>> laplace = lambda outputs, targets: -jnp.abs(targets - outputs) - jnp.log(2)
        >>> predictive = DensityPredictive(np.array([[0.0], [2.0]]), laplace)
        >>> predictive.draw_predictions(np.array([0.0])).round(2)
        array([[-0.69],
               [-2.69]])
    """

    def __init__(
        self, outputs: Float[np.ndarray, "draw batch *outputs"], log_likelihood: LogLikelihood
    ):
        self.outputs = outputs
        self.log_likelihood = log_likelihood

    @property
    def num_draws(self) -> int:
        """The number of draws that are averaged."""
        return len(self.outputs)

    def take(self, rows: Int[np.ndarray, " rows"]) -> "DensityPredictive":
        """The predictive of some draws alone, given by their rows."""
        return DensityPredictive(self.outputs[rows], self.log_likelihood)

    def at(self, examples: slice) -> "DensityPredictive":
        """The predictive of some examples alone."""
        return DensityPredictive(self.outputs[:, examples], self.log_likelihood)

    def log_density(self, targets: Num[Array, "batch *columns"]) -> Float[np.ndarray, " batch"]:
        r"""$\log p(y \mid x)$ of each example's target, in nats, summed in log space.

        Raises:
            ValueError: If targets do not lead with the examples.
        """
        log_terms = self.draw_predictions(targets)
        return np.logaddexp.reduce(log_terms, axis=0) - np.log(self.num_draws)

    def scores(self, targets: Num[Array, "batch *columns"]) -> dict[str, float]:
        r"""`nll`, the mean over examples of $-\log p(y \mid x)$, in nats.

        Raises:
            ValueError: If targets do not lead with the examples.
        """
        return {"nll": float(-self.log_density(targets).mean())}

    def example_scores(self, targets: Num[Array, "batch *columns"]) -> Float[np.ndarray, " batch"]:
        """The log density of each example's target, in nats."""
        return self.log_density(targets)

    def draw_predictions(
        self, targets: Num[Array, "batch *columns"]
    ) -> Float[np.ndarray, "draw batch"]:
        """The log density that every draw gives to the targets, in nats."""
        if np.shape(targets)[:1] != self.outputs.shape[1:2]:
            raise ValueError(
                f"targets must lead with the {self.outputs.shape[1]} examples. Got targets of "
                f"shape {np.shape(targets)}. Take the targets of the inputs that were predicted."
            )
        outputs, targets = jnp.asarray(self.outputs), jnp.asarray(targets)
        return np.asarray(_of_draws(self.log_likelihood, outputs, targets), np.float64)

    def cell_probs(self, reference: "DensityPredictive") -> NoReturn:
        """There are none: what the targets could be is not known.

        Raises: ValueError.
        """
        raise _unknown_targets("cell_probs")

    def total_variation(self, reference: "DensityPredictive") -> NoReturn:
        """There is none: what the targets could be is not known.

        Raises: ValueError.
        """
        raise _unknown_targets("total_variation")

    def comparison(self, reference: "DensityPredictive") -> NoReturn:
        """There is none, because there is no total variation.

        Raises: ValueError.
        """
        raise _unknown_targets("comparison")


@eqx.filter_jit
def _of_draws(log_likelihood: Callable[..., Array], outputs: Array, targets: Array) -> Array:
    return jax.lax.map(lambda of_draw: log_likelihood(of_draw, targets), outputs)


def _unknown_targets(method: str) -> ValueError:
    return ValueError(
        f"{method} needs to know which targets are possible. Got a log density of one's own, which "
        "does not say so. Compare the nll of scores, or write a Predictive with cell_probs and "
        "total_variation."
    )
