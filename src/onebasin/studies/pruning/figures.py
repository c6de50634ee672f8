"""The figures of pruning: curves of every score, and a map of where scores beat their rivals."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

from onebasin.plots.theme import Theme, new_figure, share_ticks
from onebasin.store.tables import Row
from onebasin.studies.claims import Tables, number
from onebasin.studies.rows import draw_means, means_over_seeds, where

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
"""The scores whose curves are drawn, and what the legend calls them."""

_NETWORKS = {
    "members": "",
    "starts": ", chain's own start",
    "HMC mean": ", HMC's mean",
    "VI mean": ", VI's mean",
}
"""Which networks are pruned, behind the names of two scores."""

_TICKS = (1.0, 0.3, 0.1, 0.03, 0.01)


class _Panel(NamedTuple):
    data: str
    num_inputs: int
    width: int


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Accuracy against the share kept, and differences between scores for each size and data."""
    return {
        "curves": lambda theme: _draw_curves(tables["curves"], theme),
        "map": lambda theme: _draw_map(tables["comparisons"], theme),
    }


def _draw_curves(curves: Sequence[Row], theme: Theme) -> Figure:
    panels = sorted({_panel(row) for row in curves})
    data_sets = sorted({(panel.data, panel.num_inputs) for panel in panels})
    widths = sorted({panel.width for panel in panels})
    figure = new_figure(1.9 * len(data_sets) + 1.6)
    grid = figure.subplots(len(data_sets), len(widths), sharex=True, sharey=True, squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        data, num_inputs = data_sets[row]
        panel = _Panel(data, num_inputs, widths[column])
        axes.set_xscale("log")
        axes.set_title(f"{_place_name(panel)}, {panel.width} units", fontsize=8.5)
        axes.tick_params(labelsize=8)
        axes.set_visible(panel in panels)  # not every width need be run on every data set
        for score in SHOWN:
            _draw_score(axes, [r for r in curves if _panel(r) == panel], score, theme)
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


def _draw_score(axes: Axes, rows: Sequence[Row], score: str, theme: Theme) -> None:
    found = where(rows, score=score, networks="members")
    if found:
        color, style = _style(score, theme)
        draw_means(axes, means_over_seeds(found, "keep", "accuracy"), style, color, SHOWN[score])


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


def _draw_map(comparisons: Sequence[Row], theme: Theme) -> Figure:
    few = [row for row in comparisons if row["keep"] == "few"]
    places = sorted({_panel(row) for row in few})
    pairs = list(
        dict.fromkeys((str(row["score"]), str(row["rival"]), str(row["networks"])) for row in few)
    )
    values = np.full((len(pairs), len(places)), np.nan)
    figure = new_figure(0.27 * len(pairs) + 1.7)
    axes = figure.subplots()
    for row in few:
        cell = (
            pairs.index((str(row["score"]), str(row["rival"]), str(row["networks"]))),
            places.index(_panel(row)),
        )
        values[cell] = 100 * number(row, "difference")
        axes.text(
            cell[1], cell[0], f"{round(values[cell]):+d}", ha="center", va="center", fontsize=8,
            color=theme.text, weight="normal" if row["verdict"] == "undecided" else "bold",
        )  # fmt: skip
    colors = LinearSegmentedColormap.from_list(
        "difference", [theme.vermilion, theme.paper, theme.blue]
    )
    most = max(float(np.nanmax(np.abs(values))), 1.0)
    axes.imshow(values, cmap=colors, norm=TwoSlopeNorm(0, -1.6 * most, 1.6 * most), aspect="auto")
    axes.grid(False)
    axes.set_xticks(
        range(len(places)), [f"{p.data}\n{p.num_inputs}\n{p.width}" for p in places], fontsize=7
    )
    names = [f"{a} / {b}{_NETWORKS[kind]}" for a, b, kind in pairs]
    axes.set_yticks(range(len(pairs)), names, fontsize=7.5)
    axes.set_xlabel("data, inputs and hidden units", fontsize=8.5)
    axes.set_title("Accuracy in points, first less second", fontsize=9)
    return figure


def _panel(row: Row) -> _Panel:
    return _Panel(str(row["data"]), int(number(row, "num_inputs")), int(number(row, "width")))


def _place_name(panel: _Panel) -> str:
    return f"{panel.data} {panel.num_inputs}"
