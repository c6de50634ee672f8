"""Setup: the data, the network, the posterior, the matching and the random keys of a config."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Float

from onebasin.alignment.activation_matching import activation_matching
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.gaussian_matching import gaussian_matching
from onebasin.alignment.matching import Matching
from onebasin.alignment.mixed_matching import mixed_matching
from onebasin.alignment.problem import Round
from onebasin.alignment.reference import Reference, ToMean, to_densest, to_first, to_mean
from onebasin.alignment.weight_matching import weight_matching
from onebasin.data import Dataset, Split, load_dataset
from onebasin.networks.likelihood import LikelihoodName
from onebasin.networks.network import Network
from onebasin.networks.posterior import Posterior, posterior
from onebasin.networks.priors import Prior, Scale, laplace, normal, student
from onebasin.prediction.predict import predict
from onebasin.prediction.predictive import Predictive
from onebasin.run.config import ConfigError, RunConfig
from onebasin.run.networks import network_name, network_of
from onebasin.run.sections import PosteriorConfig
from onebasin.samples import Samples
from onebasin.types import Array, Key, Params

REFERENCES: dict[str, Reference] = {
    "first": to_first(),
    "densest": to_densest(),
    "mean": to_mean(),
    "chains": to_mean(by_chain=True),
}
"""The reference that draws are aligned to, by its name in a config."""

ProgressCallback: TypeAlias = Callable[[str, float, str], None]
"""Called with the name of the present stage, its fraction that is done, and details in words."""


def silent(what: str, fraction: float, details: str) -> None:
    """A callback that shows nothing."""


class Setup(NamedTuple):
    """The config, the data and the posterior, which every step of a run uses."""

    config: RunConfig
    dataset: Dataset
    posterior: Posterior

    def key(self, purpose: str) -> Key:
        """A different random key for each purpose. It depends only on the purpose and the seed."""
        return jax.random.fold_in(jax.random.key(self.config.seed), zlib.crc32(purpose.encode()))

    @property
    def template(self) -> Any:
        """The shapes of the params."""
        return jax.eval_shape(self.posterior.init, jax.random.key(0))

    @property
    def network_name(self) -> str:
        """The network in words, such as `64-32-10 relu`."""
        outputs = num_outputs(self.config, self.dataset)
        return network_name(self.config.network, self.dataset, outputs)

    @property
    def has_scales(self) -> bool:
        """Whether units may be scaled without a change of the function, so that `balance` applies.

        A group with a single unit has no axis by which its scale could be found.
        """
        sizes = self.posterior.symmetry.sizes.values()
        return self.posterior.network.is_homogeneous and min(sizes, default=0) > 1

    @property
    def matching(self) -> Matching:
        """How a draw is matched to one network. For "gaussian" this is weight matching."""
        chosen = self.config.alignment
        if chosen.matching in ("weights", "gaussian"):
            return weight_matching()
        inputs = jnp.asarray(self.dataset.train.inputs[: chosen.num_inputs])
        activations = activation_matching(Partial(_put_out, self.posterior, inputs))
        if chosen.matching == "activations":
            return activations
        # A mean over inputs is about as large as the inner product of weights; a sum is not.
        return mixed_matching([weight_matching(), activations], [1.0, 1.0 / len(inputs)])

    def align(
        self,
        samples: Samples,
        reference: Reference,
        progress: Callable[[Round], None] | None = None,
    ) -> Alignment:
        """Align draws as the config says. "gaussian" starts from the alignment by weights."""
        symmetry = self.posterior.symmetry
        found = align(samples, symmetry, self.matching, reference, progress=progress)
        if self.config.alignment.matching != "gaussian" or not isinstance(reference, ToMean):
            return found
        further = to_mean(start=found)
        return align(samples, symmetry, gaussian_matching(), further, progress=progress)

    @property
    def reference(self) -> Reference:
        """The reference that the draws of the sampler are aligned to."""
        return REFERENCES[self.config.alignment.reference]

    def predict(
        self,
        draws: Params,
        part: Literal["validation", "test"] = "test",
        *,
        recalibrates: bool = True,
    ) -> Predictive:
        """The predictive distribution of draws on held-out inputs, in the units of the targets."""
        data, inputs = self.dataset, getattr(self.dataset, part).inputs
        scale = data.target_mean, data.target_std
        return predict(self.posterior, draws, inputs, *scale, recalibrates=recalibrates)

    def test_predictions(self, samples: Samples) -> Float[np.ndarray, "chain draw input"]:
        """What each draw predicts of the test set: the probability of the true class, or a mean.

        Their convergence is that of a run.
        """
        values = self.predict(samples.flatten()).draw_predictions(self.test_targets)
        return np.asarray(values).reshape(samples.num_chains, samples.num_draws, -1)

    @property
    def test_targets(self) -> Any:
        """The classes of the test set, or its targets before standardization."""
        data = self.dataset
        if data.task == "classification":
            return data.test.targets
        return data.test.targets * data.target_std + data.target_mean


def _put_out(posterior: Posterior, inputs: Array, params: Params) -> dict[str, Array]:
    """The outputs of units. This function has a name, so that all matchings compile it once."""
    activations = posterior.network.activations
    assert activations is not None
    return activations(posterior.network_params(params), inputs)


def set_up(config: RunConfig) -> Setup:
    """Load the data, and build the network and the posterior.

    Raises: DataError if the data break a rule. ConfigError if the network does not allow the
    matching. ValueError if a prior names no array, or the network does not fit the data.
    """
    options = config.data.model_dump(exclude={"name"})
    dataset = load_dataset(config.data.name, seed=config.seed, **options)
    _check_regression(config, dataset)
    likelihood = _likelihood_of(config, dataset)
    if likelihood == "poisson":
        dataset = _with_raw_targets(dataset)
    network = network_of(config.network, dataset, num_outputs(config, dataset))
    _check_matching(config, network)
    if not config.alignment.signs:
        network = network._replace(symmetry=network.symmetry.with_signs([]))
    return Setup(
        config,
        dataset,
        posterior(
            network,
            dataset.train,
            likelihood=likelihood,
            prior=_prior_of(config.posterior),
            noise_std=config.posterior.noise_std,
            temperature=config.posterior.temperature,
        ),
    )


def num_outputs(config: RunConfig, dataset: Dataset) -> int:
    """The number of outputs of the network: as many as the likelihood reads."""
    return 2 if config.posterior.likelihood == "heteroscedastic" else dataset.num_outputs


def _likelihood_of(config: RunConfig, dataset: Dataset) -> LikelihoodName:
    if dataset.task == "classification":
        return "categorical"
    return config.posterior.likelihood or "gaussian"


def _with_raw_targets(dataset: Dataset) -> Dataset:
    """The data set with targets in their own unit, which are counts."""

    def raw(split: Split) -> Split:
        targets = np.round(split.targets * dataset.target_std + dataset.target_mean, 3)
        return dataclasses.replace(split, targets=targets.astype(np.float32))

    parts = {name: raw(getattr(dataset, name)) for name in ("train", "validation", "test")}
    return dataclasses.replace(dataset, target_mean=0.0, target_std=1.0, **parts)


def _check_regression(config: RunConfig, dataset: Dataset) -> None:
    """Refuse what only a regression reads, if the targets are classes."""
    chosen = config.posterior
    given = {"noise_std": chosen.noise_std != "inferred", "likelihood": chosen.likelihood}
    for key, is_given in given.items():
        if is_given and dataset.task == "classification":
            raise ConfigError(
                f"posterior.{key} is for regression. Got {getattr(chosen, key)} for the classes "
                f"of {config.data.name!r}. Leave it out, or set data.task=regression."
            )


def _prior_of(config: PosteriorConfig) -> Prior:
    """The prior of a config, which gives its std whatever its distribution is."""
    builders: dict[str, Callable[[Scale], Prior]] = {
        "normal": normal,
        "laplace": laplace,
        "student": partial(student, degrees_of_freedom=config.degrees_of_freedom),
    }
    builder = builders[config.prior]
    std_at_1 = builder(1.0).family.std
    if isinstance(config.prior_std, Mapping):
        return builder({name: std / std_at_1 for name, std in config.prior_std.items()})
    return builder(config.prior_std / std_at_1)


def _check_matching(config: RunConfig, network: Network) -> None:
    matching = config.alignment.matching
    if matching in ("activations", "mixed") and not network.has_activations:
        raise ConfigError(
            'alignment.matching must be "weights" or "gaussian" for a network that does not give '
            f"its activations. Got {matching!r} for a network of kind {config.network.kind!r}."
        )
