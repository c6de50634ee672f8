"""The figures of pruning: curves of every score, and a map of differences to the baselines."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

from onebasin.plots.theme import Theme, new_figure, share_ticks
from onebasin.studies.means import draw_means, means_over_seeds
from onebasin.studies.pruning.claims import PLACE
from onebasin.studies.tables import Tables, distinct, where

SHOWN = {
    "conditional": "|weight| / std of Laplace, rest conditioned",
    "magnitude conditional": "|weight|, rest conditioned",
    "fisher staged": "loss increase in stages, own",
    "posterior fisher staged": "loss increase in stages, posterior",
    "fisher": "loss increase, own Fisher",
    "posterior fisher": "loss increase, posterior Fisher",
    "signal-to-noise": "|weight| / std",
    "magnitude": "|weight|",
    "std": "small std first",
    "std misaligned": "small std first, misaligned",
    "random": "at random",
}
"""The scores whose curves are drawn, with their names in the legend."""

_NETWORKS = {
    "members": "",
    "starts": ", chain's own start",
    "HMC mean": ", HMC's mean",
    "VI mean": ", VI's mean",
}
"""The networks that are pruned, in words that follow the names of two scores."""

_TICKS = (1.0, 0.3, 0.1, 0.03, 0.01)


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Accuracy against the share kept, and differences between scores for each network and data."""
    return {
        "curves": lambda theme: _draw_curves(tables["curves"], theme),
        "map": lambda theme: _draw_map(tables["comparisons"], theme),
    }


def _draw_curves(curves: pd.DataFrame, theme: Theme) -> Figure:
    data_sets = sorted(distinct(curves, "data", "num_inputs"))
    widths = sorted(width for (width,) in distinct(curves, "width"))
    figure = new_figure(1.9 * len(data_sets) + 1.6)
    grid = figure.subplots(len(data_sets), len(widths), sharex=True, sharey=True, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        (data, num_inputs), width = data_sets[row], widths[column]
        axes.set_xscale("log")
        axes.set_title(f"{data} {num_inputs}, {width} units", fontsize=8.5)
        axes.tick_params(labelsize=8)
        rows = where(curves, data=data, num_inputs=num_inputs, width=width)
        axes.set_visible(not rows.empty)  # a width may be missing for some data set
        _draw_scores(axes, where(rows, networks="members"), theme)
    share_ticks(grid[0, 0], _TICKS)
    grid[0, 0].set_ylim(0, 1)
    grid[0, 0].invert_xaxis()
    for axes in grid[-1]:
        axes.set_xlabel("share of weights kept", fontsize=8.5)
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy", fontsize=8.5)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8.5)
    return figure


def _draw_scores(axes: Axes, rows: pd.DataFrame, theme: Theme) -> None:
    for score, label in SHOWN.items():
        curve = where(rows, score=score)
        if not curve.empty:
            color, style = _style(score, theme)
            draw_means(axes, means_over_seeds(curve, "keep", "accuracy"), style, color, label)


def _style(score: str, theme: Theme) -> tuple[str, str]:
    return {
        "conditional": (theme.text, "*-"),
        "magnitude conditional": (theme.green, "*--"),
        "fisher staged": (theme.purple, "P-"),
        "posterior fisher staged": (theme.blue, "P--"),
        "fisher": (theme.purple, "v:"),
        "posterior fisher": (theme.blue, "s:"),
        "signal-to-noise": (theme.sky, "D--"),
        "magnitude": (theme.green, "^-"),
        "std": (theme.vermilion, "o-"),
        "std misaligned": (theme.orange, "o--"),
        "random": (theme.muted, "x:"),
    }[score]


def _draw_map(comparisons: pd.DataFrame, theme: Theme) -> Figure:
    few = where(comparisons, keep="few").set_index(["score", "baseline", "networks"])
    pairs = few.index.unique()
    differences, verdicts = (
        few.pivot(columns=[*PLACE], values=name).loc[pairs] for name in ("difference", "verdict")
    )
    values = 100 * differences.to_numpy()
    figure = new_figure(0.27 * len(pairs) + 1.7)
    axes = figure.subplots()
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(
                column, row, f"{round(value):+d}", ha="center", va="center", fontsize=8,
                color=theme.text,
                weight="normal" if verdicts.iloc[row, column] == "undecided" else "bold",
            )  # fmt: skip
    colors = LinearSegmentedColormap.from_list(
        "difference", [theme.vermilion, theme.paper, theme.blue]
    )
    most = max(float(np.nanmax(np.abs(values))), 1.0)
    axes.imshow(values, cmap=colors, norm=TwoSlopeNorm(0, -1.6 * most, 1.6 * most), aspect="auto")
    axes.grid(False)
    places = [f"{data}\n{num_inputs}\n{width}" for data, num_inputs, width in differences]
    axes.set_xticks(range(len(places)), places, fontsize=7)
    names = [f"{a} / {b}{_NETWORKS[kind]}" for a, b, kind in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=7.5)
    axes.set_xlabel("data, inputs and hidden units", fontsize=8.5)
    axes.set_title("Accuracy in points, first less second", fontsize=9)
    return figure
