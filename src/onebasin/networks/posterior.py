"""Posterior: prior and likelihood on training data, as a log density of the weights."""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, Num

from onebasin import _trees
from onebasin._arguments import check_is, check_positive
from onebasin._collections import (
    LIKELIHOOD,
    WEIGHTS,
    has_statistics,
    statistics_in,
    with_likelihood,
    without_likelihood,
)
from onebasin.networks.likelihood import Likelihood, check_likelihood
from onebasin.networks.network import Network, claimed_inside, claimed_of
from onebasin.symmetry.axes import Axes, Symmetry
from onebasin.types import Array, Key, Params

_NUM_CALIBRATION = 512


@runtime_checkable
class Examples(Protocol):
    """Training data: anything with `inputs` and `targets`."""

    @property
    def inputs(self) -> Num[Array, "examples *features"]: ...  # noqa: D102
    @property
    def targets(self) -> Num[Array, " examples"]: ...  # noqa: D102


class _Config(NamedTuple):
    network: Network
    likelihood: Likelihood
    symmetry: Symmetry
    temperature: float


class Posterior(eqx.Module):
    r"""The log posterior density of a network's weights, up to a constant, in nats.

    $\log p(w \mid D) = \log \mathcal N(w; 0, \mathrm{diag}(s^2))
    + \sum_n \log p(y_n \mid f_w(x_n))$, divided by the temperature, which is 1 by Bayes' rule.

    `prior_std` is $s$, shaped like the params. Params are those of the network. If the noise is
    inferred, they are in collections, `{"weights": ..., "likelihood": {"log_noise_std": ...}}`, and
    the prior of the logarithm of the noise is a standard normal.

    A network with BatchNorm is trained by `batch_apply`: the likelihood of examples is that of
    their batch (of all training examples in `logdensity`), and does not read the statistics that
    the params hold. Given the data these keep their prior, independent of all weights, so that
    sampling them changes nothing. `recalibrate` then writes what they must be for `apply`.
    """

    inputs: Num[Array, "examples *features"]
    targets: Num[Array, " examples"]
    prior_std: Params
    config: _Config = eqx.field(static=True)

    @property
    def network(self) -> Network:
        """The network whose weights are inferred."""
        return self.config.network

    @property
    def likelihood(self) -> Likelihood:
        """How targets depend on the network's outputs."""
        return self.config.likelihood

    @property
    def temperature(self) -> float:
        """What the log density is divided by. Below 1 the posterior is cold: it is narrower."""
        return self.config.temperature

    @property
    def tempered_prior_std(self) -> Params:
        r"""The std of the prior at the temperature $T$: $\sqrt T s$, in the unit of each weight.

        It is what draws have where the data say nothing.
        """
        return jax.tree.map(lambda std: self.temperature**0.5 * std, self.prior_std)

    @property
    def _infers_noise(self) -> bool:
        return self.likelihood.noise_std == "inferred"

    @property
    def symmetry(self) -> Symmetry:
        """The symmetry of the params, the noise included (it never moves).

        It is claimed of the network, on which `align` tries it once.
        """
        return self.config.symmetry

    def init(self, key: Key) -> Params:
        """Params as networks begin training: the network's own random initialization."""
        return self._with_noise(self.network.init(key), jnp.zeros(()))

    def init_from_prior(self, key: Key) -> Params:
        """A draw of the prior."""
        leaves, structure = jax.tree.flatten(self.prior_std)
        keys = jax.random.split(key, len(leaves))
        draws = [std * jax.random.normal(k, std.shape) for k, std in zip(keys, leaves, strict=True)]
        return jax.tree.unflatten(structure, draws)

    def _with_noise(self, params: Params, log_noise_std: Float[Array, ""]) -> Params:
        if not self._infers_noise:
            return params
        return with_likelihood(params, {"log_noise_std": log_noise_std})

    def network_params(self, params: Params) -> Params:
        """The part of the params that the network takes."""
        return without_likelihood(params) if self._infers_noise else params

    def apply(
        self, params: Params, inputs: Num[Array, "batch *features"]
    ) -> Float[Array, "batch outputs"]:
        """The network's outputs: logits, or means of the targets."""
        return self.network.apply(self.network_params(params), inputs)

    def batch_apply(
        self, params: Params, inputs: Num[Array, "batch *features"]
    ) -> Float[Array, "batch outputs"]:
        """The network's outputs as in training; with BatchNorm they depend on the whole batch."""
        apply = self.network.batch_apply or self.network.apply
        return apply(self.network_params(params), inputs)

    def recalibrate(self, params: Params) -> Params:
        """Params whose statistics are those of the training inputs, the first 512 of them.

        These are always the same inputs, in an order that the split of the data has mixed. Params
        of a network without statistics come back as they are.
        """
        if self.network.recalibrate is None:
            return params
        inputs = self.inputs[:_NUM_CALIBRATION]
        found = self.network.recalibrate(self.network_params(params), inputs)
        return with_likelihood(found, params[LIKELIHOOD]) if self._infers_noise else found

    def noise_std(self, params: Params) -> Float[Array, ""] | None:
        """The std of the targets around the outputs, in the targets' units; None for classes."""
        if self._infers_noise:
            return jnp.exp(params[LIKELIHOOD]["log_noise_std"])
        fixed = self.likelihood.noise_std
        return None if fixed is None else jnp.asarray(fixed, self.inputs.dtype)

    def log_prior(self, params: Params) -> Float[Array, ""]:
        """The log density of the prior, in nats."""
        terms = jax.tree.map(
            lambda w, std: jax.scipy.stats.norm.logpdf(w, 0.0, std).sum(), params, self.prior_std
        )
        return sum(jax.tree.leaves(terms), jnp.zeros(()))

    def log_likelihood(
        self, params: Params, inputs: Num[Array, "batch *features"], targets: Num[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """The log likelihood of each example, in nats, as in training."""
        outputs = self.batch_apply(params, inputs)
        return self.likelihood.log_prob(outputs, targets, self.noise_std(params))

    def drawn_targets(self, params: Params, *, key: Key) -> Num[Array, " examples"]:
        """Targets of the training inputs as the network itself expects them."""
        outputs = self.batch_apply(params, self.inputs)
        noise = self.noise_std(params)
        if noise is None:
            return jax.random.categorical(key, outputs)
        return outputs[:, 0] + noise * jax.random.normal(key, outputs.shape[:1], outputs.dtype)

    def logdensity(self, params: Params) -> Float[Array, ""]:
        """The log posterior density on all training examples, up to a constant, in nats."""
        likelihood = self.log_likelihood(params, self.inputs, self.targets).sum()
        return _tempered(self.log_prior(params) + likelihood, self.temperature)

    def minibatch_logdensity(self, batch_size: int) -> Callable[[Params, Key], Float[Array, ""]]:
        """An unbiased estimate of `logdensity` from a batch drawn with replacement by its key.

        Raises: ValueError for a batch size outside [1, examples].
        """
        num_examples = self.inputs.shape[0]
        if not 1 <= batch_size <= num_examples:
            raise ValueError(
                f"batch_size must lie in [1, {num_examples}] (training examples). Got {batch_size}."
            )
        return jax.tree_util.Partial(_minibatch_logdensity, self, jnp.zeros(batch_size, bool))


def _minibatch_logdensity(
    posterior: Posterior, slots: Array, params: Params, key: Key
) -> Float[Array, ""]:
    num_examples = posterior.inputs.shape[0]
    rows = jax.random.randint(key, slots.shape, 0, num_examples)
    batch = posterior.log_likelihood(params, posterior.inputs[rows], posterior.targets[rows])
    density = posterior.log_prior(params) + batch.mean() * num_examples
    return _tempered(density, posterior.temperature)


def _tempered(density: Float[Array, ""], temperature: float) -> Float[Array, ""]:
    return density if temperature == 1 else density / temperature


def posterior(
    network: Network,
    train: Examples,
    *,
    likelihood: Literal["categorical", "gaussian"] = "categorical",
    prior_std: float | Mapping[str, float] = 1.0,
    noise_std: float | Literal["inferred"] = "inferred",
    temperature: float = 1.0,
) -> Posterior:
    """The posterior of a network's weights on training data.

    Args:
        network: The network $f_w$.
        train: Training data with `inputs` and `targets`, for instance `data.train`.
        likelihood: "categorical" if targets are classes and outputs are logits, "gaussian" if
            targets are numbers and the network's one output is their mean. Default: categorical.
        prior_std: The std $s$ of the normal prior of each weight: one number, or one for each
            kind of layer or array by name, as in `{"hidden": 1.0, "out": 0.5}` or `{"kernel": 1.0,
            "bias": 0.1}`. Every array must match exactly one name. Running statistics need match
            none: their prior changes nothing. Default: 1.
        noise_std: The std of a target around its mean, in the targets' unit, or "inferred" to
            sample it together with the weights. Of the gaussian likelihood only. Default: inferred.
        temperature: What the log density is divided by, prior and likelihood together, positive.
            1 is Bayes' rule; a temperature below 1 makes a cold posterior (Wenzel et al. 2020,
            arXiv 2002.02405, equation 1). Default: 1.

    Raises:
        ValueError: If a std or the temperature is not positive, a name matches no array or two
            names match one, or outputs or targets do not suit the likelihood.
        TypeError: If the data have no inputs and targets.

    Examples:
        >>> posterior = ob.posterior(network, data.train, prior_std={"kernel": 0.5, "bias": 1.0})
        >>> float(posterior.logdensity(params)) < 0  # in nats
        True
    """
    kind = check_likelihood(likelihood, noise_std)
    check_positive("temperature", temperature)
    template = jax.eval_shape(network.init, jax.random.key(0))
    stds = _prior_stds(prior_std, template)
    if kind.noise_std == "inferred":
        stds = with_likelihood(stds, {"log_noise_std": jnp.ones(())})
    hint = "Take load_dataset(...).train or types.SimpleNamespace(inputs=X, targets=y)."
    check_is("train", train, Examples, hint)
    inputs, targets = jnp.asarray(train.inputs), jnp.asarray(train.targets)
    outputs = jax.eval_shape(network.apply, template, inputs).shape
    kind.check_outputs(outputs)
    _check_targets_fit(inputs.shape, targets.shape)
    kind.check_targets(targets, outputs[1])
    symmetry = network.symmetry
    if symmetry.function is None:
        symmetry = claimed_of(symmetry, network.apply, *inputs.shape[1:], is_declared=True)
    if kind.noise_std == "inferred":
        axes = with_likelihood(symmetry.axes, {"log_noise_std": Axes()})
        symmetry = claimed_inside(symmetry, axes, "" if has_statistics(symmetry.axes) else WEIGHTS)
    return Posterior(inputs, targets, stds, _Config(network, kind, symmetry, float(temperature)))


def _check_targets_fit(inputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    if targets != inputs[:1]:
        raise ValueError(
            f"Targets must be one number for each of the {inputs[0]} inputs. Got targets of shape "
            f"{targets}. Flatten a column of targets with targets[:, 0]."
        )


def _prior_stds(prior_std: float | Mapping[str, float], template: Params) -> Params:
    given = prior_std if isinstance(prior_std, Mapping) else {"": prior_std}
    for name, std in given.items():
        if not 0 < std < float("inf"):
            raise ValueError(f"prior_std must be positive. Got {std} for {name or 'all weights'}.")
    leaves = _trees.named_leaves(template)
    kinds = {name: _kinds(name) for name in leaves}
    unused = set(given) - set().union(*kinds.values())
    if unused:
        raise ValueError(
            f"prior_std must name layers or arrays. Got {sorted(unused)}; "
            f"known are {sorted(set().union(*kinds.values()) - {''})}."
        )
    stds, statistics = {}, statistics_in(template)
    for name, leaf in leaves.items():
        matching = sorted(set(given) & kinds[name])
        if name in statistics and not matching:
            stds[name] = jnp.ones(leaf.shape, leaf.dtype)
            continue
        if len(matching) != 1:
            raise ValueError(
                f"Exactly one name in prior_std must match each array. Got {matching} for {name}."
            )
        stds[name] = jnp.full(leaf.shape, given[matching[0]], leaf.dtype)
    return _trees.rebuild(stds, template)


def _kinds(name: str) -> set[str]:
    """Every name an array answers to: its path, its parts, and parts without their number.

    PyTorch's names have dots where others have slashes.
    """
    parts = re.split("[/.]", name)
    return {"", name, *parts, *(re.sub(r"_\d+$", "", part) for part in parts)}
