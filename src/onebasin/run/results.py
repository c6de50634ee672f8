"""The results of a run: one frozen section for each step, as results.json holds them.

A step returns its section. The report, the console and the studies read the same fields. The text
under a field is its row in docs/numbers.md: see `run/docs.py`. A field that holds a section needs
no text of its own.
"""

import json
from typing import Literal, TypeAlias, get_args

from pydantic import ConfigDict, Field, ValidationError

from onebasin.data.dataset import Task
from onebasin.run.barriers import Basin, Connectivity
from onebasin.run.config import RunConfig
from onebasin.run.nested import Known, Section
from onebasin.run.representations import Representation
from onebasin.run.trust import Diagnostics, NullFloor
from onebasin.run.weights import WeightDifferences, WeightKnowledge
from onebasin.store.errors import StoreError

SCHEMA: Literal[4] = 4
"""The version of the format of results.json. It grows when a name changes its meaning, and when the
report needs a number that earlier files do not have."""


class DataSizes(Section):
    """The task, the number of examples, and the names of what a table holds."""

    task: Task
    """The kind of task."""
    num_features: int
    """The number of features of an example."""
    train: int
    """The number of training examples."""
    validation: int
    """The number of validation examples."""
    test: int
    """The number of test examples."""
    target_name: str | None = None
    """Tables: the name of the column that holds the targets."""
    feature_names: tuple[str, ...] | None = None
    """Tables: the names of the inputs: those of the columns, and `column=value` for each value of a
    column of text."""
    class_names: tuple[str, ...] | None = None
    """What the classes 0, 1 and so on stand for, if the targets were text or other numbers."""
    notes: tuple[str, ...] = ()
    """Tables: what was guessed, left out or filled in when the file was read."""


class SampleResults(Section):
    """What the step `sample` found."""

    num_draws: int
    """The number of draws that each chain of the sampler kept."""
    data: DataSizes
    seconds: float = 0.0
    """How long the step took, in seconds."""


class AlignmentQuality(Section):
    """How the draws were aligned."""

    matching: str
    """The matching: how the similarity of two units was measured."""
    reference: str
    """The reference that the draws were matched to."""
    objective: float
    """The value that the matching maximizes, averaged over the draws of the sampler."""
    converged_share: float
    """The share of the draws for which no change of one group of units improved the match any
    more when alignment ended."""
    max_function_change: float
    """The largest change that alignment caused in any output of a network, divided by the largest
    output. The maximum is over all test inputs and all networks that were aligned."""


class LagTranspositions(Section):
    """Transpositions between draws of one chain."""

    lag: int
    """The lag: the distance between two draws of one chain, in draws."""
    count: float
    """The mean number of transpositions between two draws at this lag."""


class Transpositions(Section):
    """How many transpositions of units lie between draws."""

    between_chains: Known
    """The mean number of transpositions between two draws of different chains. The middle draw of
    each chain is compared with about 24 draws, in total, of the other chains."""
    by_lag: tuple[LagTranspositions, ...]
    """The mean number of transpositions between two draws of one chain, by their lag, from five
    draws of each chain."""
    baseline_mean: float
    """The mean number of transpositions of a random permutation."""
    baseline_std: float
    """The std of the number of transpositions of a random permutation."""


class AlignResults(Section):
    """What the step `align` found."""

    alignment: AlignmentQuality
    transpositions: Transpositions
    seconds: float = 0.0
    """How long the step took, in seconds."""


class LowRank(Section):
    """How much of the variance a low-rank Gaussian leaves unexplained."""

    rank: int
    """The number of principal components."""
    residual_share: float
    """The share of the total variance of the weights that the components do not explain."""
    residual_scale: float
    """The factor by which the residual std is multiplied in the tempered Gaussian. With this factor
    its predictions on validation inputs are closest to those of the sampler."""


