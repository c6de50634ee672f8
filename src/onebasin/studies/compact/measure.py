"""Claim (b): the Gaussian of aligned draws predicts as HMC does, but not that of unaligned draws.

Controls: one chain instead of several, and one arbitrary draw as reference instead of the iterated
mean.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from onebasin.alignment.align import align
from onebasin.alignment.reference import Reference, to, to_mean
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.prediction.predictive import Predictive
from onebasin.run.judge import Judge, mean_scores
from onebasin.run.results import Scores
from onebasin.run.setup import ProgressCallback
from onebasin.samples import Samples
from onebasin.store.draws import load_samples
from onebasin.studies.claims import Claim, Direction, Findings, claim_over_seeds
from onebasin.studies.names import Scale
from onebasin.studies.runs import FinishedRun, finished_runs
from onebasin.studies.tables import Columns, Row, tables_of, where

_REPRESENTATIONS = (
    "hmc", "hmc-chain", "direct", "compact", "compact-mean", "vi", "ensemble", "compact-ensemble",
    "kept-1", "kept-2", "kept-4",
)  # fmt: skip

_SCORES = ("accuracy", "nll", "agreement", "total_variation")
TABLES: dict[str, Columns] = {
    "representations": {
        "data": str, "seed": int, "representation": str, "values_per_weight": int,
        **dict.fromkeys(_SCORES, float),
    },
    "chains": {
        "data": str, "seed": int, "acceptance_rate": float, "num_divergent": int,
        "rhat_median": float, "rhat_max": float, "ess_median": float, "ess_min": float,
        "std": float, "null_std": float, "unaligned_std": float, "share_below": float,
    },
}  # fmt: skip
"""The scores of each representation, and the convergence of the chains."""


def compact(
    folder: Path, scale: Scale, on_progress: ProgressCallback, *, again: bool = False
) -> Findings:
    """Every representation and the controls, compared with HMC. `folder` holds the runs."""
    rows: list[Row] = []
    chains: list[Row] = []
    for run in finished_runs(scale, folder, on_progress, again=again):
        chains.append(_health(run))
        on_progress(f"{run.data}, seed {run.seed}: controls", 0.5, "references and single chains")
        rows += [
            _row(run, one.representation.key, one.representation.values_per_weight, one.scores)
            for one in run.compare.representations
            if one.representation.key in _REPRESENTATIONS
        ]
        rows += [_row(run, name, 2, scores) for name, scores in _controls(run).items()]
    tables = tables_of({"representations": rows, "chains": chains}, TABLES)
    return Findings(tables, claims_of(tables["representations"]))


def _row(run: FinishedRun, name: str, values_per_weight: int, scores: Scores) -> Row:
    return {
        "data": run.data,
        "seed": run.seed,
        "representation": name,
        "values_per_weight": values_per_weight,
        **scores.model_dump(include=set(_SCORES)),
    }


def _health(run: FinishedRun) -> Row:
    """How well the predictions of HMC's chains agree, and the null floor of the compact std."""
    found, floor = run.summarize.diagnostics, run.summarize.null_floor
    return {
        "data": run.data,
        "seed": run.seed,
        "acceptance_rate": found.sampler.acceptance_rate,
        "num_divergent": found.sampler.num_divergent,
        **found.predictions.model_dump(),
        "std": floor.std,
        "null_std": floor.null_std,
        "unaligned_std": floor.unaligned_std,
        "share_below": floor.share_below,
    }


def _controls(run: FinishedRun) -> dict[str, Scores]:
    """The scores of Gaussians with other references and of single chains, averaged over chains.

    The scores with `-own` compare with the chain's own draws, as in a protocol with one chain.
    """
    samples = load_samples(run.directory.samples("hmc"), run.setup.template)
    everything = run.setup.predict(samples.flatten())
    found: dict[str, list[Scores]] = {}
    for chain in range(samples.num_chains):
        start = _aligned(run, samples, to(samples.draw(chain, 0)))
        found.setdefault("compact-first", []).append(_score(run, start, everything))
        alone = samples.select_chains(chain)
        own = run.setup.predict(alone.flatten())
        for name, gaussian in {
            "direct-chain": summarize(alone),
            "compact-chain": _aligned(run, alone, to_mean()),
        }.items():
            found.setdefault(name, []).append(_score(run, gaussian, everything))
            found.setdefault(f"{name}-own", []).append(_score(run, gaussian, own))
    return {name: mean_scores(some) for name, some in found.items()}


def _aligned(run: FinishedRun, samples: Samples, reference: Reference) -> DiagonalGaussian:
    symmetry, matching = run.setup.posterior.symmetry, run.setup.matching
    return summarize(align(samples, symmetry, matching, reference).apply(samples))


def _score(run: FinishedRun, gaussian: DiagonalGaussian, reference: Predictive) -> Scores:
    num_draws = run.setup.config.evaluation.num_gaussian_draws
    predictive = run.setup.predict(gaussian.sample(num_draws, key=run.setup.key("controls")))
    return Judge(run.setup, reference)(predictive)


class _Comparison(NamedTuple):
    """A claim that one representation has a higher or lower score than another."""

    claim: str
    first: str
    second: str
    direction: Direction
    score: str = "total_variation"


_COMPARISONS = (
    _Comparison(
        "aligned draws make a better Gaussian than unaligned ones", "compact", "direct", "<"
    ),
    _Comparison(
        "aligned draws make a Gaussian that agrees more with HMC",
        "compact", "direct", ">", "agreement",
    ),
    _Comparison(
        "aligned draws make a more accurate Gaussian", "compact", "direct", ">", "accuracy"
    ),
    _Comparison(
        "the compact Gaussian comes nearer to HMC than variational inference", "compact", "vi", "<"
    ),
    _Comparison(
        "the compact Gaussian comes nearer to HMC than the ensemble", "compact", "ensemble", "<"
    ),
    _Comparison(
        "the compact Gaussian comes nearer to HMC than two kept draws", "compact", "kept-2", "<"
    ),
    _Comparison(
        "the std of the compact Gaussian brings it nearer to HMC than its mean is",
        "compact", "compact-mean", "<",
    ),
    _Comparison(
        "one arbitrary reference makes a worse Gaussian than the iterated mean",
        "compact-first", "compact", ">",
    ),
    _Comparison(
        "judged by one chain, the direct Gaussian looks better than it is",
        "direct", "direct-chain-own", ">",
    ),
    _Comparison(
        "judged by one chain, the compact Gaussian looks better than it is",
        "compact", "compact-chain-own", ">",
    ),
)  # fmt: skip


def claims_of(rows: pd.DataFrame) -> list[Claim]:
    """The claims and controls for each data set."""
    return [
        claim
        for data in rows["data"].unique()
        for claim in _claims_of(data, where(rows, data=data).set_index(["representation", "seed"]))
    ]


def _claims_of(data: str, scores: pd.DataFrame) -> list[Claim]:
    return [
        claim_over_seeds(
            f"{data}: {one.claim}",
            f"{one.score.replace('_', ' ')}, {one.first} minus {one.second}",
            scores.loc[one.first, one.score] - scores.loc[one.second, one.score],
            one.direction,
            0.0,
        )
        for one in _COMPARISONS
    ]
