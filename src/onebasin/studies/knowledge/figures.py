"""The figures of knowledge: contraction and reliability of each kind of cell, beside noise."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.intervals import t_interval
from onebasin.plots.theme import Theme, new_figure
from onebasin.studies.knowledge.cells import BASE
from onebasin.studies.tables import Tables, distinct, where

_PANELS = {
    "contraction": ("contraction", None),
    "rank correlation of stds, two halves of the chains": (
        "reliability_std", "null_reliability_std",
    ),
    "the same between units at one position": (
        "reliability_std_between_units", "null_reliability_std_between_units",
    ),
    "share of stds below those of noise (p ≤ .05)": ("small_p_share", None),
}  # fmt: skip


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """What each kind of cell knows about its weights."""
    return {"knowledge": lambda theme: _draw(tables["cells"], theme)}


def _draw(rows: pd.DataFrame, theme: Theme) -> Figure:
    kinds = distinct(rows, "data", "factor", "level")
    figure = new_figure(len(_PANELS) * (0.9 + 0.19 * len(kinds)))
    panels = figure.subplots(len(_PANELS), 1, squeeze=False)[:, 0]
    for axes, (title, (column, null)) in zip(panels, _PANELS.items(), strict=True):
        for place, (data, factor, level) in enumerate(reversed(kinds)):
            some = where(rows, data=data, factor=factor, level=level)
            if null is not None:
                _point(axes, some[null].to_numpy(), place, theme.muted, "x")
            _point(axes, some[column].to_numpy(), place, theme.blue, "o")
        axes.set_yticks(range(len(kinds)), [_label(*kind) for kind in reversed(kinds)], fontsize=8)
        axes.set_title(title)
    panels[-1].set_xlabel("bars: 95 % interval over seeds; crosses: aligned noise")
    return figure


def _label(data: str, factor: str, level: str) -> str:
    if factor == BASE:
        return f"{data} (base)"
    return data if factor == "data" else f"{factor} {level}"


def _point(axes: Axes, values: np.ndarray, place: int, color: str, marker: str) -> None:
    low, high = (float(bound) for bound in t_interval(values))
    axes.plot([low, high], [place, place], color=color, linewidth=2.2, alpha=0.5)
    axes.plot(values.mean(), place, marker, color=color)