class SummarizeResults(Section):
    """What the step `summarize` found."""

    weights: WeightKnowledge
    balanced_weights: WeightKnowledge | None
    """The same numbers of the weights in balanced coordinates, in which scaling a unit changes
    nothing. `null` if units cannot be scaled, as after tanh."""
    null_floor: NullFloor
    low_rank: tuple[LowRank, ...]
    """How much of the variance each low-rank Gaussian leaves unexplained."""
    diagnostics: Diagnostics
    seconds: float = 0.0
    """How long the step took, in seconds."""


class PredictionScores(Section):
    """How well predictions fit the targets of the test set."""

    nll: float
    """The mean over examples of the negative log predictive density, in nats. In regression the
    density is per unit of the target."""
    ece: float
    """Classes: the expected calibration error over 15 bins of confidence (Guo et al. 2017). It is
    biased upward on small test sets. Regression: the mean gap between nominal and observed
    quantiles (Kuleshov et al. 2018). This is a different quantity. The functions of the Python
    library call it `calibration_error`."""
    accuracy: float | None = None
    """Classes: the share of examples whose most probable class is right."""
    brier: float | None = None
    """Classes: the Brier score (0 to 2). It is the squared difference between the predicted
    probabilities and the true class, summed over classes and averaged over examples."""
    rmse: float | None = None
    """Regression: the root mean squared error, in units of the target."""
    crps: float | None = None
    """Regression: the continuous ranked probability score, in units of the target. It is the
    integral of the Brier score over all thresholds of the target."""

    @property
    def first(self) -> float:
        """The accuracy, or the RMSE in regression."""
        value = self.rmse if self.accuracy is None else self.accuracy
        assert value is not None
        return value


class Scores(PredictionScores):
    """How well a representation predicts, and how close its predictions are to the sampler's."""

    total_variation: float
    """The total variation (0 to 1): half the L1 distance to the predictive distribution of all
    draws, averaged over examples. In regression it is computed on a grid of 256 to 1,024 points."""
    agreement: float | None = None
    """Classes: the share of examples for which all draws together predict the same most probable
    class."""


class Evaluated(Section):
    """A representation and its scores."""

    representation: Representation
    scores: Scores


class Distances(Section):
    """Distances between two Gaussians, computed for each weight and then summarized."""

    kl: Known
    """The median over weights of KL(first ‖ second), in nats. A mean would be dominated by the few
    weights whose variance is almost 0 in one of the Gaussians. `null` if it is infinite."""
    kl_mean: Known
    """The mean over weights of KL(first ‖ second), in nats. `null` if it is infinite."""
    wasserstein2: float
    """The mean over weights of the 2-Wasserstein distance, in units of the weights."""


class Comparison(Section):
    """How far two methods' Gaussians lie apart."""

    first: str
    """The key of the first Gaussian."""
    second: str
    """The key of the second Gaussian."""
    weights: WeightDifferences
    """Which weights differ, after both Gaussians were aligned to the reference of the draws."""
    aligned: Distances
    """The distances after both Gaussians were aligned to the reference of the draws."""
    unaligned: Distances
    """The distances before alignment."""


class CompareResults(Section):
    """What the step `compare` found."""

    representations: tuple[Evaluated, ...]
    """Each representation of the posterior, with its scores."""
    comparisons: tuple[Comparison, ...]
    """Gaussians of two methods, compared weight by weight."""
    connectivity: Connectivity
    basin: Basin | None
    seconds: float = 0.0
    """How long the step took, in seconds."""

    def scores(self, representation: Representation | str) -> Scores | None:
        """The scores of a representation or of its key. None if it was not evaluated."""
        key = representation if isinstance(representation, str) else representation.key
        found = (one.scores for one in self.representations if one.representation.key == key)
        return next(found, None)


class PruningPoint(Section):
    """A network after pruning to one share of its weights."""

    keep: float
    """The share of the weights that were kept."""
    score: float
    """The accuracy, or the RMSE in regression, on the test set."""
    nll: float
    """The mean over examples of the negative log predictive density, in nats."""
    low: float
    """The lower end of the score's 95 % interval."""
    high: float
    """The upper end of the score's 95 % interval."""


