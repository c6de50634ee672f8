"""From a config to data, network, posterior, matching and random keys."""

import zlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from onebasin.alignment.activation_matching import activation_matching
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.matching import Matching
from onebasin.alignment.mixed_matching import mixed_matching
from onebasin.alignment.problem import Round
from onebasin.alignment.reference import Reference, ToMean, to_densest, to_first, to_mean
from onebasin.alignment.weight_matching import weight_matching
from onebasin.data import Dataset, load_dataset
from onebasin.networks.network import Network
from onebasin.networks.posterior import Posterior, posterior
from onebasin.prediction.predict import predict
from onebasin.prediction.predictive import Predictive
from onebasin.run.config import ConfigError, RunConfig
from onebasin.run.networks import network_of
from onebasin.samples import Samples
from onebasin.types import Array, Key, Params

REFERENCES: dict[str, Reference] = {
    "first": to_first(),
    "densest": to_densest(),
    "mean": to_mean(),
    "chains": to_mean(by_chain=True),
}
"""What draws are aligned to, by its name in a config."""

ProgressCallback: TypeAlias = Callable[[str, float, str], None]
"""Called with the stage that is running, the fraction of it that is done, and details in words."""


def silent(what: str, fraction: float, details: str) -> None:
    """A callback that shows nothing."""


class Setup(NamedTuple):
    """What every step of a run works with."""

    config: RunConfig
    dataset: Dataset
    posterior: Posterior

    def key(self, purpose: str) -> Key:
        """A random key of its own for each purpose, fixed by the seed."""
        return jax.random.fold_in(jax.random.key(self.config.seed), zlib.crc32(purpose.encode()))

    @property
    def template(self) -> Any:
        """Shapes of the params."""
        return jax.eval_shape(self.posterior.init, jax.random.key(0))

    @property
    def matching(self) -> Matching:
        """How a draw is matched to one network; for "gaussian" that is weight matching."""
        chosen = self.config.alignment
        if chosen.matching in ("weights", "gaussian"):
            return weight_matching()
        inputs = jnp.asarray(self.dataset.train.inputs[: chosen.num_inputs])
        activations = activation_matching(Partial(_put_out, self.posterior, inputs))
        if chosen.matching == "activations":
            return activations
        # The mean over inputs is of the size of the weights' inner product, their sum is not.
        return mixed_matching([weight_matching(), activations], [1.0, 1.0 / len(inputs)])

    def align(
        self,
        samples: Samples,
        reference: Reference,
        progress: Callable[[Round], None] | None = None,
    ) -> Alignment:
        """Align draws as the config says; "gaussian" relabels from the iterated mean of weights."""
        symmetry = self.posterior.symmetry
        found = align(samples, symmetry, self.matching, reference, progress=progress)
        if self.config.alignment.matching != "gaussian" or not isinstance(reference, ToMean):
            return found
        further = to_mean(start=found)
        return align(samples, symmetry, gaussian_matching(), further, progress=progress)

    @property
    def reference(self) -> Reference:
        """What HMC's draws are aligned to."""
        return REFERENCES[self.config.alignment.reference]

    def predict(
        self,
        draws: Params,
        part: Literal["validation", "test"] = "test",
        *,
        recalibrates: bool = True,
    ) -> Predictive:
        """The predictive distribution of draws on held-out inputs, in the targets' own units."""
        data, inputs = self.dataset, getattr(self.dataset, part).inputs
        scale = data.target_mean, data.target_std
        return predict(self.posterior, draws, inputs, *scale, recalibrates=recalibrates)

    @property
    def test_targets(self) -> Any:
        """Classes of the test set, or its targets in their own units."""
        data = self.dataset
        if data.task == "classification":
            return data.test.targets
        return data.test.targets * data.target_std + data.target_mean


def _put_out(posterior: Posterior, inputs: Array, params: Params) -> dict[str, Array]:
    """What units put out. A function of its own, so that it is compiled once for all matchings."""
    activations = posterior.network.activations
    assert activations is not None
    return activations(posterior.network_params(params), inputs)


def set_up(config: RunConfig) -> Setup:
    """Load the data and build network and posterior.

    Raises: DataError for data that breaks a rule; ConfigError for a matching that the network
    does not allow; ValueError for priors that name no array, or a network that does not fit the
    data.
    """
    chosen = config.data
    dataset = load_dataset(
        chosen.name,
        seed=config.seed,
        target=chosen.target,
        task=chosen.task,
        num_train=chosen.num_train,
        num_test=chosen.num_test,
        validation=chosen.validation,
        test=chosen.test,
        pool=chosen.pool,
        standardize=chosen.standardize,
    )
    network = network_of(config.network, dataset)
    _check_matching(config, network)
    if not config.alignment.signs:
        network = network._replace(symmetry=network.symmetry.with_signs([]))
    return Setup(
        config,
        dataset,
        posterior(
            network,
            dataset.train,
            likelihood="categorical" if dataset.task == "classification" else "gaussian",
            prior_std=config.posterior.prior_std,
            noise_std=config.posterior.noise_std,
        ),
    )


def _check_matching(config: RunConfig, network: Network) -> None:
    matching = config.alignment.matching
    if matching in ("activations", "mixed") and not network.has_activations:
        raise ConfigError(
            'alignment.matching must be "weights" or "gaussian" for a network that does not say '
            f"what its units put out. Got {matching!r} for a network of kind "
            f"{config.network.kind!r}."
        )
