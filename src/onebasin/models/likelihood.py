"""Likelihoods: how probable targets are, given a network's outputs."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Num

from onebasin._types import Array


class Likelihood(NamedTuple):
    """Which likelihood, and its noise: a std in the targets' units, or "inferred" with the weights.

    `noise_std` is None for targets without noise of their own (classes).
    """

    name: Literal["categorical", "gaussian"]
    noise_std: float | Literal["inferred"] | None = None

    def log_prob(
        self,
        outputs: Float[Array, "batch outputs"],
        targets: Num[Array, " batch"],
        noise_std: Float[Array, ""] | float | None,
    ) -> Float[Array, " batch"]:
        r"""$\log p(y \mid f(x))$ of each example in nats.

        Categorical: outputs are logits. Gaussian: $\log \mathcal N(y; f(x), s^2)$ with
        `noise_std` $s$ and one output.
        """
        if self.name == "categorical":
            logits = jax.nn.log_softmax(outputs)
            return jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        return jax.scipy.stats.norm.logpdf(targets, outputs[:, 0], jnp.asarray(noise_std))


def check_likelihood(name: str, noise_std: float | str | None) -> Likelihood:
    """The likelihood of a name and noise.

    Raises: ValueError for an unknown name or a noise that is not positive.
    """
    if name == "categorical":
        return Likelihood("categorical")
    if name != "gaussian":
        raise ValueError(f'likelihood must be "categorical" or "gaussian". Got {name!r}.')
    if noise_std == "inferred":
        return Likelihood("gaussian", "inferred")
    if isinstance(noise_std, str) or noise_std is None or not 0 < noise_std < float("inf"):
        raise ValueError(
            f'noise_std of a gaussian likelihood must be positive or "inferred". Got {noise_std!r}.'
        )
    return Likelihood("gaussian", float(noise_std))
