"""The figures of compact: how close each representation comes to HMC, over seeds."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.intervals import t_interval
from onebasin.plots.theme import Theme, new_figure
from onebasin.run import representations as known
from onebasin.studies.tables import Tables, where


class _Line(NamedTuple):
    """A representation in the figures: its name in the tables, its label and its family."""

    name: str
    label: str
    family: known.Family | Literal["control"]


def _line(representation: known.Representation) -> _Line:
    return _Line(representation.key, representation.label, representation.family)


_LINES = (
    _line(known.DIRECT),
    _line(known.COMPACT),
    _Line("compact-first", "compact, one draw as reference", "control"),
    _Line("direct-chain-own", "direct, one chain judged by itself", "control"),
    _Line("compact-chain-own", "compact, one chain judged by itself", "control"),
    _Line("direct-chain", "direct, from one chain", "control"),
    _Line("compact-chain", "compact, from one chain", "control"),
    _line(known.COMPACT_MEAN),
    _line(known.COMPACT_ENSEMBLE),
    _line(known.VI),
    _line(known.members(0)),
    *(_line(known.kept_draws(count)) for count in (1, 2, 4)),
    _line(known.one_chain("hmc", 0)),
)


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Total variation, agreement and accuracy of every representation."""
    rows = tables["representations"]
    return {
        "total-variation": lambda theme: _draw(rows, "total_variation", theme),
        "agreement": lambda theme: _draw(rows, "agreement", theme),
        "accuracy": lambda theme: _draw(rows, "accuracy", theme),
    }


def _draw(rows: pd.DataFrame, score: str, theme: Theme) -> Figure:
    names = rows["data"].unique()
    figure = new_figure(0.6 + 3.5 * len(names))
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for axes, data in zip(panels, names, strict=True):
        _draw_data(axes, where(rows, data=data), score, theme)
        axes.set_title(data)
    words = {
        "total_variation": "total variation to HMC (0 to 1)",
        "agreement": "agreement with HMC",
        "accuracy": "accuracy (dotted: HMC)",
    }
    panels[-1].set_xlabel(f"{words[score]}\nbars: 95 % interval over seeds")
    return figure


def _draw_data(axes: Axes, rows: pd.DataFrame, score: str, theme: Theme) -> None:
    colors = {"control": theme.vermilion, "kept": theme.muted, "chain": theme.muted}
    for place, line in enumerate(reversed(_LINES)):
        values = where(rows, representation=line.name)[score].to_numpy()
        low, high = (float(bound) for bound in t_interval(values))
        color = colors.get(line.family, theme.blue)
        axes.plot([low, high], [place, place], color=color, linewidth=2.4, alpha=0.5)
        axes.plot(values.mean(), place, "o", color=color)
        axes.text(
            -0.02, place, line.label, ha="right", va="center", fontsize=8.5, color=theme.text,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    if score == "accuracy":
        mean = where(rows, representation="hmc")[score].to_numpy().mean()
        axes.axvline(mean, color=theme.muted, linestyle=":")
    axes.set_yticks(np.arange(len(_LINES)), [""] * len(_LINES))
    axes.set_xlim(-0.02, 1.02)
