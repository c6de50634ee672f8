"""Likelihood: how probable targets are, given the outputs of a network."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Float, Num

from onebasin._arguments import check_takes
from onebasin._collections import LIKELIHOOD, has_collections, of_network
from onebasin.types import Array, Key, Params

LogLikelihood: TypeAlias = Callable[
    [Float[Array, "batch *outputs"], Num[Array, "batch *columns"]], Float[Array, " batch"]
]
"""A log density of one's own: from outputs and targets to nats, one number for each example."""

LikelihoodName: TypeAlias = Literal["categorical", "gaussian", "heteroscedastic", "poisson"]
"""The likelihoods that have a name."""

_OUTPUTS = {
    "categorical": "(batch, classes), the logits of two classes or more",
    "gaussian": "(batch, 1), the mean of each target",
    "heteroscedastic": "(batch, 2), the mean and the log of the std of each target",
    "poisson": "(batch, 1), the log of the rate of each target",
}
_NUM_OUTPUTS = {"gaussian": 1, "heteroscedastic": 2, "poisson": 1}


class Likelihood(NamedTuple):
    r"""The likelihood of targets, given the outputs of a network.

    With a target $y$ and the outputs $f$ of its input, $\log p(y \mid f)$ is, in nats:

    - "categorical": $f_y - \log \sum_k e^{f_k}$. Targets are classes, and outputs their logits.
    - "gaussian": $\log \mathcal N(y; f_0, s^2)$ with the std $s$, `noise_std`. Targets are numbers.
    - "heteroscedastic": $\log \mathcal N(y; f_0, e^{2 f_1})$. Targets are numbers, and the second
      output is the log of their std.
    - "poisson": $y f_0 - e^{f_0} - \log y!$. Targets are counts, and the output is the log of the
      rate.
    - "own": `log_density(outputs, targets)`, one number for each example.

    `noise_std` is in the unit of the targets, or "inferred" if it is sampled with the weights. It
    is None unless the likelihood is gaussian.

    Source: Nix and Weigend (1994), doi 10.1109/ICNN.1994.374138, for heteroscedastic noise.
    """

    name: Literal["categorical", "gaussian", "heteroscedastic", "poisson", "own"]
    noise_std: float | Literal["inferred"] | None = None
    log_density: LogLikelihood | None = None

    @property
    def infers_noise(self) -> bool:
        """Whether the log of the noise's std is among the params."""
        return self.noise_std == "inferred"

    def network_params(self, params: Params) -> Params:
        """The part of the params that the network takes.

        Raises: ValueError if the noise is inferred and the params hold none.
        """
        if not self.infers_noise:
            return params
        if not has_collections(params) or LIKELIHOOD not in params:
            raise ValueError(
                'With noise_std="inferred" params must hold the noise, as {"weights": ..., '
                '"likelihood": {"log_noise_std": ...}}. Got none. Pass noise_std as a number.'
            )
        return of_network(params)

    def noise_of(self, params: Params) -> Float[Array, ""] | None:
        """The std of targets around the outputs, in their unit. None unless it is gaussian."""
        if self.infers_noise:
            return jnp.exp(params[LIKELIHOOD]["log_noise_std"])
        return None if self.noise_std is None else jnp.asarray(self.noise_std)

    def check_outputs(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless outputs of a network have the shape that this likelihood needs.

        A log density of one's own takes any shape.
        """
        if self.name == "own":
            return
        is_right = len(shape) == 2 and (
            shape[1] > 1 if self.name == "categorical" else shape[1] == _NUM_OUTPUTS[self.name]
        )
        if not is_right:
            raise ValueError(
                f"Under a {self.name} likelihood a network must put out {_OUTPUTS[self.name]}. "
                f"Got outputs of shape {shape}. Give it another last layer, or name the other "
                "likelihood."
            )

    def check_targets(self, targets: Num[Array, "batch *columns"], outputs: Any) -> None:
        """Raise ValueError unless targets suit outputs, of which the shape and dtype are read.

        There must be a target for each example: a class in [0, classes - 1], a number, a count, or
        what a log density of one's own takes.
        """
        examples = outputs.shape[0]
        if self.log_density is not None:
            _check_own(self.log_density, targets, outputs)
            return
        if targets.shape != (examples,):
            raise ValueError(
                f"Targets must be one number for each of the {examples} inputs. Got targets of "
                f"shape {targets.shape}. Flatten a column of targets with targets[:, 0]."
            )
        if self.name == "categorical":
            check_classes(targets, outputs.shape[1])
        if self.name == "poisson":
            check_counts(targets)

    def log_prob(
        self,
        outputs: Float[Array, "batch *outputs"],
        targets: Num[Array, "batch *columns"],
        noise_std: Float[Array, ""] | float | None,
    ) -> Float[Array, " batch"]:
        r"""The log likelihood $\log p(y \mid f)$ of each example, in nats."""
        if self.log_density is not None:
            return self.log_density(outputs, targets)
        if self.name == "categorical":
            logits = jax.nn.log_softmax(outputs)
            return jnp.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]
        if self.name == "gaussian":
            return jax.scipy.stats.norm.logpdf(targets, outputs[:, 0], jnp.asarray(noise_std))
        # Networks in half precision still have densities in float32.
        wide = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
        targets = targets.astype(wide.dtype)
        if self.name == "poisson":
            return targets * wide[:, 0] - jnp.exp(wide[:, 0]) - gammaln(targets + 1)
        mean, log_std = wide[:, 0], wide[:, 1]
        z = (targets - mean) * jnp.exp(-log_std)
        return -0.5 * z**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)

    def sample(
        self,
        outputs: Float[Array, "batch *outputs"],
        noise_std: Float[Array, ""] | float | None,
        *,
        key: Key,
    ) -> Num[Array, " batch"]:
        """A target of each example, drawn from the likelihood of its outputs.

        Raises: ValueError for a log density of one's own.
        """
        if self.name == "own":
            raise ValueError(
                "The Fisher information needs targets that are drawn from the likelihood. Got a "
                "log density of one's own, which cannot draw any. Of observed targets take "
                "ob.fisher.fisher_importance."
            )
        if self.name == "categorical":
            return jax.random.categorical(key, outputs)
        if self.name == "poisson":
            return jax.random.poisson(key, jnp.exp(outputs[:, 0]))
        std = jnp.exp(outputs[:, 1]) if self.name == "heteroscedastic" else jnp.asarray(noise_std)
        return outputs[:, 0] + std * jax.random.normal(key, outputs.shape[:1], outputs.dtype)


def check_likelihood(likelihood: str | LogLikelihood, noise_std: float | str) -> Likelihood:
    """The likelihood of a name or of a log density, with the std of its noise if it is gaussian.

    Raises:
        ValueError: If the name is unknown, the noise is neither positive nor "inferred", or noise
            is given to a likelihood that reads none.
        TypeError: If a log density does not take outputs and targets.
    """
    if not isinstance(likelihood, str):
        check_takes("likelihood", likelihood, ("outputs", "targets"), "Or pass a name.")
        _check_no_noise("of one's own", noise_std)
        return Likelihood("own", None, likelihood)
    match likelihood:
        case "categorical" | "heteroscedastic" | "poisson":
            _check_no_noise(likelihood, noise_std)
            return Likelihood(likelihood)
        case "gaussian":
            return Likelihood("gaussian", _checked_noise(noise_std))
        case _:
            raise ValueError(
                'likelihood must be "categorical", "gaussian", "heteroscedastic", "poisson" or a '
                f"function of outputs and targets. Got {likelihood!r}. "
                "Pass the first for classes, the second for real numbers, the fourth for counts."
            )


def check_classes(targets: Num[Array, " batch"], num_classes: int) -> None:
    """Raise ValueError unless targets are classes in [0, num_classes - 1], as integers."""
    targets = np.asarray(targets)
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(
            "Under a categorical likelihood targets must be classes, as whole numbers. "
            f"Got {targets.dtype}. Cast them, or take the gaussian likelihood."
        )
    bad = targets[(targets < 0) | (targets >= num_classes)]
    if len(bad):
        raise ValueError(
            f"Classes must lie in [0, {num_classes - 1}], one for each output of the network. "
            f"Got {bad[0]} among {len(targets)} targets. Count classes from 0."
        )


def check_counts(targets: Num[Array, " batch"]) -> None:
    """Raise ValueError unless targets are whole numbers from 0 on, of whatever dtype."""
    values = np.asarray(targets, np.float64)
    bad = values[~(np.isfinite(values) & (values >= 0) & (values == np.round(values)))]
    if len(bad):
        raise ValueError(
            "Under a poisson likelihood targets must be counts, whole numbers from 0 on. "
            f"Got {bad[0]} among {len(values)} targets. Of other numbers take a gaussian or a "
            "heteroscedastic likelihood, and do not standardize counts."
        )


def _check_own(log_density: LogLikelihood, targets: Num[Array, "..."], outputs: Any) -> None:
    """Raise ValueError unless a log density gives one number for each example."""
    examples = outputs.shape[0]
    if targets.shape[:1] != (examples,):
        raise ValueError(
            f"Targets must lead with the {examples} inputs. Got targets of shape {targets.shape}."
        )
    found = jax.eval_shape(log_density, outputs, targets)
    is_right = hasattr(found, "shape") and found.shape == (examples,)
    if not (is_right and jnp.issubdtype(found.dtype, jnp.floating)):
        got = f"shape {found.shape}, {found.dtype}" if hasattr(found, "shape") else f"{found}"
        raise ValueError(
            f"likelihood must give one log density for each example, of shape ({examples},). "
            f"Got {got}. Sum over all axes but the first."
        )


def _check_no_noise(name: str, noise_std: float | str) -> None:
    if noise_std != "inferred":
        raise ValueError(
            f"noise_std belongs to a gaussian likelihood alone. Got {noise_std} for one {name}. "
            'Leave noise_std out, or pass likelihood="gaussian".'
        )


def _checked_noise(noise_std: float | str) -> float | Literal["inferred"]:
    if noise_std == "inferred":
        return "inferred"
    if isinstance(noise_std, str) or not 0 < noise_std < float("inf"):
        raise ValueError(
            f'noise_std of a gaussian likelihood must be positive or "inferred". '
            f"Got {noise_std!r}. Pass a std in the unit of the targets."
        )
    return float(noise_std)
