"""The step that compares: representations against HMC, Gaussians by weight, members in between."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Int

from onebasin.gaussians.compare import (
    kl_divergence,
    mean_over_weights,
    median_over_weights,
    wasserstein2,
)
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian, load_gaussian
from onebasin.run.judge import Judge, Scores
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Monitor, Setup
from onebasin.run.steps.connectivity import connectivity
from onebasin.store.draws import load_samples

UNALIGNED = {"compact": "direct", "compact-ensemble": "direct-ensemble", "vi": "vi-unaligned"}
"""The Gaussians that are compared weight by weight, and what each was before alignment."""


def compare_methods(run: RunDirectory, setup: Setup, monitor: Monitor) -> dict[str, Any]:
    """Evaluate every representation and compare Gaussians; gives results.json's tables."""
    monitor("predicting", 0.0, "HMC")
    samples = load_samples(run.samples("hmc"), setup.template)
    hmc = setup.predict(samples.draws())
    judge = Judge(setup, hmc)
    table: dict[str, Scores | None] = {
        "hmc": judge(hmc, hmc.num_draws),
        "hmc-chain": judge.held_out_chain(samples.num_chains, samples.num_draws),
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
            table[f"kept-{count}"] = judge.kept(_thinnings(setup, hmc.num_draws, count))
    monitor("comparing weights", 1.0, "")
    found = {"representations": table, "comparison": _comparison(run, setup)}
    monitor("between members", 1.0, "")
    return {**found, "connectivity": connectivity(run, setup)}


def _thinnings(setup: Setup, total: int, count: int) -> list[Int[np.ndarray, " rows"]]:
    """Rows of evenly spaced draws, for several places where the spacing begins."""
    offsets = np.linspace(0, total / count, setup.config.evaluation.num_thinnings, False)
    return [(np.arange(count) * total / count + offset).astype(int) for offset in offsets]


def _load(run: RunDirectory, setup: Setup, name: str) -> DiagonalGaussian | LowRankGaussian:
    return load_gaussian(run.compact(name), setup.template)[0]


def _weights(run: RunDirectory, setup: Setup, name: str) -> DiagonalGaussian:
    found = _load(run, setup, name)
    assert isinstance(found, DiagonalGaussian)
    return found


def _comparison(run: RunDirectory, setup: Setup) -> Mapping[str, Scores]:
    found = {}
    for first, second in permutations(UNALIGNED, 2):
        aligned = [_weights(run, setup, name) for name in (first, second)]
        before = [_weights(run, setup, UNALIGNED[name]) for name in (first, second)]
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
