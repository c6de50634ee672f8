"""The sections of a config: every choice with its default, its range and what it means.

The text under a field is its row in docs/runs.md: see `run/docs.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from onebasin.run.nested import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DataConfig(Section):
    """Which data, and how it is split."""

    name: str = "digits"
    """`digits`, `diabetes`, `mnist`, `fashion-mnist`, or the path of a `.csv` or `.npz` file."""
    target: str | None = None
    """The column of a table that is predicted. Default: the last one."""
    task: Literal["classification", "regression"] | None = None
    """What is predicted. Default: told from the targets."""
    num_train: Count | None = None
    """The number of training examples. Default: as many as there are."""
    num_test: Count | None = None
    """The number of test examples. Default: as many as there are."""
    validation: Share = 0.1
    """The share of the examples outside of the test set that is held out for validation."""
    test: Share = 0.2
    """The share of examples that is held out for the test, if the data have no test set."""
    pool: Count = 1
    """Images are averaged over squares of so many pixels along a side."""
    standardize: bool | None = None
    """Whether inputs get mean 0 and std 1, as measured on training examples. Default: only for
    tables."""


class NetworkConfig(Section):
    """A built-in network. A key that its kind does not read must stay at its default."""

    kind: Literal["mlp", "convnet", "resnet20", "vit", "lstm"] = "mlp"
    """Which built-in network. All but `mlp` take images."""
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64,)
    """`mlp`: the number of units of each hidden layer."""
    activation: Literal["relu", "tanh", "gelu", "silu"] = "relu"
    """`mlp`, `convnet`: the activation function of hidden units."""
    width: Count = 16
    """`convnet`, `resnet20`: the number of channels of the first layer. `vit`: the size of the
    stream. `lstm`: the number of units."""
    depth: Count = 2
    """`convnet`: the number of convolutions. `vit`: the number of blocks."""
    norm: Literal["batch", "layer"] = "batch"
    """`resnet20`: BatchNorm or LayerNorm."""
    heads: Count = 2
    """`vit`: the number of attention heads in each block."""
    patch: Count = 2
    """`vit`: the number of pixels along a side of a patch."""


class PosteriorConfig(Section):
    """The prior and the likelihood."""

    prior_std: Positive | dict[str, Positive] = 1.0
    """The std of the normal prior of weights: one number, or a table by layers or arrays such as
    `{hidden = 1.0, out = 0.5}`."""
    noise_std: Positive | Literal["inferred"] = "inferred"
    """Regression: the std of the noise, in units of standardized targets."""


class HMCConfig(Section):
    """Hamiltonian Monte Carlo."""

    num_chains: Count = 4
    """The number of chains."""
    num_draws: Annotated[int, Field(ge=4)] = 250
    """The number of draws that each chain keeps."""
    thin: Count = 1
    """One of so many draws is kept."""
    num_warmup: Annotated[int, Field(ge=0)] = 150
    """The number of draws before the first that is kept. The step size is adapted in them."""
    num_steps: Count = 60
    """The number of leapfrog steps in a draw."""
    step_size: Positive = 1e-3
    """The step size at which the adaptation begins."""
    target_acceptance: Share = 0.8
    """The acceptance rate that the step size is adapted to."""
    adapt_mass: bool = False
    """Whether the warm-up's variances become a diagonal mass matrix."""
    start: Literal["prior", "init", "map"] = "init"
    """Where chains begin: at a draw of the prior, at weights as training begins with them, or at a
    maximum a posteriori network."""


class EnsembleConfig(Section):
    """Maximum a posteriori networks by Adam."""

    num_members: Annotated[int, Field(ge=2)] = 8
    """The number of networks, each from its own start."""
    num_steps: Count = 1500
    """The number of optimization steps."""
    batch_size: Count = 128
    """The number of examples in a step."""
    learning_rate: Positive = 3e-3
    """The first learning rate. It decays to 0."""


class VIConfig(Section):
    """Mean-field variational inference by Adam."""

    num_steps: Count = 3000
    """The number of optimization steps."""
    batch_size: Count = 512
    """The number of examples in a step."""
    learning_rate: Positive = 5e-3
    """The first learning rate. It decays to 0."""
    init_std: Positive = 0.05
    """The std of every weight at the start."""
    num_particles: Count = 1
    """The number of draws of the Gaussian in a step."""


class AlignmentConfig(Section):
    """How draws are aligned."""

    matching: Literal["weights", "activations", "gaussian", "mixed"] = "weights"
    """How the similarity of units is measured: by weights, by activations (`mlp`), by both
    (`mixed`), or by relabelling by likelihood that begins at the mean of weights (`gaussian`)."""
    num_inputs: Count = 512
    """`activations`, `mixed`: the number of training inputs that units are compared on."""
    reference: Literal["first", "densest", "mean", "chains"] = "mean"
    """What draws are matched to: the first draw, the draw of highest density, the mean of the
    aligned draws, or that mean after the same within each chain (`chains`)."""
    signs: bool = True
    """Whether units may change sign too, if that leaves the function as it is."""


class CompactConfig(Section):
    """The Gaussians beside the diagonal one."""

    ranks: tuple[Count, ...] = (2, 5)
    """The ranks of the low-rank Gaussians."""


class RefinementConfig(Section):
    """How the compact Gaussian is moved to where it predicts as HMC does."""

    num_steps: Count = 1500
    """The number of optimization steps."""
    num_particles: Count = 8
    """The number of draws of the Gaussian in a step."""
    predictive: Weight = 1.0
    """The weight of the match with HMC's predictions."""
    elbo: Weight = 1.0
    """The weight of the evidence lower bound, which follows the posterior itself."""
    pull: Weight = 0.0
    """The weight of a term that holds the Gaussian where it began."""


class EvaluationConfig(Section):
    """By how much representations are judged, and which rivals are shown."""

    num_gaussian_draws: Count = 400
    """The number of draws that a Gaussian is judged by."""
    kept: tuple[Count, ...] = (1, 2, 3, 4, 7, 8)
    """Numbers of draws that are kept instead of a Gaussian, as its rivals."""
    num_thinnings: Count = 20
    """Scores of kept draws are the mean over so many places where the spacing begins."""
    keeps: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01,
    )  # fmt: skip
    """Shares of the weights that pruning leaves."""
