"""Likelihood: how probable targets are, given the outputs of a network."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

from onebasin.types import Array


class Likelihood(NamedTuple):
    """The likelihood of targets, categorical or Gaussian, and the noise of a Gaussian one.

    `noise_std` is a std in the unit of the targets, or "inferred" if it is sampled with the
    weights. It is None for a categorical likelihood, whose targets are classes.
    """

    name: Literal["categorical", "gaussian"]
    noise_std: float | Literal["inferred"] | None = None

    def check_outputs(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless outputs of a network have the shape that this likelihood needs.

        That is (batch, classes) for a categorical likelihood and (batch, 1) for a Gaussian one.
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
        """Raise ValueError unless targets are classes in [0, num_outputs - 1].

        Any targets will do for a Gaussian likelihood.
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
        r"""The log likelihood $\log p(y \mid f(x))$ of each example, in nats.

        With a target $y$ and the outputs $f(x)$ of its input, it is
        $f(x)_y - \log \sum_k e^{f(x)_k}$ for a categorical likelihood, of which outputs are the
        logits, and $\log \mathcal N(y; f(x), s^2)$ for a Gaussian one, with one output and the std
        `noise_std` $s$.
        """
        if self.name == "categorical":
            logits = jax.nn.log_softmax(outputs)
            return jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        return jax.scipy.stats.norm.logpdf(targets, outputs[:, 0], jnp.asarray(noise_std))


def check_likelihood(name: str, noise_std: float | str | None) -> Likelihood:
    """The likelihood of a name, with the std of its noise if it is Gaussian.

    Raises:
        ValueError: If the name is unknown, or the noise is neither positive nor "inferred".
    """
    if name == "categorical":
        return Likelihood("categorical")
    if name != "gaussian":
        raise ValueError(
            f'likelihood must be "categorical" or "gaussian". Got {name!r}. '
            "Pass the first for classes, the second for real numbers."
        )
    if noise_std == "inferred":
        return Likelihood("gaussian", "inferred")
    if isinstance(noise_std, str) or noise_std is None or not 0 < noise_std < float("inf"):
        raise ValueError(
            f'noise_std of a gaussian likelihood must be positive or "inferred". '
            f"Got {noise_std!r}. Pass a std in the unit of the targets."
        )
    return Likelihood("gaussian", float(noise_std))
