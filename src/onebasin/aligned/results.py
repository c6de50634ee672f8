"""The results of `onebasin align`, as results.json of its folder holds them."""

from typing import Literal, TypeAlias

from pydantic import Field, ValidationError

from onebasin.data import Task
from onebasin.networks.likelihood import LikelihoodName
from onebasin.run.barriers import Basin
from onebasin.run.nested import Known, Section
from onebasin.run.results import AlignmentQuality, Scores, Transpositions
from onebasin.run.trust import Convergence, NullFloor
from onebasin.run.weights import WeightKnowledge
from onebasin.store.errors import StoreError

Format: TypeAlias = Literal["arviz", "onebasin", "mile", "state_dicts"]
"""What wrote the draws: ArviZ, onebasin itself, MILE, or PyTorch (or safetensors)."""


class Request(Section):
    """What was asked for: the arguments and options of `onebasin align`."""

    draws: tuple[str, ...]
    """The paths and patterns of the draws."""
    network: str
    """The name of the Python function or class that makes the network."""
    inputs: str | None = None
    """The shape of an input of a PyTorch module."""
    names: tuple[str, ...] = ()
    """The variables that are taken, or with ~ in front left out."""
    chains: int | None = None
    """How many chains checkpoints are of."""
    reference: str = "mean"
    """What draws are matched to."""
    effort: Literal["fast", "normal", "thorough"] = "normal"
    """How many local optima are looked for."""
    prior_std: float | None = None
    """The std of the prior of every weight."""
    data: str | None = None
    """The data set that predictions are tried on."""
    likelihood: LikelihoodName | None = None
    """How targets scatter around the outputs."""
    noise: str | None = None
    """The std of the noise of a gaussian likelihood, or the variable that holds it."""
    raw: bool = False
    """Whether inputs and targets are taken as the file has them, and not standardized."""
    seed: int = 0
    """The seed of all random numbers, and of the split of the data."""


class DrawsRead(Section):
    """The draws, as they were read."""

    format: Format
    """What wrote them."""
    source: str
    """The format in words."""
    num_files: int
    """The number of files or stores."""
    num_chains: int
    """The number of chains, or of networks that were trained by themselves."""
    num_draws: int
    """The number of draws of each chain."""
    num_weights: int
    """The number of weights of the network."""

    @property
    def are_networks(self) -> bool:
        """Whether every chain has one draw only, as networks do that were trained."""
        return self.num_draws == 1

    @property
    def words(self) -> str:
        """What was read, in words."""
        chains = f"{self.num_chains} chain{'s' * (self.num_chains > 1)}"
        if self.are_networks:
            return f"{self.source}: {self.num_chains} networks, each a chain of its own"
        return f"{self.source}: {chains} of {self.num_draws} draws"

    @property
    def total(self) -> int:
        """The number of draws of all chains."""
        return self.num_chains * self.num_draws


class Group(Section):
    """Units that may trade places."""

    name: str
    """The name of the group."""
    num_units: int
    """The number of its units."""
    nested_in: tuple[str, ...]
    """The groups in whose units it is nested."""
    num_signs: int
    """The number of signs of each unit."""
    arrays: tuple[str, ...]
    """The paths of the arrays that list the units."""


class SymmetryFound(Section):
    """Which units may be permuted without a change of the function."""

    groups: tuple[Group, ...]
    """The groups of units."""
    log10_num_equivalent: float
    """The decimal logarithm of the number of weight settings that compute the same function."""
    frozen: dict[str, str]
    """For each axis that is not permuted, the reason."""
    warnings: tuple[str, ...]
    """What was left out because it changed the function at the draws, and other warnings."""


class ArraySpread(Section):
    """How far draws spread, as root mean squares over weights, in units of the weights."""

    num_weights: int
    """The number of weights."""
    unaligned_std: float
    """The std of the draws before alignment."""
    std: float
    """The std of the aligned draws."""
    null_std: float
    """The null floor: the std of noise that was aligned in the same way."""


class Spread(ArraySpread):
    """The spread of all weights, and of each array."""

    unaligned_distance: float
    """The root mean square, over pairs of draws, of their Euclidean distance before alignment."""
    distance: float
    """The same after alignment."""
    by_array: dict[str, ArraySpread]
    """The spread of each array of weights, by its path."""


class ConvergenceFound(Section):
    """R-hat and effective sample sizes. A number is None if there are too few draws for it."""

    outputs: Convergence
    """Of the outputs of the network, which alignment does not change."""
    num_inputs: int
    """The number of inputs at which outputs were computed."""
    are_data: bool
    """Whether these inputs are test inputs of the data. Otherwise they are random numbers."""
    weights_unaligned: Convergence
    """Of single weights before alignment."""
    weights_aligned: Convergence
    """Of single weights after alignment."""
    warning: str | None
    """That the chains have not converged, and why, in words. `null` if they have, or if it is not
    known."""

    @property
    def is_known(self) -> bool:
        """Whether there are enough draws for an R-hat."""
        return self.outputs.rhat_max is not None


Predictor: TypeAlias = Literal[
    "draws", "draws-aligned", "single", "mean", "mean-aligned", "direct", "compact"
]
"""What predicts: draws, one of them, the network of their mean weights, or their Gaussian."""


class Scored(Section):
    """What predicts, and how well."""

    key: Predictor
    """The name of what predicts."""
    label: str
    """The same in words."""
    scores: Scores


class PredictionsFound(Section):
    """What the draws predict of the data."""

    data: str
    """The name of the data set."""
    task: Task
    """The kind of task."""
    likelihood: str
    """How targets scatter around the outputs."""
    noise: float | None
    """The mean std of the noise, in the unit of the outputs. `null` unless it is gaussian."""
    num_test: int
    """The number of test examples."""
    num_used: int
    """The number of draws that predicted: all, or 1,000 that are evenly spaced."""
    constant: float
    """The score of the best constant prediction: the accuracy of the most frequent class, or the
    RMSE of the mean."""
    scored: tuple[Scored, ...]
    """Each thing that predicts, with its scores."""
    basin: Basin | None
    """Barriers between chains. `null` if there is one chain."""

    def scores(self, key: Predictor) -> Scores:
        """The scores of what has a key."""
        return next(one.scores for one in self.scored if one.key == key)


class AlignedResults(Section):
    """Everything that results.json of an aligned folder holds."""

    kind: Literal["align"] = "align"
    """That these are results of `onebasin align`."""
    schema_version: Literal[1] = 1
    """The version of the format of this file."""
    request: Request
    versions: dict[str, str]
    """The versions of Python and of the libraries on which the numbers depend."""
    draws: DrawsRead
    symmetry: SymmetryFound
    alignment: AlignmentQuality
    transpositions: Transpositions
    spread: Spread
    convergence: ConvergenceFound
    weights: WeightKnowledge | None
    """What the draws say of each weight. `null` if chains have fewer than 8 draws."""
    null_floor: NullFloor | None
    """The stds and their null floor. `null` if chains have fewer than 8 draws."""
    predictions: PredictionsFound | None
    """What the draws predict. `null` without data."""
    seconds: Known = Field(default=None)
    """How long it took, in seconds."""

    def as_json(self) -> str:
        """The text of results.json."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "AlignedResults":
        """Read what `as_json` wrote.

        Raises: StoreError if it is something else.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise StoreError(
                f"{where} must hold the results of `onebasin align`. Got {place!r}: "
                f"{first['msg']}. Align the draws once more, with --again."
            ) from None
