"""The figure of aligned draws: each weight in two halves of the chains, before and after."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.numbers import fixed
from onebasin.plots.theme import Theme, count_bar, new_figure

_CELLS = 42


class Panel(NamedTuple):
    """One quantity (mean or std) of every weight, in two halves of the draws."""

    quantity: str
    is_aligned: bool
    first: Float[np.ndarray, " weights"]
    second: Float[np.ndarray, " weights"]

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation. None if one of the halves has equal values only."""
        if np.ptp(self.first) == 0 or np.ptp(self.second) == 0:
            return None
        return float(stats.spearmanr(self.first, self.second).statistic)  # pyright: ignore


def halves_figure(panels: list[Panel], halves: tuple[str, str], of_what: str) -> Exhibit:
    """Each weight in two halves of the draws, before and after alignment.

    Panels come in pairs: a quantity before alignment, and the same after it. `halves` are the
    names of the halves on axes, and `of_what` says what was halved.
    """
    changes = [
        f"of the {before.quantity} {fixed(before.correlation, 2)} before and "
        f"{fixed(after.correlation, 2)} after"
        for before, after in zip(panels[::2], panels[1::2], strict=True)
    ]
    quantities = " and ".join(f"the {panel.quantity}" for panel in panels[::2])
    return Exhibit(
        "halves",
        "Weight by weight, in two halves of the draws",
        f"Density plots of {quantities} of every weight in the {halves[0]} against the "
        f"{halves[1]} of {of_what}, before and after alignment.",
        f"Every weight is one point. The horizontal axis is its value in the {halves[0]} of "
        f"{of_what}, the vertical axis its value in the {halves[1]}. In the left column "
        "the units have the order in which they were drawn. In the right column all draws are "
        "aligned to one reference. Each title has Spearman's rank correlation.",
        "Darker cells (on a dark background, brighter cells) hold more weights. On the line both "
        "halves give the same value. If they agree after alignment only, the draws differ in the "
        f"order of their units. Here the correlation is, {'; '.join(changes)}.",
        "Alignment looks for similar units and finds some even in noise, so a small rise of the "
        "correlation proves little. Both halves were aligned to one reference, which alone makes "
        "their means alike.",
        lambda theme: _draw(panels, halves, theme),
    )


def _draw(panels: list[Panel], halves: tuple[str, str], theme: Theme) -> Figure:
    num_rows = len(panels) // 2
    figure = new_figure(0.9 + 2.75 * num_rows, holds_squares=True)
    grid = figure.subplots(num_rows, 2, squeeze=False)
    shown = [
        _draw_panel(axes, panel, halves, theme)
        for axes, panel in zip(grid.flat, panels, strict=True)
    ]
    most = max(float(cells.get_array().max()) for cells in shown)
    for cells in shown:
        cells.set_norm(LogNorm(1, max(most, 2.0)))
    count_bar(figure, shown[-1], theme, ax=grid, location="bottom", shrink=0.6, aspect=35, pad=0.01)
    return figure


def _draw_panel(axes: Axes, panel: Panel, halves: tuple[str, str], theme: Theme) -> Any:
    values = np.concatenate([panel.first, panel.second])
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    low, high = low - room, high + room
    cells = axes.hexbin(
        panel.first, panel.second, gridsize=_CELLS, mincnt=1, cmap=theme.density,
        extent=(low, high, low, high), linewidths=0.2,
    )  # fmt: skip
    axes.plot([low, high], [low, high], color=theme.vermilion, linewidth=0.9)
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel(f"{panel.quantity}, {halves[0]}")
    axes.set_ylabel(f"{panel.quantity}, {halves[1]}")
    when = "aligned" if panel.is_aligned else "not aligned"
    axes.set_title(f"{when}: Spearman {fixed(panel.correlation, 2)}", fontweight="normal")
    return cells
