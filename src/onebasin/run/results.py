"""The results of a run: one frozen section for each step, as results.json holds them.

A step returns its section; the report, the console and the studies read the same fields.
"""

import json
import math
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from onebasin.data.dataset import Task
from onebasin.run.config import RunConfig
from onebasin.run.nested import Section
from onebasin.run.representations import Representation
from onebasin.store.errors import StoreError

SCHEMA: Literal[3] = 3
"""The version of results.json; it grows when a name changes its meaning."""


def _none_if_infinite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Known: TypeAlias = Annotated[float | None, BeforeValidator(_none_if_infinite)]
"""A number; None where there is none, for JSON has neither NaN nor infinity."""
Interval: TypeAlias = tuple[float, float]
"""The ends of a 95 % interval."""


class DataSizes(Section):
    """What was predicted from how many features, and the examples of each part."""

    task: Task
    num_features: int
    train: int
    validation: int
    test: int


class SampleResults(Section):
    """What the step `sample` found."""

    data: DataSizes
    seconds: float = 0.0


class AlignmentQuality(Section):
    """How the draws were aligned.

    `objective` and `converged_share` are means over HMC's draws. `max_function_change` is the
    largest change of an output by alignment, as a share of the largest output.
    """

    matching: str
    reference: str
    objective: float
    converged_share: float
    max_function_change: float


class LagTranspositions(Section):
    """The mean number of transpositions between draws of a chain that lie `lag` draws apart."""

    lag: int
    count: float


class Transpositions(Section):
    """Numbers of transpositions; `baseline` ones are those of random permutations."""

    between_chains: Known
    by_lag: tuple[LagTranspositions, ...]
    baseline_mean: float
    baseline_std: float


class AlignResults(Section):
    """What the step `align` found."""

    alignment: AlignmentQuality
    transpositions: Transpositions
    seconds: float = 0.0


class ArrayFloor(Section):
    """Root mean squares of the stds of an array, in units of the weights.

    `null_std` is the null floor, `ess_median` the median effective sample size of an aligned std.
    """

    std: float
    null_std: float
    unaligned_std: float
    ess_median: float

    @property
    def ratio(self) -> float | None:
        """The aligned std in units of its null floor; None where the floor is 0."""
        return self.std / self.null_std if self.null_std > 0 else None


class NullFloor(ArrayFloor):
    """The floor of all weights, and of each array by its path.

    `share_below` is the share of weights whose std lies below its floor, `undecided_share` that of
    weights whose effective sample size is too small to tell.
    """

    share_below: float
    undecided_share: float
    by_array: dict[str, ArrayFloor]


class LowRank(Section):
    """The variance that a rank leaves over, and the factor on its residual std."""

    rank: int
    residual_share: float
    residual_scale: float


class SamplerHealth(Section):
    """How HMC fared; None where the sampler does not say."""

    num_divergent: int | None
    acceptance_rate: Known
    step_size: Known
    bfmi_min: Known


class Convergence(Section):
    """R-hat and effective sample sizes over some quantities; None where they are not defined."""

    rhat_median: Known
    rhat_max: Known
    ess_median: Known
    ess_min: Known


class Diagnostics(Section):
    """Whether HMC can be trusted: its health, and convergence of predictions and weights."""

    sampler: SamplerHealth
    predictions: Convergence
    weights_unaligned: Convergence
    weights_aligned: Convergence


class SummarizeResults(Section):
    """What the step `summarize` found."""

    null_floor: NullFloor
    low_rank: tuple[LowRank, ...]
    diagnostics: Diagnostics
    seconds: float = 0.0


class PredictionScores(Section):
    """How well predictions fit the targets of the test set.

    `nll` is in nats an example. Classes have `accuracy` and `brier`, regression has `rmse` and
    `crps` in units of the target. `ece` is the expected calibration error of classes, and the mean
    gap between nominal and empirical coverage in regression.
    """

    nll: float
    ece: float
    accuracy: float | None = None
    brier: float | None = None
    rmse: float | None = None
    crps: float | None = None

    @property
    def first(self) -> float:
        """The accuracy, or the RMSE in regression."""
        value = self.rmse if self.accuracy is None else self.accuracy
        assert value is not None
        return value


class Scores(PredictionScores):
    """How well a representation predicts, and how near it comes to HMC.

    `total_variation` is that to HMC's predictions (0 to 1), `agreement` the share of test examples
    with the same class; regression has none.
    """

    total_variation: float
    agreement: float | None = None


