"""The figures of transpositions: after training, with their barriers, and their stability."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from onebasin.plots.theme import Theme, new_figure
from onebasin.studies.means import draw_means, means_by, means_over_seeds
from onebasin.studies.tables import Tables, where

_OTHERS = "after training, mean over permutations"
_STAGES = {"init": "before training", "trained": "after training", "undone": "permutation undone"}


def figures(tables: Tables) -> dict[str, Callable[[Theme], Figure]]:
    """Matched and planted transpositions with their barriers, and the maps of stability."""
    return {
        "transpositions": lambda theme: _draw_twins(tables, theme),
        "stability-weights": lambda theme: _draw_map(tables["stability"], "weights", theme),
        "stability-activations": lambda theme: _draw_map(tables["stability"], "activations", theme),
    }


def _draw_twins(tables: Tables, theme: Theme) -> Figure:
    figure = new_figure(6.6)
    above, below = figure.subplots(2, 1, sharex=True)
    planted = tables["twins"]["planted"].to_numpy()
    ends = [0.0, float(planted.max())]
    above.plot(ends, ends, color=theme.muted, linewidth=0.9, label="as planted")
    for name, marker, color in (
        ("weights", "o", theme.blue),
        ("activations", "x", theme.vermilion),
    ):
        matched = tables["twins"][f"matched_{name}"].to_numpy()
        above.plot(planted, matched, marker, color=color, fillstyle="none", label=f"by {name}")
    above.set_ylabel("matched after training")
    above.set_title("Transpositions")
    above.legend()
    for (stage, label), color, style in zip(
        _STAGES.items(), (theme.muted, theme.blue, theme.green), ("s--", "o-", "^-"), strict=True
    ):
        rows = where(tables["barriers"], stage=stage, part="test", quantity="loss")
        draw_means(below, means_over_seeds(rows, "planted", "midpoint"), style, color, label)
    means = means_by(tables["replanted"], ["seed", "planted"], "midpoint")
    others = means_over_seeds(means, "planted", "midpoint")
    draw_means(below, others, "o:", theme.vermilion, _OTHERS)
    below.set_xlabel("planted transpositions")
    below.set_ylabel("nats")
    below.set_title("Midpoint barrier of test loss")
    below.legend()
    return figure


def _draw_map(rows: pd.DataFrame, matching: str, theme: Theme) -> Figure:
    optimizers, depths = rows["optimizer"].unique(), rows["depth"].unique()
    figure = new_figure(0.9 + 2.1 * len(optimizers))
    panels = figure.subplots(len(optimizers), len(depths), squeeze=False)
    colors = LinearSegmentedColormap.from_list("displaced", [theme.paper, theme.vermilion])
    for (row, column), axes in np.ndenumerate(panels):
        optimizer, depth = optimizers[row], depths[column]
        some = where(rows, optimizer=optimizer, depth=depth)
        _draw_cells(axes, some, matching, colors, theme)
        layers = "1 hidden layer" if depth == 1 else f"{depth} hidden layers"
        axes.set_title(f"{'SGD' if optimizer == 'sgd' else 'Adam'}, {layers}")
        if column == 0:
            axes.set_ylabel("learning rate")
        if row == len(optimizers) - 1:
            axes.set_xlabel("epochs")
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colors), ax=panels, location="bottom", shrink=0.6,
        aspect=35,
    )  # fmt: skip
    bar.set_label(f"share of units matched to another (by {matching})", color=theme.text)
    figure.suptitle("In each cell: matched minus planted transpositions", fontsize=10.5)
    return figure


def _draw_cells(
    axes: Axes, rows: pd.DataFrame, matching: str, colors: LinearSegmentedColormap, theme: Theme
) -> None:
    rates, epochs = (sorted(rows[name].unique()) for name in ("learning_rate", "epochs"))
    cells = np.full((len(rates), len(epochs)), np.nan)
    for place, _ in np.ndenumerate(cells):
        table = where(rows, learning_rate=rates[place[0]], epochs=epochs[place[1]])
        cells[place] = table[f"displaced_{matching}"].to_numpy().mean()
        excess = table[f"excess_{matching}"].to_numpy().mean()
        text = "lost" if np.isnan(excess) else f"{excess:+.1f}" if excess else "0"
        axes.text(
            place[1], place[0], text, ha="center", va="center", color=theme.text, fontsize=8.5
        )
    axes.imshow(cells, cmap=colors, vmin=0, vmax=1, aspect="auto", origin="lower")
    axes.set_xticks(range(len(epochs)), [str(epoch) for epoch in epochs])
    axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.grid(visible=False)
