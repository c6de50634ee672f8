"""Claim (b): the Gaussian of aligned draws predicts as HMC does, that of unaligned draws does not.

Controls: one chain against several, and one arbitrary draw as reference against the iterated mean.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onebasin.alignment.align import align
from onebasin.alignment.reference import Reference
from onebasin.analysis.predictive import Predictive, evaluate
from onebasin.experiments.paper.findings import Claim, Findings, Scale, claim_over_seeds, number
from onebasin.experiments.paper.runs import FinishedRun, finished_runs
from onebasin.experiments.setup import Monitor
from onebasin.gaussian import DiagonalGaussian, summarize
from onebasin.samples import Samples
from onebasin.store.draws import load_samples
from onebasin.store.tables import Row

_SCORES = ("accuracy", "nll", "agreement", "total_variation")
_REPRESENTATIONS = (
    "hmc", "hmc-chain", "direct", "compact", "compact-mean", "vi", "ensemble", "compact-ensemble",
    "kept-1", "kept-2", "kept-4",
)  # fmt: skip


def compact(folder: Path, scale: Scale, monitor: Monitor) -> Findings:
    """Every representation against HMC's predictive, and the controls; runs lie in `folder`."""
    rows: list[Row] = []
    for run in finished_runs(scale, folder, monitor):
        table = run.directory.results["representations"]
        monitor(f"{run.data}, seed {run.seed}: controls", 0.5, "references and single chains")
        scores = {name: table[name] for name in _REPRESENTATIONS} | _controls(run)
        rows += [
            {
                "data": run.data,
                "seed": run.seed,
                "representation": name,
                "num_numbers": found["num_numbers"],
                **{score: found[score] for score in _SCORES},
            }
            for name, found in scores.items()
        ]
    return Findings({"representations": rows}, claims_of(rows))


def _controls(run: FinishedRun) -> dict[str, Row]:
    """Scores of Gaussians by other references and of single chains, means over which.

    `-own` is judged against the chain's own draws, as a protocol of one chain would.
    """
    samples = load_samples(run.directory.samples("hmc"), run.setup.template)
    everything = run.setup.predict(samples.draws())
    found: dict[str, list[Row]] = {}
    for chain in range(samples.num_chains):
        start = _aligned(run, samples, samples.draw(chain, 0))
        found.setdefault("compact-first", []).append(_score(run, start, everything))
        alone = samples.chains(chain)
        own = run.setup.predict(alone.draws())
        for name, gaussian in {
            "direct-chain": summarize(alone),
            "compact-chain": _aligned(run, alone, "mean"),
        }.items():
            found.setdefault(name, []).append(_score(run, gaussian, everything))
            found.setdefault(f"{name}-own", []).append(_score(run, gaussian, own))
    return {name: _mean(some) for name, some in found.items()}


def _aligned(run: FinishedRun, samples: Samples, reference: Reference) -> DiagonalGaussian:
    symmetry, matching = run.setup.posterior.symmetry, run.setup.matching
    return summarize(align(samples, symmetry, matching, reference).apply(samples))


def _score(run: FinishedRun, gaussian: DiagonalGaussian, reference: Predictive) -> Row:
    num_draws = run.setup.config.evaluation.num_gaussian_draws
    predictive = run.setup.predict(gaussian.sample(run.setup.key("controls"), num_draws))
    return {**evaluate(predictive, run.setup.test_targets, reference), "num_numbers": 2}


def _mean(rows: Sequence[Row]) -> Row:
    return {name: float(np.mean([number(row, name) for row in rows])) for name in _SCORES} | {
        "num_numbers": rows[0]["num_numbers"]
    }


def claims_of(rows: list[Row]) -> list[Claim]:
    """The claims and controls for each data set."""
    return [
        claim
        for data in dict.fromkeys(str(row["data"]) for row in rows)
        for claim in _claims_of(data, [row for row in rows if row["data"] == data])
    ]


def _claims_of(data: str, rows: list[Row]) -> list[Claim]:
    def values(representation: str, score: str = "total_variation") -> np.ndarray:
        some = [row for row in rows if row["representation"] == representation]
        return np.array([number(row, score) for row in some])

    def gap(first: str, second: str, score: str = "total_variation") -> np.ndarray:
        return values(first, score) - values(second, score)

    tv = "total variation to HMC"
    return [
        claim_over_seeds(
            f"{data}: aligned draws make a better Gaussian than unaligned ones",
            f"{tv}, compact minus direct", gap("compact", "direct"), "<", 0.0,
        ),
        claim_over_seeds(
            f"{data}: aligned draws make a Gaussian that agrees more with HMC",
            "agreement with HMC, compact minus direct",
            gap("compact", "direct", "agreement"), ">", 0.0,
        ),
        claim_over_seeds(
            f"{data}: aligned draws make a more accurate Gaussian",
            "accuracy, compact minus direct", gap("compact", "direct", "accuracy"), ">", 0.0,
        ),
        claim_over_seeds(
            f"{data}: the compact Gaussian comes nearer to HMC than variational inference",
            f"{tv}, compact minus VI", gap("compact", "vi"), "<", 0.0,
        ),
        claim_over_seeds(
            f"{data}: the compact Gaussian comes nearer to HMC than the ensemble",
            f"{tv}, compact minus ensemble", gap("compact", "ensemble"), "<", 0.0,
        ),
        claim_over_seeds(
            f"{data}: the compact Gaussian comes nearer to HMC than two kept draws",
            f"{tv}, compact minus kept-2", gap("compact", "kept-2"), "<", 0.0,
        ),
        claim_over_seeds(
            f"{data}: the std of the compact Gaussian brings it nearer to HMC than its mean is",
            f"{tv}, compact minus compact-mean", gap("compact", "compact-mean"), "<", 0.0,
        ),
        claim_over_seeds(
            f"{data}: one arbitrary reference makes a worse Gaussian than the iterated mean",
            f"{tv}, compact-first minus compact", gap("compact-first", "compact"), ">", 0.0,
        ),
        claim_over_seeds(
            f"{data}: judged by one chain, the direct Gaussian looks better than it is",
            f"{tv}, direct minus direct-chain-own", gap("direct", "direct-chain-own"), ">", 0.0,
        ),
        claim_over_seeds(
            f"{data}: judged by one chain, the compact Gaussian looks better than it is",
            f"{tv}, compact minus compact-chain-own",
            gap("compact", "compact-chain-own"), ">", 0.0,
        ),
    ]  # fmt: skip
