"""The step that compares: every representation against HMC, and Gaussians weight by weight."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import jax
import numpy as np

from onebasin.analysis.compare import (
    kl_divergence,
    mean_over_weights,
    median_over_weights,
    wasserstein2,
)
from onebasin.analysis.predictive import Predictive, evaluate
from onebasin.experiments.setup import Monitor, Setup
from onebasin.gaussian import DiagonalGaussian, LowRankGaussian, load_gaussian
from onebasin.store.draws import load_samples
from onebasin.store.run_directory import RunDirectory

UNALIGNED = {"compact": "direct", "compact-ensemble": "direct-ensemble", "vi": "vi-unaligned"}
"""The Gaussians that are compared weight by weight, and what each was before alignment."""

Scores = dict[str, Any]


def compare_methods(run: RunDirectory, setup: Setup, monitor: Monitor) -> dict[str, Any]:
    """Evaluate every representation and compare Gaussians; gives results.json's tables."""
    monitor("predicting", 0.0, "HMC")
    samples = load_samples(run.samples("hmc"), setup.template)
    hmc = setup.predict(samples.draws())
    judge = _Judge(setup, hmc)
    table: dict[str, Scores | None] = {
        "hmc": judge(hmc, hmc.num_draws),
        "hmc-chain": _held_out_chain(judge, samples.num_chains, samples.num_draws),
    }
    low_ranks = [
        f"compact-rank-{rank}{ending}"
        for rank in setup.config.compact.ranks
        for ending in ("", "-whole")
    ]
    names = ["direct", "compact", "refined", *low_ranks]
    for number, name in enumerate([*names, "compact-ensemble", "vi"]):
        monitor("predicting", (number + 1) / (len(names) + 3), name)
        table[name] = judge.gaussian(name, _load(run, setup, name))
    table["compact-mean"] = judge.network(_load(run, setup, "compact").mean)
    ensemble = load_samples(run.samples("ensemble"), setup.template)
    members = setup.predict(ensemble.draws())
    table["ensemble"] = judge(members, members.num_draws)
    for count in setup.config.evaluation.kept:
        if count < hmc.num_draws:
            table[f"kept-{count}"] = _kept(judge, count)
    monitor("comparing weights", 1.0, "")
    return {"representations": table, "comparison": _comparison(run, setup)}


class _Judge:
    """Scores predictives on the test set, against HMC's."""

    def __init__(self, setup: Setup, reference: Predictive):
        self.setup = setup
        self.reference = reference

    def __call__(
        self, predictive: Predictive, num_numbers: int, reference: Predictive | None = None
    ) -> Scores:
        reference = self.reference if reference is None else reference
        scores = evaluate(predictive, self.setup.test_targets, reference)
        return {**scores, "num_numbers": num_numbers}

    def gaussian(self, name: str, gaussian: DiagonalGaussian | LowRankGaussian) -> Scores:
        key = self.setup.key(f"evaluate-{name}")
        draws = gaussian.sample(key, self.setup.config.evaluation.num_gaussian_draws)
        return self(self.setup.predict(draws), gaussian.num_numbers)

    def network(self, params: Any) -> Scores:
        alone = jax.tree.map(lambda leaf: leaf[None], params)
        return self(self.setup.predict(alone), 1)


def _held_out_chain(judge: _Judge, num_chains: int, num_draws: int) -> Scores | None:
    """One chain against the others, the mean over which: the best a representation can do."""
    if num_chains < 2:
        return None
    rows = np.arange(num_chains * num_draws).reshape(num_chains, num_draws)
    found = []
    for chain in range(num_chains):
        others = judge.reference.take(np.delete(rows, chain, axis=0).reshape(-1))
        found.append(judge(judge.reference.take(rows[chain]), num_draws, others))
    return _mean_scores(found)


def _kept(judge: _Judge, count: int) -> Scores:
    """A few evenly spaced draws, the mean over where the spacing begins."""
    total = judge.reference.num_draws
    offsets = np.linspace(0, total / count, judge.setup.config.evaluation.num_thinnings, False)
    spacing = np.arange(count) * total / count
    return _mean_scores(
        [judge(judge.reference.take((spacing + off).astype(int)), count) for off in offsets]
    )


def _mean_scores(found: Sequence[Scores]) -> Scores:
    return {
        name: None if value is None else float(np.mean([scores[name] for scores in found]))
        for name, value in found[0].items()
    } | {"num_numbers": found[0]["num_numbers"]}


def _load(run: RunDirectory, setup: Setup, name: str) -> DiagonalGaussian | LowRankGaussian:
    return load_gaussian(run.compact(name), setup.template)[0]


def _comparison(run: RunDirectory, setup: Setup) -> Mapping[str, Scores]:
    found = {}
    for first, second in permutations(UNALIGNED, 2):
        aligned = [_load(run, setup, name) for name in (first, second)]
        before = [_load(run, setup, UNALIGNED[name]) for name in (first, second)]
        found[f"{first}|{second}"] = {
            **_distances(aligned, ""),
            **_distances(before, "_unaligned"),
        }
    return found


def _distances(pair: Sequence[Any], ending: str) -> Scores:
    divergence = kl_divergence(*pair)
    return {
        # A weight that one method leaves almost without variance would swamp a mean.
        f"kl{ending}": _finite(median_over_weights(divergence)),
        f"kl_mean{ending}": _finite(mean_over_weights(divergence)),
        f"wasserstein2{ending}": mean_over_weights(wasserstein2(*pair)),
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity; a std of 0 makes one."""
    return value if np.isfinite(value) else None