PrunedNetwork: TypeAlias = Literal["compact-mean", "member"]


class PruningCurve(Section):
    """How well one network predicts after pruning in one order, for each share of weights kept."""

    network: PrunedNetwork
    """`compact-mean` is the mean of the aligned draws. `member` stands for the members of the
    ensemble: the scores are means over them."""
    order: str
    """Which weights are kept: those with the smallest `std`, the largest `signal-to-noise`
    (|weight| / std), the largest `magnitude` (|weight|), or `random` weights. `-misaligned` is the
    control: the same order for a member that was not aligned."""
    points: tuple[PruningPoint, ...]
    """The points of the curve, one for each share of weights that is kept."""

    def at(self, keep: float) -> PruningPoint | None:
        """The point at a share of weights kept. None if it was not measured."""
        return next((point for point in self.points if abs(point.keep - keep) < 1e-6), None)


class PruneResults(Section):
    """What the step `prune` found."""

    curves: tuple[PruningCurve, ...]
    """The curve of each network and order."""
    seconds: float = 0.0
    """How long the step took, in seconds."""

    def curve(self, network: PrunedNetwork, order: str) -> PruningCurve | None:
        """The curve of a network and an order. None if it was not measured."""
        found = (c for c in self.curves if (c.network, c.order) == (network, order))
        return next(found, None)


Step: TypeAlias = Literal["sample", "align", "summarize", "compare", "prune"]
"""The names of the steps of a run. The section of a step has the same name."""
STEPS: tuple[Step, ...] = get_args(Step)
"""The steps in their order. Each step reads the files of earlier steps."""

StepResults: TypeAlias = (
    SampleResults | AlignResults | SummarizeResults | CompareResults | PruneResults
)


class Results(Section):
    """Everything that results.json holds. The section of a step that is not done is None."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[4] = Field(default=SCHEMA, alias="schema")
    """The version of the format of this file."""
    config: RunConfig
    """The config, with a value for every key."""
    versions: dict[str, str]
    """The versions of Python and of the libraries on which the numbers depend."""
    sample: SampleResults | None = None
    align: AlignResults | None = None
    summarize: SummarizeResults | None = None
    compare: CompareResults | None = None
    prune: PruneResults | None = None
    report_seconds: float | None = None
    """How long the report took, in seconds."""

    def of_step(self, step: Step) -> StepResults | None:
        """The section of a step. None if the step is not done."""
        return getattr(self, step)

    def with_step(self, step: Step, section: StepResults | None) -> "Results":
        """These results with one section replaced. The sections of later steps are removed."""
        later = STEPS[STEPS.index(step) + 1 :]
        return self.model_copy(update={step: section} | dict.fromkeys((*later, "report_seconds")))

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took, and how long the report took, in seconds."""
        sections = {step: self.of_step(step) for step in STEPS}
        found = {step: section.seconds for step, section in sections.items() if section}
        return found if self.report_seconds is None else found | {"report": self.report_seconds}

    def as_json(self) -> str:
        """The text of results.json."""
        values = self.model_dump(mode="json", by_alias=True)
        return json.dumps(values, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "Results":
        """Read what `as_json` wrote.

        Raises: StoreError if the schema is another one, or the text is no results.json.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise StoreError(
                f"{where} must be JSON. Got: {error}. Delete the file and repeat the steps."
            ) from error
        schema = values.get("schema") if isinstance(values, dict) else None
        if schema != SCHEMA:
            raise StoreError(
                f"{where} must have schema {SCHEMA}. Got schema {schema}, which another version "
                "of onebasin wrote. Repeat the run in another folder, with --out."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise StoreError(
                f"{where} must hold the results of a run. Got {place!r}: {first['msg']}. "
                "Delete the file and repeat the steps."
            ) from None