class Evaluated(Section):
    """A representation and its scores."""

    representation: Representation
    scores: Scores


class Distances(Section):
    """How far two Gaussians lie apart: KL in nats, 2-Wasserstein in units of the weights.

    `kl` is the median over weights: a weight that one method leaves almost without variance would
    swamp the mean, `kl_mean`.
    """

    kl: Known
    kl_mean: Known
    wasserstein2: float


class Comparison(Section):
    """The distances of one method's Gaussian to another's, by the keys of both."""

    first: str
    second: str
    aligned: Distances
    unaligned: Distances


class Barrier(Section):
    """Midpoint barriers between ensemble members: their mean, its interval, and each pair's."""

    mean: float
    interval: Interval | None
    pairs: tuple[float, ...]


class Barriers(Section):
    """Barriers of the test loss (nats) and of the test error (share of classes, or RMSE)."""

    loss: Barrier
    error: Barrier


class Connectivity(Section):
    """Barriers before and after alignment; with BatchNorm also with recomputed statistics."""

    before: Barriers
    after: Barriers
    before_recomputed: Barriers | None = None
    after_recomputed: Barriers | None = None


class CompareResults(Section):
    """What the step `compare` found."""

    representations: tuple[Evaluated, ...]
    comparisons: tuple[Comparison, ...]
    connectivity: Connectivity
    seconds: float = 0.0

    def scores(self, representation: Representation | str) -> Scores | None:
        """The scores of a representation, also by its key; None where it was not evaluated."""
        key = representation if isinstance(representation, str) else representation.key
        found = (one.scores for one in self.representations if one.representation.key == key)
        return next(found, None)


class PruningPoint(Section):
    """The score (accuracy or RMSE) and NLL with a share of the weights kept.

    `low` and `high` are the ends of the score's 95 % interval.
    """

    keep: float
    score: float
    nll: float
    low: float
    high: float


PrunedNetwork: TypeAlias = Literal["hmc-mean", "member"]


class PruningCurve(Section):
    """What is left of a network when weights go in one order, share by share."""

    network: PrunedNetwork
    order: str
    points: tuple[PruningPoint, ...]

    def at(self, keep: float) -> PruningPoint | None:
        """The point of a share of weights kept; None where it was not measured."""
        return next((point for point in self.points if abs(point.keep - keep) < 1e-6), None)


class PruneResults(Section):
    """What the step `prune` found."""

    curves: tuple[PruningCurve, ...]
    seconds: float = 0.0

    def curve(self, network: PrunedNetwork, order: str) -> PruningCurve | None:
        """The curve of a network and an order; None where it was not measured."""
        found = (c for c in self.curves if (c.network, c.order) == (network, order))
        return next(found, None)


Step: TypeAlias = Literal["sample", "align", "summarize", "compare", "prune"]
"""The steps of a run, which are the names of their sections."""
STEPS: tuple[Step, ...] = get_args(Step)
"""The steps in their order; each reads what those before it wrote."""

StepResults: TypeAlias = (
    SampleResults | AlignResults | SummarizeResults | CompareResults | PruneResults
)


class Results(Section):
    """Everything that results.json holds; a step that has not been taken has None."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[3] = Field(default=SCHEMA, alias="schema")
    config: RunConfig
    versions: dict[str, str]
    sample: SampleResults | None = None
    align: AlignResults | None = None
    summarize: SummarizeResults | None = None
    compare: CompareResults | None = None
    prune: PruneResults | None = None
    report_seconds: float | None = None

    def of_step(self, step: Step) -> StepResults | None:
        """The section of a step; None where it has not been taken."""
        return getattr(self, step)

    def with_step(self, step: Step, section: StepResults | None) -> "Results":
        """These results with one section replaced whole; those of later steps are gone."""
        later = STEPS[STEPS.index(step) + 1 :]
        return self.model_copy(update={step: section} | dict.fromkeys((*later, "report_seconds")))

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took, and the report."""
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

        Raises: StoreError for another schema, or text that is no results.json.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise StoreError(
                f"{where} must be JSON. Got: {error}. Delete it and repeat the steps."
            ) from error
        schema = values.get("schema") if isinstance(values, dict) else None
        if schema != SCHEMA:
            raise StoreError(
                f"{where} must be of schema {SCHEMA}. Got schema {schema}, which another version "
                "of onebasin wrote. Run it anew into another folder, with --out."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise StoreError(
                f"{where} must hold what a run writes. Got {place!r}: {first['msg']}. "
                "Delete it and repeat the steps."
            ) from None
