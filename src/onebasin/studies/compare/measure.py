"""Claim (c): after alignment, methods can be compared weight by weight.

The study measures rank correlations of means and stds over weights, before and after alignment.
The null is the other method's Gaussian whose units were shuffled and then aligned in the same way.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onebasin import _trees
from onebasin._random import numpy_rng
from onebasin.alignment.bring import (
    bring_to,
)
from onebasin.gaussians.compare import (
    rank_correlation,
)
from onebasin.gaussians.gaussian import DiagonalGaussian, load_gaussian
from onebasin.run.representations import COMPARED, method_names
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.steps.summarize import load_alignment
from onebasin.studies.claims import Claim, Findings, claim_over_seeds
from onebasin.studies.names import Scale
from onebasin.studies.runs import FinishedRun, finished_runs
from onebasin.studies.tables import Columns, Row, distinct, tables_of, where
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Key, Params

TABLES: dict[str, Columns] = {
    "correlations": {
        "data": str, "seed": int, "methods": str, "quantity": str, "weights": str, "when": str,
        "correlation": float,
    },
}  # fmt: skip
"""The rank correlations between two methods over weights."""


def compare(
    folder: Path, scale: Scale, on_progress: ProgressCallback, *, again: bool = False
) -> Findings:
    """Rank correlations between HMC, ensemble and VI in the runs of the study `compact`."""
    runs = finished_runs(scale, folder, on_progress, again=again)
    rows = [row for run in runs for row in _correlations(run)]
    tables = tables_of({"correlations": rows}, TABLES)
    return Findings(tables, claims_of(tables["correlations"]))


def _correlations(run: FinishedRun) -> list[Row]:
    rows: list[Row] = []
    names = method_names(run.setup.config.method.kind)
    masks = {"all": None, "live": live_weights(run.setup)}
    for first, second in combinations(COMPARED, 2):
        ours, theirs = _load(run, first.key), _load(run, second.key)
        pairs = {
            "before": (_load(run, first.key_unaligned), _load(run, second.key_unaligned)),
            "after": (ours, theirs),
            "null": (ours, _null(run, f"null-{first.key}-{second.key}", theirs)),
        }
        for when, (a, b) in pairs.items():
            for weights, mask in masks.items():
                for quantity in ("mean", "std"):
                    x, y = (_trees.ravel_batch(getattr(g, quantity), 0) for g in (a, b))
                    some = slice(None) if mask is None else mask
                    rows.append(
                        {
                            "data": run.data,
                            "seed": run.seed,
                            "methods": f"{names[first.key]}, {names[second.key]}",
                            "quantity": quantity,
                            "weights": weights,
                            "when": when,
                            "correlation": rank_correlation(x[some], y[some]),
                        }
                    )
    return rows


def _load(run: FinishedRun, name: str) -> DiagonalGaussian:
    found, _ = load_gaussian(run.directory.compact(name), run.setup.template)
    assert isinstance(found, DiagonalGaussian)
    return found


def live_weights(setup: Setup) -> np.ndarray:
    """A mask over all weights in one row: False for weights of an input that never varies."""
    inputs = setup.dataset.train.inputs
    varies = np.ptp(inputs, axis=0) > 0
    live = {
        name: np.ones(leaf.shape, bool)
        for name, leaf in _trees.named_leaves(setup.template).items()
    }
    live["hidden_0/kernel"] &= varies[:, None]
    return _trees.ravel_batch(_trees.rebuild(live, setup.template), 0)


def _null(run: FinishedRun, purpose: str, gaussian: DiagonalGaussian) -> DiagonalGaussian:
    symmetry = run.setup.posterior.symmetry
    shuffled = shuffle_units(gaussian, symmetry, key=run.setup.key(purpose))
    reference = load_alignment(run.directory, run.setup, "hmc").reference
    return bring_to(shuffled, symmetry, run.setup.matching, reference)


def shuffle_units(gaussian: DiagonalGaussian, symmetry: Symmetry, *, key: Key) -> DiagonalGaussian:
    """A Gaussian whose weights are shuffled between units, independently for each position.

    Properties that layers, inputs and outputs have in common stay. Properties of single units are
    lost. A mean and its std move together.
    """
    rng = numpy_rng(key)
    means, stds = _trees.named_leaves(gaussian.mean), _trees.named_leaves(gaussian.std)
    moved_means: dict[str, Any] = {}
    moved_stds: dict[str, Any] = {}
    for name, axes in symmetry.leaves.items():
        mean, std = np.asarray(means[name]), np.asarray(stds[name])
        for axis, group in enumerate(axes.names):
            if group is not None:
                order = np.argsort(rng.random(mean.shape), axis=axis)
                mean, std = (np.take_along_axis(x, order, axis=axis) for x in (mean, std))
        moved_means[name], moved_stds[name] = mean, std
    like: Params = gaussian.mean
    return DiagonalGaussian(_trees.rebuild(moved_means, like), _trees.rebuild(moved_stds, like))


def claims_of(rows: pd.DataFrame) -> list[Claim]:
    """The claims for each data set, pair of methods and quantity, over live weights."""
    keys = ["data", "methods", "quantity"]
    live = where(rows, weights="live").pivot(
        index=[*keys, "seed"], columns="when", values="correlation"
    )
    found: list[Claim] = []
    for data, methods, quantity in distinct(rows, *keys):
        table = live.loc[data, methods, quantity]
        what = f"{data}: the {quantity} of each weight by {methods}"
        found += [
            claim_over_seeds(
                f"{what}: alignment makes them more alike",
                "Spearman correlation over live weights, after minus before",
                table["after"] - table["before"], ">", 0.0,
            ),
            claim_over_seeds(
                f"{what}: alike beyond what alignment finds in shuffled units",
                "Spearman correlation over live weights, after minus null",
                table["after"] - table["null"], ">", 0.0,
            ),
        ]  # fmt: skip
    return found
