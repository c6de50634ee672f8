"""The table of the frontier: means over seeds with intervals, as CSV and as Markdown."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onebasin.analysis.intervals import t_interval
from onebasin.store.run_directory import write_text

METRICS = {
    "accuracy": "accuracy",
    "rmse": "RMSE",
    "nll": "NLL",
    "ece": "ECE",
    "agreement": "agreement",
    "total_variation": "TV",
    "kept_ratio": "TV / kept",
    "elbo": "ELBO",
    "held_out_log_density": "held-out log density",
    "significant_share": "significant",
    "moved": "moved",
}
"""Columns by the names of the scores, in their order, with their headings."""

_DIGITS = {"elbo": 0, "held_out_log_density": 3, "rmse": 2}
_SIGNIFICANCE = {"weights": "compact-by-weights", "gaussian": "compact"}

Row = dict[str, Any]


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
            values = [table[name].get(metric) for table in tables]
            if all(value is not None for value in values):
                low, high = t_interval(np.array(values, float))
                row |= {
                    metric: float(np.mean(values)),
                    f"{metric}_low": float(low),
                    f"{metric}_high": float(high),
                }
        rows.append(row | {"num_seeds": len(tables)})
    return sorted(rows, key=lambda row: (row["num_numbers"], row.get("total_variation", 0.0)))


def _with_ratios(seed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = {name: dict(scores) for name, scores in seed["representations"].items()}
    for matching, name in _SIGNIFICANCE.items():
        table[name]["significant_share"] = seed["significance"][matching]["significant_share"]
    for name, scores in table.items():
        kept = table.get(f"kept-{scores['num_numbers']}")
        if kept is not None and not name.startswith("kept-"):
            scores["kept_ratio"] = scores["total_variation"] / kept["total_variation"]
    return table


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """All means and intervals, one representation a line; empty where there is no number."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def markdown(rows: Sequence[Row]) -> str:
    """The table for people: mean and the half width of its interval."""
    shown = [name for name in METRICS if any(name in row for row in rows)]
    lines = [["representation", "numbers", *(METRICS[name] for name in shown)]]
    lines.append(["---"] + ["---:"] * (len(shown) + 1))
    for row in rows:
        cells = [_cell(row, name) for name in shown]
        lines.append([row["representation"], str(row["num_numbers"]), *cells])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(row: Row, name: str) -> str:
    if name not in row:
        return ""
    half, digits = (row[f"{name}_high"] - row[f"{name}_low"]) / 2, _DIGITS.get(name, 3)
    if not np.isfinite(half):
        return f"{row[name]:,.{digits}f}"
    return f"{row[name]:,.{digits}f} ± {half:,.{digits}f}"
