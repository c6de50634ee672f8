"""The results of a run: one frozen section for each step, as results.json holds them.

A step returns its section; the report, the console and the studies read the same fields. The text
under a field is its row in docs/numbers.md: see `run/docs.py`. A section may stand without.
"""

import json
from typing import Literal, TypeAlias, get_args

from pydantic import ConfigDict, Field, ValidationError

from onebasin.data.dataset import Task
from onebasin.run.config import RunConfig
from onebasin.run.nested import Interval, Known, Section
from onebasin.run.representations import Representation
from onebasin.run.trust import Diagnostics, NullFloor
from onebasin.store.errors import StoreError

SCHEMA: Literal[3] = 3
"""The version of results.json; it grows when a name changes its meaning."""


class DataSizes(Section):
    """What was predicted from what, and the number of examples."""

    task: Task
    """What is predicted."""
    num_features: int
    """The number of features of an example."""
    train: int
    """The number of training examples."""
    validation: int
    """The number of validation examples."""
    test: int
    """The number of test examples."""


class SampleResults(Section):
    """What the step `sample` found."""

    data: DataSizes
    seconds: float = 0.0
    """How long the step took, in seconds."""


class AlignmentQuality(Section):
    """How the draws were aligned."""

    matching: str
    """How the similarity of units was measured."""
    reference: str
    """What draws were matched to."""
    objective: float
    """What the matching maximizes, the mean over HMC's draws."""
    converged_share: float
    """The share of HMC's draws that had stopped changing when the alignment ended."""
    max_function_change: float
    """The largest change of an output by alignment, as a share of the largest output: over all
    test inputs and all draws of HMC, the ensemble and variational inference."""


class LagTranspositions(Section):
    """Transpositions between draws of one chain."""

    lag: int
    """How many draws the two lie apart."""
    count: float
    """The mean number of transpositions between them."""


class Transpositions(Section):
    """How many transpositions of units lie between draws."""

    between_chains: Known
    """The mean number between draws of different chains."""
    by_lag: tuple[LagTranspositions, ...]
    """The mean number between draws of one chain, by their distance in the chain."""
    baseline_mean: float
    """The mean number in a random permutation."""
    baseline_std: float
    """The std of the number in a random permutation."""


class AlignResults(Section):
    """What the step `align` found."""

    alignment: AlignmentQuality
    transpositions: Transpositions
    seconds: float = 0.0
    """How long the step took, in seconds."""


class LowRank(Section):
    """What a low-rank Gaussian leaves over."""

    rank: int
    """The number of principal components."""
    residual_share: float
    """The share of the total variance that the components leave over."""
    residual_scale: float
    """The factor on the residual std with which predictions on validation inputs come closest to
    those of HMC."""


class SummarizeResults(Section):
    """What the step `summarize` found."""

    null_floor: NullFloor
    low_rank: tuple[LowRank, ...]
    """What each low-rank Gaussian leaves over."""
    diagnostics: Diagnostics
    seconds: float = 0.0
    """How long the step took, in seconds."""


class PredictionScores(Section):
    """How well predictions fit the targets of the test set."""

    nll: float
    """The mean negative log predictive density of an example, in nats; in regression in units of
    the target."""
    ece: float
    """Classes: the expected calibration error over 15 bins of confidence (Guo et al. 2017), which
    is biased upward on small test sets. Regression: another quantity, `calibration_error` in
    Python, the mean gap between nominal and observed quantiles (Kuleshov et al. 2018)."""
    accuracy: float | None = None
    """Classes: the share of examples whose most probable class is right."""
    brier: float | None = None
    """Classes: the mean squared distance between probabilities and the true class, summed over
    classes (0 to 2)."""
    rmse: float | None = None
    """Regression: the root mean squared error, in units of the target."""
    crps: float | None = None
    """Regression: the continuous ranked probability score, which is the integral of the Brier
    score over thresholds, in units of the target."""

    @property
    def first(self) -> float:
        """The accuracy, or the RMSE in regression."""
        value = self.rmse if self.accuracy is None else self.accuracy
        assert value is not None
        return value


class Scores(PredictionScores):
    """How well a representation predicts, and how near it comes to HMC."""

    total_variation: float
    """Half the L1 distance to HMC's predictive distribution (0 to 1), the mean over examples.
    Regression: on a grid of 256 points."""
    agreement: float | None = None
    """Classes: the share of examples with the same most probable class as HMC."""


