"""The table of the frontier: means over seeds with intervals, as CSV and as Markdown."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from onebasin.intervals import t_interval
from onebasin.studies.frontier.rows import ENTRIES
from onebasin.studies.tables import Columns

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
"""The scores in the order of their columns, each with its heading."""

_DIGITS = {"elbo": 0, "held_out_draws": 4, "held_out_chain": 4, "rmse": 2, "std_ess": 0}


COLUMNS: Columns = {
    "representation": str, "values_per_weight": int,
    **{f"{metric}{of}": float for metric in METRICS for of in ("", "_low", "_high")},
    "num_seeds": int,
}  # fmt: skip
"""The columns of the table: for each metric the mean and the ends of its interval."""


def table_over_seeds(seeds: Sequence[dict[str, Numbers]]) -> pd.DataFrame:
    """A row for each representation: mean, low and high of each metric over the seeds.

    Intervals are Student's at 95 %. `kept_ratio` is the total variation divided by that of kept
    draws of the same storage, paired by seed. A metric that a seed lacks is NaN. With one seed the
    ends of intervals are NaN.
    """
    scores = [_with_ratios(pd.DataFrame.from_dict(seed, orient="index")) for seed in seeds]
    first = scores[0]
    values = np.stack([s.reindex(first.index, columns=METRICS).to_numpy(float) for s in scores])
    low, high = t_interval(values)
    parts = [
        pd.DataFrame(part, first.index, [f"{metric}{of}" for metric in METRICS])
        for of, part in (("", values.mean(axis=0)), ("_low", low), ("_high", high))
    ]
    table = pd.concat([first["values_per_weight"], *parts], axis=1).assign(num_seeds=len(seeds))
    table = table.rename_axis("representation").reset_index().loc[:, [*COLUMNS]].astype(COLUMNS)
    return table.sort_values(["values_per_weight", "total_variation"], ignore_index=True)


def _with_ratios(scores: pd.DataFrame) -> pd.DataFrame:
    is_kept = np.array([ENTRIES[name].family == "kept" for name in scores.index])
    kept = scores.set_index("values_per_weight").loc[is_kept, "total_variation"]
    ratios = scores["total_variation"] / kept.reindex(scores["values_per_weight"]).to_numpy()
    return scores.assign(kept_ratio=ratios.mask(is_kept))


def markdown(table: pd.DataFrame) -> str:
    """The table in Markdown: each mean with the half width of its interval."""
    shown = [*table[[*METRICS]].dropna(axis=1, how="all")]
    columns = [["representation", "---", *table["representation"]]]
    columns.append(["numbers", "---:", *table["values_per_weight"].astype(str)])
    columns += [[METRICS[name], "---:", *_cells(table, name)] for name in shown]
    return "".join("| " + " | ".join(line) + " |\n" for line in zip(*columns, strict=True))


def _cells(table: pd.DataFrame, name: str) -> Iterator[str]:
    half = (table[f"{name}_high"] - table[f"{name}_low"]) / 2
    as_text = f"{{:,.{_DIGITS.get(name, 3)}f}}".format
    for numbers in zip(table[name], half, strict=True):
        yield " ± ".join(as_text(number) for number in numbers if not math.isnan(number))
