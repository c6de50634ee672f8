"""The figure of compare: rank correlations between methods, before and after alignment."""

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.intervals import t_interval
from onebasin.plots.theme import Theme, new_figure
from onebasin.studies.tables import Tables, distinct, where

_WHEN = {"before": "not aligned", "null": "units shuffled, then aligned", "after": "aligned"}
_OFFSETS = {"before": 0.22, "null": 0.0, "after": -0.22}


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Rank correlations over all weights, and over those of live inputs alone."""
    rows = tables["correlations"]
    return {
        f"correlations-{weights}": lambda theme, weights=weights: _draw(
            where(rows, weights=weights), theme
        )
        for weights in ("all", "live")
    }


def _draw(rows: pd.DataFrame, theme: Theme) -> Figure:
    names = rows["data"].unique()
    figure = new_figure(0.8 + 2.9 * len(names))
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for axes, data in zip(panels, names, strict=True):
        _draw_data(axes, where(rows, data=data), theme)
        axes.set_title(data)
    panels[-1].set_xlabel("Spearman correlation over weights\nbars: 95 % interval over seeds")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, columnspacing=1.0)
    return figure


def _draw_data(axes: Axes, rows: pd.DataFrame, theme: Theme) -> None:
    pairs = distinct(rows, "methods", "quantity")
    styles = {"before": ("s", theme.muted), "null": ("D", theme.orange), "after": ("o", theme.blue)}
    for when, (marker, color) in styles.items():
        places, means = [], []
        for place, (methods, quantity) in enumerate(reversed(pairs)):
            table = where(rows, methods=methods, quantity=quantity, when=when)
            values = table["correlation"].to_numpy()
            low, high = (float(bound) for bound in t_interval(values))
            places.append(place + _OFFSETS[when])
            means.append(values.mean())
            axes.plot([low, high], [places[-1]] * 2, color=color, linewidth=2.4, alpha=0.5)
        axes.plot(means, places, marker, color=color, label=_WHEN[when])
    axes.axvline(0, color=theme.muted, linewidth=0.9)
    labels = [f"{quantity}: {methods}" for methods, quantity in reversed(pairs)]
    axes.set_yticks(range(len(pairs)), labels)