class Evaluated(Section):
    """A representation and its scores."""

    representation: Representation
    scores: Scores


class Distances(Section):
    """How far two Gaussians lie apart, weight by weight."""

    kl: Known
    """The median over weights of the KL divergence of the first from the second, in nats. A weight
    that one method leaves almost without variance would swamp the mean."""
    kl_mean: Known
    """The mean over weights of the same."""
    wasserstein2: float
    """The mean over weights of the 2-Wasserstein distance, in units of the weights."""


class Comparison(Section):
    """How far two methods' Gaussians lie apart."""

    first: str
    """The key of one method's Gaussian."""
    second: str
    """The key of the other's."""
    aligned: Distances
    """The distances once both are in HMC's basin."""
    unaligned: Distances
    """The distances before alignment."""


class Barrier(Section):
    """How far something rises halfway between two ensemble members, above their mean."""

    mean: float
    """The mean over all pairs of members."""
    interval: Interval | None
    """Its 95 % interval; none of a single pair."""
    pairs: tuple[float, ...]
    """The rise between each pair."""


class Barriers(Section):
    """The barriers of the test set."""

    loss: Barrier
    """The barrier of the loss, in nats."""
    error: Barrier
    """The barrier of the share of wrong classes, or of the RMSE."""


class Connectivity(Section):
    """Barriers between ensemble members."""

    before: Barriers
    """Barriers before alignment."""
    after: Barriers
    """Barriers after alignment."""
    before_recomputed: Barriers | None = None
    """With BatchNorm: barriers before alignment, with statistics recomputed halfway."""
    after_recomputed: Barriers | None = None
    """With BatchNorm: barriers after alignment, with statistics recomputed halfway."""


class CompareResults(Section):
    """What the step `compare` found."""

    representations: tuple[Evaluated, ...]
    """What may stand for the posterior, with its scores."""
    comparisons: tuple[Comparison, ...]
    """Gaussians of two methods, compared weight by weight."""
    connectivity: Connectivity
    seconds: float = 0.0
    """How long the step took, in seconds."""

    def scores(self, representation: Representation | str) -> Scores | None:
        """The scores of a representation, also by its key; None where it was not evaluated."""
        key = representation if isinstance(representation, str) else representation.key
        found = (one.scores for one in self.representations if one.representation.key == key)
        return next(found, None)


class PruningPoint(Section):
    """A network of which a share of the weights is left."""

    keep: float
    """The share of the weights that is left."""
    score: float
    """The accuracy, or the RMSE."""
    nll: float
    """The mean negative log predictive density of an example, in nats."""
    low: float
    """The lower end of the score's 95 % interval."""
    high: float
    """The upper end of the score's 95 % interval."""


PrunedNetwork: TypeAlias = Literal["hmc-mean", "member"]


class PruningCurve(Section):
    """What is left of a network when weights go in one order, share by share."""

    network: PrunedNetwork
    """The mean of HMC's aligned draws, or the ensemble's members, averaged."""
    order: str
    """Which weights stay longest: those of small `std`, of large `signal-to-noise` (|weight| / std)
    or `magnitude` (|weight|), or `random` ones. `-misaligned`: by HMC's std before the member was
    aligned, the control."""
    points: tuple[PruningPoint, ...]
    """The curve, by the share that is left."""

    def at(self, keep: float) -> PruningPoint | None:
        """The point of a share of weights kept; None where it was not measured."""
        return next((point for point in self.points if abs(point.keep - keep) < 1e-6), None)


class PruneResults(Section):
    """What the step `prune` found."""

    curves: tuple[PruningCurve, ...]
    """The curve of each network and order."""
    seconds: float = 0.0
    """How long the step took, in seconds."""

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
    """The version of this file."""
    config: RunConfig
    """The config, every default written out."""
    versions: dict[str, str]
    """The versions of Python and of the libraries that fix every number."""
    sample: SampleResults | None = None
    align: AlignResults | None = None
    summarize: SummarizeResults | None = None
    compare: CompareResults | None = None
    prune: PruneResults | None = None
    report_seconds: float | None = None
    """How long the report took, in seconds."""

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
