"""Likelihoods: how probable targets are, given a network's outputs."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from onebasin._types import Array


class Likelihood(NamedTuple):
    """Which likelihood, and its noise: a std in the targets' units, or "inferred" with the weights.

    `noise_std` is None for targets without noise of their own (classes).
    """

    name: Literal["categorical", "gaussian"]
    noise_std: float | Literal["inferred"] | None = None

    def check_outputs(self, shape: tuple[int, ...]) -> None:
        """Refuse outputs that this likelihood cannot read.

        Raises: ValueError for the shape of outputs that is none of (batch, classes) or (batch, 1).
        """
        is_right = len(shape) == 2 and (shape[1] > 1) == (self.name == "categorical")
        if not is_right:
            wanted = (
                "(batch, classes), the logits of two classes or more"
                if self.name == "categorical"
                else "(batch, 1), the mean of each target"
            )
            raise ValueError(
                f"Under a {self.name} likelihood a network must put out {wanted}. Got outputs of "
                f"shape {shape}. Give it another last layer, or name the other likelihood."
            )

    def check_targets(self, targets: Num[Array, " batch"], num_outputs: int) -> None:
        """Refuse targets of classes that the network has no output for, or that are no classes.

        Raises: ValueError.
        """
        if self.name != "categorical":
            return
        targets = np.asarray(targets)
        if not np.issubdtype(targets.dtype, np.integer):
            raise ValueError(
                "Under a categorical likelihood targets must be classes, as whole numbers. "
                f"Got {targets.dtype}. Cast them, or take the gaussian likelihood."
            )
        bad = targets[(targets < 0) | (targets >= num_outputs)]
        if len(bad):
            raise ValueError(
                f"Classes must lie in [0, {num_outputs - 1}], one for each output of the network. "
                f"Got {bad[0]} among {len(targets)} targets. Count classes from 0."
            )

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
