"""Posterior: prior and likelihood on training data, as a log density of the weights."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, Num

from onebasin import _trees
from onebasin._arguments import check_is, check_positive
from onebasin.networks.horseshoe import Horseshoe
from onebasin.networks.likelihood import (
    Likelihood,
    LikelihoodName,
    LogLikelihood,
    check_likelihood,
)
from onebasin.networks.network import Network, claimed_of
from onebasin.networks.prior_of_params import LogDensity, PriorOfParams, prior_of_params
from onebasin.networks.priors import Prior, Scale, check_scale, normal
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.density import preserving
from onebasin.types import Array, Key, Params

_NUM_CALIBRATION = 512


@runtime_checkable
class Examples(Protocol):
    """Training data: anything with `inputs` and `targets`."""

    @property
    def inputs(self) -> Num[Array, "examples *features"]: ...  # noqa: D102
    @property
    def targets(self) -> Num[Array, "examples *columns"]: ...  # noqa: D102


class _Config(NamedTuple):
    network: Network
    likelihood: Likelihood
    symmetry: Symmetry
    temperature: float


class Posterior(eqx.Module):
    r"""The log posterior density of a network's weights, up to a constant, in nats.

    $\log p(w \mid D) = \log p(w) + \sum_n \log p(y_n \mid f_w(x_n))$, divided by the temperature,
    which is 1 by Bayes' rule.

    Params are those of the network. If the noise is inferred, they are in collections,
    `{"weights": ..., "likelihood": {"log_noise_std": ...}}`, and the prior of the logarithm of the
    noise is a standard normal. A horseshoe adds the collection "prior".

    A network with BatchNorm is trained by `batch_apply`: the likelihood of examples is that of
    their batch (of all training examples in `logdensity`), and does not read the statistics that
    the params hold. Given the data these keep their prior, independent of all weights, so that
    sampling them changes nothing. `recalibrate` then writes what they must be for `apply`.
    """

    inputs: Num[Array, "examples *features"]
    targets: Num[Array, "examples *columns"]
    prior: PriorOfParams
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
    def prior_std(self) -> Params:
        """The std of each param under the prior, in its unit.

        It is infinite for a prior without a std, and NaN for a log density of your own.
        """
        return self.prior.std

    @property
    def tempered_prior_std(self) -> Params:
        r"""The std $s$ of the prior at the temperature $T$: $\sqrt T s$, in the unit of a weight.

        It is what draws have if the prior is normal and the data say nothing.
        """
        return jax.tree.map(lambda std: self.temperature**0.5 * std, self.prior_std)

    @property
    def symmetry(self) -> Symmetry:
        """The symmetry of the params, the noise included (it never moves).

        It is claimed of the network, on which `align` tries it once.
        """
        return self.config.symmetry

    def init(self, key: Key) -> Params:
        """Params as networks begin training: the network's own random initialization."""
        return self.prior.begin(self.network.init(key), self._likelihood_at_first)

    @property
    def _likelihood_at_first(self) -> Params:
        return {"log_noise_std": jnp.zeros(())} if self.likelihood.infers_noise else {}

    def init_from_prior(self, key: Key) -> Params:
        """A draw of the prior.

        Raises:
            ValueError: If the prior is a log density of your own.
        """
        return self.prior.draw(key)

    def network_params(self, params: Params) -> Params:
        """The params that the network takes: without those of the likelihood, and scaled.

        Under a horseshoe, a weight of the network is a param times its scales.
        """
        return self.prior.network_params(params)

    def network_samples(self, samples: Samples) -> Samples:
        """Draws of the params that the network takes, of draws of all params.

        They are what to align and to look at under a horseshoe, with the symmetry of the network.

        Examples:
            >>> posterior.network_samples(samples).params["out"]["bias"].shape
            (2, 10, 10)
        """
        params = jax.vmap(jax.vmap(self.network_params))(_trees.loaded(samples.params))
        return Samples(_trees.to_host(params), samples.stats)

    def apply(
        self, params: Params, inputs: Num[Array, "batch *features"]
    ) -> Float[Array, "batch *outputs"]:
        """The network's outputs, of which the likelihood says what they mean."""
        return self.network.apply(self.network_params(params), inputs)

    def batch_apply(
        self, params: Params, inputs: Num[Array, "batch *features"]
    ) -> Float[Array, "batch *outputs"]:
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
        return self.prior.with_statistics_of(found, params)

    def noise_std(self, params: Params) -> Float[Array, ""] | None:
        """The std of the targets around the outputs, in their unit; None unless gaussian."""
        return self.likelihood.noise_of(params)

    def log_prior(self, params: Params) -> Float[Array, ""]:
        """The log density of the prior, in nats."""
        return self.prior.log_prob(params)

    def log_likelihood(
        self,
        params: Params,
        inputs: Num[Array, "batch *features"],
        targets: Num[Array, "batch *columns"],
    ) -> Float[Array, " batch"]:
        """The log likelihood of each example, in nats, as in training."""
        outputs = self.batch_apply(params, inputs)
        return self.likelihood.log_prob(outputs, targets, self.noise_std(params))

    def drawn_targets(self, params: Params, *, key: Key) -> Num[Array, " examples"]:
        """Targets of the training inputs as the network itself expects them.

        Raises: ValueError for a likelihood of one's own, which cannot draw targets.
        """
        outputs = self.batch_apply(params, self.inputs)
        return self.likelihood.sample(outputs, self.noise_std(params), key=key)

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
    likelihood: LikelihoodName | LogLikelihood = "categorical",
    prior: Prior | Horseshoe | LogDensity | None = None,
    prior_std: Scale | None = None,
    noise_std: float | Literal["inferred"] = "inferred",
    temperature: float = 1.0,
) -> Posterior:
    """The posterior of a network's weights on training data.

    Args:
        network: The network $f_w$.
        train: Training data with `inputs` and `targets`, for instance `data.train`.
        likelihood: "categorical" if targets are classes and outputs are logits; "gaussian" if
            targets are numbers and the network's one output is their mean; "heteroscedastic" if
            two outputs are their mean and the log of their std; "poisson" if targets are counts
            and the one output is the log of their rate. Or a function `log_density(outputs,
            targets)` of your own: outputs and targets lead with the batch, and it gives nats, one
            number for each example. `Likelihood` has the equations. Default: categorical.
        prior: The prior of the weights: `normal`, `laplace`, `student` or `horseshoe` of
            `onebasin.networks`, or a function that gives the log density of the network's params,
            in nats. Units that such a function tells apart are dropped from the symmetry, with a
            warning. Default: normal.
        prior_std: The std $s$ of a normal prior of each weight: one number, or one for each
            kind of layer or array by name, as in `{"hidden": 1.0, "out": 0.5}` or `{"kernel": 1.0,
            "bias": 0.1}`. Every array must match exactly one name. Running statistics need match
            none: their prior changes nothing. Default: 1.
        noise_std: The std of a target around its mean, in the targets' unit, or "inferred" to
            sample it together with the weights. For the gaussian likelihood. Default: inferred.
        temperature: What the log density is divided by, prior and likelihood together, positive.
            1 is Bayes' rule; a temperature below 1 makes a cold posterior (Wenzel et al. 2020,
            arXiv 2002.02405, equation 1). Default: 1.

    Raises:
        ValueError: If a std or the temperature is not positive, a name matches no array or two
            names match one, a std is given beside a prior, outputs or targets do not suit the
            likelihood, or noise is given to a likelihood that reads none.
        TypeError: If the data have no inputs and targets, the prior is none, or a likelihood of
            your own does not take outputs and targets.

    Examples:
        >>> posterior = ob.posterior(network, data.train, prior_std={"kernel": 0.5, "bias": 1.0})
        >>> float(posterior.logdensity(params)) < 0  # in nats
        True
        >>> def laplace(outputs, targets):  # a log density of one's own
        ...     return -jnp.abs(targets - outputs[:, 0]) - jnp.log(2)
        >>> robust = ob.posterior(network, data.train, likelihood=laplace)
        >>> robust.likelihood.name
        'own'
    """
    kind = check_likelihood(likelihood, noise_std)
    check_positive("temperature", temperature)
    chosen = _chosen_prior(prior, prior_std)
    template = jax.eval_shape(network.init, jax.random.key(0))
    hint = "Take load_dataset(...).train or types.SimpleNamespace(inputs=X, targets=y)."
    check_is("train", train, Examples, hint)
    inputs, targets = jnp.asarray(train.inputs), jnp.asarray(train.targets)
    outputs = jax.eval_shape(network.apply, template, inputs)
    kind.check_outputs(outputs.shape)
    kind.check_targets(targets, outputs)
    network = _with_symmetry(network, chosen, inputs.shape[1:])
    of_likelihood = {"log_noise_std": jnp.ones(())} if kind.infers_noise else {}
    found = prior_of_params(chosen, network.symmetry, template, of_likelihood)
    symmetry = found.symmetry(network.symmetry)
    config = _Config(network, kind, symmetry, float(temperature))
    return Posterior(inputs, targets, found, config)


def _chosen_prior(
    prior: Prior | Horseshoe | LogDensity | None, prior_std: Scale | None
) -> Prior | Horseshoe | LogDensity:
    if prior is None:
        prior_std = 1.0 if prior_std is None else prior_std
        check_scale("prior_std", prior_std)
        return normal(prior_std)
    if prior_std is not None:
        raise ValueError(
            f"prior_std is that of a normal prior. Got {prior_std!r} beside a prior. Leave it out, "
            "or give the scale to the prior, as in onebasin.networks.student(scale)."
        )
    return prior


def _with_symmetry(
    network: Network, prior: Prior | Horseshoe | LogDensity, shape: tuple[int, ...]
) -> Network:
    """The network with a symmetry that knows its function, and that the prior has too."""
    symmetry = network.symmetry
    if symmetry.function is None:
        symmetry = claimed_of(symmetry, network.apply, *shape, is_declared=True)
    if callable(prior):
        params = [network.init(jax.random.key(seed)) for seed in range(2)]
        what = "log density of the prior"
        symmetry = preserving(symmetry, prior, params, what, stacklevel=4)
    return network if symmetry is network.symmetry else network._replace(symmetry=symmetry)
