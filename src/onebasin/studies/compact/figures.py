"""The figures of compact: how near each representation comes to HMC, over seeds."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.intervals import t_interval
from onebasin.plots.theme import Theme, new_figure
from onebasin.store.tables import Row
from onebasin.studies.claims import Tables
from onebasin.studies.rows import column, distinct, where

LABELS = {
    "direct": "direct Gaussian",
    "compact": "compact Gaussian",
    "compact-first": "compact, one draw as reference",
    "direct-chain-own": "direct, one chain judged by itself",
    "compact-chain-own": "compact, one chain judged by itself",
    "direct-chain": "direct, from one chain",
    "compact-chain": "compact, from one chain",
    "compact-mean": "mean network of compact",
    "compact-ensemble": "aligned ensemble as a Gaussian",
    "vi": "variational inference",
    "ensemble": "ensemble",
    "kept-1": "1 kept draw",
    "kept-2": "2 kept draws",
    "kept-4": "4 kept draws",
    "hmc-chain": "one HMC chain (the mark)",
}
_CONTROLS = (
    "compact-first", "direct-chain", "direct-chain-own", "compact-chain", "compact-chain-own",
)  # fmt: skip


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Total variation, agreement and accuracy of every representation."""
    rows = tables["representations"]
    return {
        "total-variation": lambda theme: _draw(rows, "total_variation", theme),
        "agreement": lambda theme: _draw(rows, "agreement", theme),
        "accuracy": lambda theme: _draw(rows, "accuracy", theme),
    }


def _draw(rows: list[Row], score: str, theme: Theme) -> Figure:
    names = distinct(rows, "data")
    figure = new_figure(0.6 + 3.5 * len(names))
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for axes, data in zip(panels, names, strict=True):
        _draw_data(axes, where(rows, data=data), score, theme)
        axes.set_title(str(data))
    words = {
        "total_variation": "total variation to HMC (0 to 1)",
        "agreement": "agreement with HMC",
        "accuracy": "accuracy (dotted: HMC)",
    }
    panels[-1].set_xlabel(f"{words[score]}\nbars: 95 % interval over seeds")
    return figure


def _draw_data(axes: Axes, rows: list[Row], score: str, theme: Theme) -> None:
    for place, (name, label) in enumerate(reversed(LABELS.items())):
        values = column(where(rows, representation=name), score)
        low, high = (float(bound) for bound in t_interval(values))
        color = theme.vermilion if name in _CONTROLS else theme.blue
        if name.startswith(("kept", "hmc")):
            color = theme.muted
        axes.plot([low, high], [place, place], color=color, linewidth=2.4, alpha=0.5)
        axes.plot(values.mean(), place, "o", color=color)
        axes.text(
            -0.02, place, label, ha="right", va="center", fontsize=8.5, color=theme.text,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    if score == "accuracy":
        mean = float(column(where(rows, representation="hmc"), score).mean())
        axes.axvline(mean, color=theme.muted, linestyle=":")
    axes.set_yticks(np.arange(len(LABELS)), [""] * len(LABELS))
    axes.set_xlim(-0.02, 1.02)
