"""The sections of a config: every choice with its default, its range and what it means."""

from typing import Annotated, Literal

from pydantic import Field

from onebasin.run.nested import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class DataConfig(Section):
    """Which data, and how it is split. Counts of None mean as many as there are."""

    name: str = "digits"
    target: str | None = None
    task: Literal["classification", "regression"] | None = None
    num_train: Count | None = None
    num_test: Count | None = None
    validation: Share = 0.1
    test: Share = 0.2
    pool: Count = 1
    standardize: bool | None = None


class NetworkConfig(Section):
    """A built-in network; `kind` says which, and which of the other keys it reads.

    A key that it does not read must stay at its default.
    """

    kind: Literal["mlp", "convnet", "resnet20", "vit", "lstm"] = "mlp"
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64,)
    activation: Literal["relu", "tanh", "gelu", "silu"] = "relu"
    width: Count = 16
    depth: Count = 2
    norm: Literal["batch", "layer"] = "batch"
    heads: Count = 2
    patch: Count = 2


class PosteriorConfig(Section):
    """The prior stds, and the noise std of regression in standardized targets."""

    prior_std: Positive | dict[str, Positive] = 1.0
    noise_std: Positive | Literal["inferred"] = "inferred"


class HMCConfig(Section):
    """Hamiltonian Monte Carlo; `start` is where chains begin."""

    num_chains: Count = 4
    num_draws: Annotated[int, Field(ge=4)] = 250
    thin: Count = 1
    num_warmup: Annotated[int, Field(ge=0)] = 150
    num_steps: Count = 60
    step_size: Positive = 1e-3
    target_acceptance: Share = 0.8
    adapt_mass: bool = False
    start: Literal["prior", "init", "map"] = "init"


class EnsembleConfig(Section):
    """Maximum a posteriori networks by Adam, with the learning rate decaying to zero."""

    num_members: Annotated[int, Field(ge=2)] = 8
    num_steps: Count = 1500
    batch_size: Count = 128
    learning_rate: Positive = 3e-3


class VIConfig(Section):
    """Mean-field variational inference by Adam, with the learning rate decaying to zero."""

    num_steps: Count = 3000
    batch_size: Count = 512
    learning_rate: Positive = 5e-3
    init_std: Positive = 0.05
    num_particles: Count = 1


class AlignmentConfig(Section):
    """What is matched, on how many training inputs (activations and mixed), and to what.

    Units may change sign where that leaves the network as it is, but not with `signs` false.
    """

    matching: Literal["weights", "activations", "gaussian", "mixed"] = "weights"
    num_inputs: Count = 512
    reference: Literal["first", "densest", "mean", "chains"] = "mean"
    signs: bool = True


class CompactConfig(Section):
    """The ranks of the low-rank Gaussians beside the diagonal one."""

    ranks: tuple[Count, ...] = (2, 5)


class RefinementConfig(Section):
    """How the compact Gaussian is moved to where it predicts as HMC does.

    `predictive` and `elbo` weigh the match of HMC's predictive and the posterior itself; `pull`
    holds the Gaussian where it was. Each step takes `num_particles` draws of it.
    """

    num_steps: Count = 1500
    num_particles: Count = 8
    predictive: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    elbo: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    pull: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class EvaluationConfig(Section):
    """How many draws a Gaussian is judged by, and which rivals and shares are shown."""

    num_gaussian_draws: Count = 400
    kept: tuple[Count, ...] = (1, 2, 3, 4, 7, 8)
    num_thinnings: Count = 20
    keeps: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01,
    )  # fmt: skip
