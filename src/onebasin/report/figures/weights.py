"""The figure of weights: each weight by two methods, before and after alignment."""

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
from onebasin.report.findings import Findings, flat
from onebasin.run.representations import COMPACT, COMPACT_ENSEMBLE, VI, Representation, method_names

_CELLS = 42


class Pair(NamedTuple):
    """One quantity (mean or std) of every weight, by the sampler and by another method."""

    quantity: str
    other: Representation
    is_aligned: bool
    ours: Float[np.ndarray, " weights"]
    theirs: Float[np.ndarray, " weights"]

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation. None if one of the methods has equal values only."""
        if np.ptp(self.ours) == 0 or np.ptp(self.theirs) == 0:
            return None
        return float(stats.spearmanr(self.ours, self.theirs).statistic)  # pyright: ignore


def weights(findings: Findings) -> Exhibit:
    """Means against means and stds against stds, the sampler against VI and the ensemble."""
    sampler = findings.sampler
    return Exhibit(
        "weights",
        "Weight by weight, method by method",
        f"Density plots of the mean and the std of every weight, {sampler} against variational "
        "inference and against the ensemble, before and after alignment.",
        f"Every weight is one point. The horizontal axis is its value by {sampler}, the vertical "
        "axis its value by the other method. In the left column the units have the order in which "
        f"each method left them. In the right column all are aligned to one reference. Each "
        "title has Spearman's rank correlation.",
        "Darker cells (on a dark background, brighter cells) hold more weights. On the line both "
        "methods give the same value. " + _change_in_words(findings),
        "Alignment looks for similar units and finds some even in noise, so a small rise of the "
        "correlation proves little. Weights on which the data do not depend have mean 0 and the "
        "std of the prior in every method, and need no alignment. The std of a few ensemble "
        "members is inaccurate. It is near 0 for weights that weight decay makes equal in all "
        "members.",
        lambda theme: _draw(findings, theme),
    )


def pairs(findings: Findings) -> list[Pair]:
    """All comparisons: for each other method the mean and the std, before and after alignment."""
    found: list[Pair] = []
    for other in (VI, COMPACT_ENSEMBLE):
        for quantity in ("mean", "std"):
            for is_aligned in (False, True):
                keys = (r.key if is_aligned else r.key_unaligned for r in (COMPACT, other))
                ours, theirs = (flat(getattr(findings.gaussian(key), quantity)) for key in keys)
                found.append(Pair(quantity, other, is_aligned, ours, theirs))
    return found


def _change_in_words(findings: Findings) -> str:
    found, names = pairs(findings), _names(findings)
    changes = [
        f"{before.quantity} against {names[before.other.key]} "
        f"{fixed(before.correlation, 2)} before and {fixed(after.correlation, 2)} after"
        for before, after in zip(found[::2], found[1::2], strict=True)
    ]
    return f"Here: {'; '.join(changes)}."


def _names(findings: Findings) -> dict[str, str]:
    return method_names(findings.setup.config.method.kind)


def _draw(findings: Findings, theme: Theme) -> Figure:
    figure = new_figure(11.8, holds_squares=True)
    panels = figure.subplots(4, 2)
    found = pairs(findings)
    shown = [
        _draw_pair(axes, pair, theme, _names(findings))
        for axes, pair in zip(panels.flat, found, strict=True)
    ]
    most = max(float(cells.get_array().max()) for cells in shown)
    for cells in shown:
        cells.set_norm(LogNorm(1, max(most, 2.0)))
    count_bar(
        figure, shown[-1], theme, ax=panels, location="bottom", shrink=0.6, aspect=35, pad=0.01
    )
    return figure


def _draw_pair(axes: Axes, pair: Pair, theme: Theme, names: dict[str, str]) -> Any:
    values = np.concatenate([pair.ours, pair.theirs])
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    low, high = low - room, high + room
    cells = axes.hexbin(
        pair.ours, pair.theirs, gridsize=_CELLS, mincnt=1, cmap=theme.density,
        extent=(low, high, low, high), linewidths=0.2,
    )  # fmt: skip
    axes.plot([low, high], [low, high], color=theme.vermilion, linewidth=0.9, label="equal")
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel(f"{pair.quantity}, {names[COMPACT.key]}")
    axes.set_ylabel(f"{pair.quantity}, {names[pair.other.key]}")
    when = "aligned" if pair.is_aligned else "not aligned"
    axes.set_title(f"{when}: Spearman {fixed(pair.correlation, 2)}", fontweight="normal")
    return cells
