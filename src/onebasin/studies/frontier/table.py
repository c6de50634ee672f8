"""The table of the frontier: means over seeds with intervals, for files and for people."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from onebasin.intervals import t_interval
from onebasin.store.tables import Row
from onebasin.studies.frontier.rows import ENTRIES

Numbers: TypeAlias = dict[str, Any]
"""The numbers of one representation and one seed, by the names of the columns."""

METRICS = {
    "accuracy": "accuracy",
    "rmse": "RMSE",
    "nll": "NLL",
    "ece": "ECE",
    "agreement": "agreement",
    "total_variation": "TV",
    "kept_ratio": "TV / kept",
    "elbo": "ELBO",
    "held_out_draws": "log density, held-out draws",
    "held_out_chain": "log density, held-out chain",
    "std": "std",
    "null_std": "null floor",
    "noise_std": "std of its noise",
    "std_ess": "ESS of a std",
    "significant_share": "significant",
    "moved": "moved",
}
"""Columns by the names of the scores, in their order, with their headings."""

_DIGITS = {"elbo": 0, "held_out_draws": 4, "held_out_chain": 4, "rmse": 2, "std_ess": 0}


def rows_of(seeds: Sequence[dict[str, Any]]) -> list[Row]:
    """A row for each representation: mean, low and high of each metric over the seeds.

    Intervals are Student's at 95 %. `kept_ratio` is the ratio of total variations to as many
    kept draws, paired by seed.
    """
    tables = [_with_ratios(seed) for seed in seeds]
    rows: list[Row] = []
    for name, first in tables[0].items():
        row: Row = {"representation": name, "num_numbers": first["num_numbers"]}
        for metric in METRICS:
            row |= _mean_and_interval(metric, [table[name].get(metric) for table in tables])
        rows.append(row | {"num_seeds": len(tables)})
    return sorted(rows, key=lambda row: (row["num_numbers"], row["total_variation"]))  # pyright: ignore


def _mean_and_interval(metric: str, values: Sequence[float | None]) -> Row:
    """Nothing where a seed has no number; no interval where there is one seed."""
    names = (metric, f"{metric}_low", f"{metric}_high")
    if any(value is None for value in values):
        return dict.fromkeys(names)
    numbers = np.array(values, np.float64)
    low, high = (float(bound) for bound in t_interval(numbers))
    bounds = (low, high) if np.isfinite(low) else (None, None)
    return dict(zip(names, (float(numbers.mean()), *bounds), strict=True))


def _with_ratios(seed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = {name: dict(scores) for name, scores in seed.items()}
    kept = {
        scores["num_numbers"]: scores["total_variation"]
        for name, scores in table.items()
        if ENTRIES[name].family == "kept"
    }
    for name, scores in table.items():
        stored = scores["num_numbers"]
        if stored in kept and ENTRIES[name].family != "kept":
            scores["kept_ratio"] = scores["total_variation"] / kept[stored]
    return table


def markdown(rows: Sequence[Row]) -> str:
    """The table for people: mean and the half width of its interval."""
    shown = [name for name in METRICS if any(row[name] is not None for row in rows)]
    lines = [["representation", "numbers", *(METRICS[name] for name in shown)]]
    lines.append(["---"] + ["---:"] * (len(shown) + 1))
    for row in rows:
        cells = [_cell(row, name) for name in shown]
        lines.append([str(row["representation"]), str(row["num_numbers"]), *cells])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(row: Row, name: str) -> str:
    mean, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    digits = _DIGITS.get(name, 3)
    if not isinstance(mean, float):
        return ""
    if not (isinstance(low, float) and isinstance(high, float)):
        return f"{mean:,.{digits}f}"
    return f"{mean:,.{digits}f} ± {(high - low) / 2:,.{digits}f}"
