"""The sections of a config: every choice with its default, its range and its meaning.

The text under a field is its row in docs/runs.md: see `run/docs.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from onebasin.data.numbers import Decimal
from onebasin.data.options import Missing, Separator
from onebasin.run.kinds import KINDS, METHOD_NAMES, MethodName
from onebasin.run.nested import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DataConfig(Section):
    """The data, and how they are split."""

    name: str = "digits"
    """`digits`, `diabetes`, `mnist`, `fashion-mnist`, or the path of a file: a table (`.csv`,
    `.tsv`, `.txt`, one of these packed as `.gz`, or `.parquet`), or an archive (`.npz`)."""
    target: str | int | None = None
    """The column of a table that holds the targets: its name, or its number from 0 on. Default: the
    last column."""
    task: Literal["classification", "regression"] | None = None
    """The kind of task. By default, targets that are whole numbers or text, with at most 50
    distinct values, are classes. With all other targets, the task is regression."""
    num_train: Count | None = None
    """The number of training examples. Default: all that are in neither the test set nor the
    validation set."""
    num_test: Count | None = None
    """The number of test examples. Default: the whole test set if the data come with one, and
    otherwise the share `data.test` of all examples."""
    validation: Share = 0.1
    """The size of the validation set, as a share of the training and the validation set
    together."""
    test: Share = 0.2
    """The size of the test set, as a share of all examples. It is not used if the data come with a
    test set."""
    pool: Count = 1
    """The side, in pixels, of the square blocks over which images are averaged. 1 leaves images as
    they are."""
    standardize: bool | None = None
    """Whether each input is shifted and scaled so that it has mean 0 and std 1 over the training
    examples. By default tables are standardized, and images are scaled to [0, 1] instead."""
    header: bool = True
    """Tables: whether the first row holds the names of the columns. If not, the columns are called
    `column_1`, `column_2` and so on."""
    columns: Names | None = None
    """Tables: the columns that are inputs. Default: all but the target."""
    drop: Names = ()
    """Tables: columns that are left out."""
    categories: Names = ()
    """Tables: columns whose numbers are names, such as postal codes. Each of their values becomes
    an input that is 0 or 1, as the values of text do."""
    missing: Missing = "refuse"
    """Tables: what becomes of missing values. They are an error (`refuse`), they are replaced by
    the median of the training examples, and by their most frequent value for categories and
    booleans (`impute`), or their rows are left out (`drop`). Targets are never replaced."""
    max_levels: Count = 20
    """Tables: the largest number of values of a column of text. A column with more of them, such as
    one of names or free text, is refused."""
    separator: Separator | None = None
    """Tables: what separates the cells of a row. A space stands for any number of spaces. Default:
    what the rows of the file say."""
    decimal: Decimal | None = None
    """Tables: what stands before decimals. Default: what the numbers of each column say."""


class NetworkConfig(Section):
    """The network. A key that its kind does not read must stay at its default."""

    kind: Literal["mlp", "convnet", "resnet20", "vit", "lstm", "own"] = "mlp"
    """A built-in network, or a network of your own. All but `mlp` and `own` need images."""
    function: str | None = None
    """`own`: a Python function, as `MODULE:FUNCTION`, that returns a `Network`, or a function of
    params and inputs with its params and some inputs. Modules may be in the working directory.
    Inputs are rows of features."""
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64,)
    """`mlp`: the number of units of each hidden layer."""
    activation: Literal["relu", "tanh", "gelu", "silu"] = "relu"
    """`mlp`, `convnet`: the activation function of hidden units."""
    width: Count = 16
    """`convnet`, `resnet20`: the number of channels of the first layer. `vit`: the number of
    channels of each token. `lstm`: the number of units."""
    depth: Count = 2
    """`convnet`: the number of convolutional layers. `vit`: the number of blocks."""
    norm: Literal["batch", "layer"] = "batch"
    """`resnet20`: the kind of normalization, BatchNorm or LayerNorm."""
    heads: Count = 2
    """`vit`: the number of attention heads in each block."""
    patch: Count = 2
    """`vit`: the number of pixels along a side of a patch."""


class PosteriorConfig(Section):
    """The prior and the likelihood."""

    likelihood: Literal["gaussian", "heteroscedastic", "poisson"] | None = None
    """Regression: how targets scatter. `gaussian` has one noise for all inputs. Under
    `heteroscedastic` the network has a second output, the logarithm of the std of its noise.
    `poisson` is for counts, which are not standardized. Default: `gaussian`."""
    prior: Literal["normal", "laplace", "student"] = "normal"
    """The distribution of each weight under the prior."""
    degrees_of_freedom: Annotated[float, Field(gt=2, allow_inf_nan=False)] = 4.0
    """`student`: how many degrees of freedom Student's t has. The fewer, the more probable are
    large weights."""
    prior_std: Positive | dict[str, Positive] = 1.0
    """The std of the prior of each weight: one number for all weights, or a table with one
    number for each kind of layer or array, such as `{hidden = 1.0, out = 0.5}`. A name fits an
    array if it is the path of the array or a part of the path, with or without its number:
    `hidden`, `hidden_0` and `kernel` all fit `hidden_0/kernel`. For each array of weights, exactly
    one name of the table must fit."""
    noise_std: Positive | Literal["inferred"] = "inferred"
    """Regression: the std of the noise, in units of the standardized targets. `inferred` samples it
    together with the weights."""
    temperature: Positive = 1.0
    """What the log density is divided by, prior and likelihood together. 1 is Bayes' rule. Below 1
    the posterior is cold: narrower than Bayes' rule says. Contraction compares with the prior at
    this temperature, whose variance it multiplies."""


class MethodConfig(Section):
    """The sampler that draws from the posterior. A key that its kind does not read must stay out.

    A key that is left out has the default of its kind: the one in `KINDS`, or else that of the
    builder in `onebasin.methods`.
    """

    kind: MethodName = "hmc"
    """The sampler."""
    num_chains: Count = 4
    """The number of chains."""
    num_draws: Annotated[int, Field(ge=4)] = 250
    """The number of draws that each chain keeps, at least."""
    most_draws: Count | None = None
    """The largest number of draws that each chain keeps. If the draws have not converged when there
    are `num_draws` of each chain, sampling goes on. They are checked again whenever their number
    has doubled, and at `most_draws`. Default: four times `num_draws`."""
    start: Literal["prior", "init", "map", "ensemble"] | None = None
    """Where each chain begins: at a draw from the prior (`prior`), at randomly initialized weights
    (`init`), at a network that was trained to the maximum of the posterior (`map`), or at a member
    of the ensemble of the run (`ensemble`). `laplace` and `last_layer_laplace` begin at trained
    networks alone."""
    thin: Count | None = None
    """The chain keeps one of every `thin` draws. 1 keeps all."""
    num_warmup: Annotated[int, Field(ge=0)] | None = None
    """The number of warm-up draws. They adapt what the sampler adapts, and are discarded."""
    num_steps: Count | None = None
    """The number of steps of each draw: leapfrog steps (`hmc`), steps of the integrator (`mclmc`),
    or steps with a batch each (`sghmc`)."""
    max_steps: Count | None = None
    """The largest mean number of steps of a draw."""
    max_depth: Count | None = None
    """How often a trajectory doubles at most."""
    step_size: Positive | None = None
    """The step size. `sgld` and `sghmc` keep it, or follow `method.schedule`. For the others it is
    the first step size of the adaptation."""
    schedule: Literal["constant", "polynomial", "cyclical"] | None = None
    """How the step size changes: not at all (`constant`), as a polynomial that falls slowly
    (`polynomial`), or in cycles of `method.thin` draws, whose last draw is kept (`cyclical`)."""
    target_acceptance: Share | None = None
    """The acceptance rate that the adaptation of the step size aims at."""
    adapt_mass: bool | None = None
    """Whether the warm-up also adapts a diagonal mass matrix: the inverse of the variance of each
    weight."""
    jitter: Annotated[float, Field(ge=0, lt=1)] | None = None
    """How far the number of leapfrog steps varies from draw to draw, as a share of it."""
    energy_variance: Positive | None = None
    """The energy error that the adaptation of the step size aims at, in nats squared for each
    weight."""
    momentum_decoherence_length: Positive | None = None
    """The first length over which the momentum is forgotten, in units of the weights."""
    friction: Weight | None = None
    """The friction of the momenta, in units of one over time."""
    batch_size: Count | None = None
    """The number of examples in each step."""
    learning_rate: Positive | None = None
    """The constant learning rate of the gradient ascent whose iterates are collected."""
    num_burn_in: Annotated[int, Field(ge=0)] | None = None
    """The number of steps before the first iterate that is collected."""
    num_collected: Annotated[int, Field(ge=2)] | None = None
    """The number of iterates that are collected."""
    collect_every: Count | None = None
    """The number of steps from one collected iterate to the next."""
    least_precision: Positive | None = None
    """The smallest precision of a weight, in inverse squares of the units of the weights. Default:
    that of the prior, the smallest over all weights."""

    @property
    def limit(self) -> int:
        """The number of draws of each chain at which sampling ends in any case."""
        if "most_draws" not in KINDS[self.kind].keys:
            return self.num_draws
        return 4 * self.num_draws if self.most_draws is None else self.most_draws

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, values: Any) -> Any:
        """The values with the defaults of their kind. What has no known kind is left as it is."""
        if not isinstance(values, Mapping):
            return values
        kind = values.get("kind", "hmc")
        defaults = KINDS[kind].defaults if kind in METHOD_NAMES else {}
        return {**defaults, **values}


class EnsembleConfig(Section):
    """Maximum a posteriori networks by Adam."""

    num_members: Annotated[int, Field(ge=2)] = 8
    """The number of networks. Each is trained from another random initialization."""
    num_steps: Count = 1500
    """The number of steps of the optimizer."""
    batch_size: Count = 128
    """The number of examples in each step of the optimizer."""
    learning_rate: Positive = 3e-3
    """The learning rate of the first step. It falls to 0 along a cosine."""


class VIConfig(Section):
    """Mean-field variational inference by Adam."""

    num_steps: Count = 3000
    """The number of steps of the optimizer."""
    batch_size: Count = 512
    """The number of examples in each step of the optimizer."""
    learning_rate: Positive = 5e-3
    """The learning rate of the first step. It falls to 0 along a cosine."""
    init_std: Positive = 0.05
    """The std of every weight before the first step."""
    num_particles: Count = 1
    """The number of draws from the Gaussian that estimate the gradient of each step."""


class AlignmentConfig(Section):
    """How draws are aligned."""

    matching: Literal["weights", "activations", "gaussian", "mixed"] = "weights"
    """What makes two units similar: their weights (`weights`), their activations (`activations`,
    only for `mlp`), both (`mixed`, only for `mlp`), or their likelihood under a Gaussian of the
    aligned draws (`gaussian`). `gaussian` begins with the alignment that `weights` gives."""
    num_inputs: Count = 512
    """`activations`, `mixed`: the number of training inputs on which activations are compared."""
    reference: Literal["first", "densest", "mean", "chains"] = "mean"
    """The reference that all draws are matched to: the first draw (`first`), the draw of the
    largest log density (`densest`), or the mean of the aligned draws (`mean`, `chains`). The mean
    is found by iteration: all draws are matched to the mean, the mean is computed again, and so on.
    With `chains`, the draws are first aligned within each chain, and then the chains to each other;
    the iteration starts from there."""
    signs: bool = True
    """Whether alignment may also change the signs of units, if the network allows it."""


class CompactConfig(Section):
    """The low-rank Gaussians, besides the diagonal one."""

    ranks: tuple[Count, ...] = (2, 5)
    """The ranks of the low-rank Gaussians that are fitted to the aligned draws."""


class RefinementConfig(Section):
    """How the compact Gaussian is refined so that it predicts as the sampler does."""

    num_steps: Count = 1500
    """The number of steps of the optimizer."""
    num_particles: Count = 8
    """The number of draws from the Gaussian that estimate the gradient of each step."""
    predictive: Weight = 1.0
    """Refinement maximizes a sum of three terms. This is the factor of the first: how well the
    refined Gaussian predicts what the sampler predicts."""
    elbo: Weight = 1.0
    """The factor of the second term: the evidence lower bound (ELBO) of variational inference."""
    pull: Weight = 0.0
    """The factor of the third term: -KL(refined Gaussian ‖ compact Gaussian). It keeps the refined
    Gaussian close to the compact Gaussian."""


class EvaluationConfig(Section):
    """How representations are evaluated, and with which baselines."""

    num_gaussian_draws: Count = 400
    """The number of draws from a Gaussian over which its predictions are averaged."""
    kept: tuple[Count, ...] = (1, 2, 3, 4, 7, 8)
    """How many draws of the sampler the baseline of kept draws keeps. Each number `K` is evaluated
    as `kept-K`."""
    num_thinnings: Count = 20
    """How many choices of the first kept draw are evaluated. Kept draws are evenly spaced, and
    their scores are means over these choices."""
    keeps: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01,
    )  # fmt: skip
    """The shares of all weights that pruning keeps. Each pruning curve has one point for each
    share."""
