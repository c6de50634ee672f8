"""The figure of the frontier: how well each representation predicts for the numbers it stores."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.plots.exhibit import png
from onebasin.plots.labels import Label, place_labels
from onebasin.plots.theme import Theme, new_figure, plain_log_ticks
from onebasin.store.files import write_bytes
from onebasin.studies.frontier.path_figure import frontier_path
from onebasin.studies.frontier.rows import ENTRIES, Family

_TV = "total_variation"


def draw_frontier(rows: pd.DataFrame, folder: Path) -> None:
    """Draw the table of the frontier as frontier.png, and the path of refinement as path.png."""
    write_bytes(folder / "frontier.png", png(lambda theme: frontier(rows, theme)))
    write_bytes(folder / "path.png", png(lambda theme: frontier_path(rows, theme)))


def frontier(rows: pd.DataFrame, theme: Theme) -> Figure:
    """Total variation to HMC against numbers stored, with kept draws and the mark of one chain."""
    figure = new_figure(5.2)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    kept = _of_family(rows, "kept")
    line = kept[["values_per_weight", _TV]].to_numpy(float)
    axes.plot(*line.T, "o-", color=theme.muted, markersize=3.5, label="kept draws")
    for mark in _of_family(rows, "chain")[_TV]:
        axes.axhline(mark, color=theme.text, linestyle=":", linewidth=1)
    labels = [
        *_points(axes, _of_family(rows, "refined"), theme.vermilion),
        *_points(axes, _of_family(rows, "samples"), theme.blue),
    ]
    axes.set_xlabel("numbers stored for each weight")
    axes.set_ylabel("total variation to HMC (dotted: one chain to the others)")
    plain_log_ticks(axes)
    axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.set_xlim(0.8, 12)
    place_labels(figure, axes, labels, [line])
    return figure


def _of_family(rows: pd.DataFrame, family: Family) -> pd.DataFrame:
    return rows.loc[[ENTRIES[name].family == family for name in rows["representation"]]]


def _points(axes: Axes, rows: pd.DataFrame, color: str) -> list[Label]:
    """Points with their intervals. Points inside the path of refinement are not drawn."""
    labels: list[Label] = []
    columns = rows[["representation", "values_per_weight", _TV, f"{_TV}_low", f"{_TV}_high"]]
    for name, x, y, low, high in columns.itertuples(index=False):
        if ENTRIES[name].is_inside_path:
            continue
        axes.plot([x, x], [max(low, 1e-4), high], color=color, linewidth=2, alpha=0.4)
        axes.plot(x, y, "o", color=color, markersize=4)
        labels.append(Label(x, y, name, color))
    return labels
