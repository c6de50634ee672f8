"""The figure of the null floor: which stds are smaller than the std of aligned noise."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from onebasin import _trees
from onebasin.alignment.effective_size import LEAST_ESS
from onebasin.plots.exhibit import Exhibit
from onebasin.plots.numbers import percent, whole
from onebasin.plots.theme import Theme, count_bar, new_figure
from onebasin.report.findings import Findings, flat

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_ARRAYS = 24


def null_floor(findings: Findings) -> Exhibit:
    """Stds of aligned weights against their null floor, over all weights and for each array."""
    found = findings.summarize.null_floor
    below, size = found.share_below, found.ess_median
    return Exhibit(
        "null-floor",
        "Stds and the null floor",
        "The std of every aligned weight against its null floor, and the ratio of the two by "
        "array, before and after alignment.",
        "Alignment finds similar units even in noise, and so it shrinks the stds of noise. The "
        "null floor is the std of noise that has the autocorrelation of the draws and was aligned "
        "in the same way. The upper panel shows the aligned std of each weight against its floor. "
        "The lower panel shows their ratio for each array: the dot is the median, the thick line "
        f"holds half of the weights, and the thin line 90 %. {_shown_in_words(findings)}",
        "Only a std below its floor is evidence about the weight. Here this holds for "
        f"{percent(below)} of all weights; if all weights were noise, it would hold for about "
        "half. If the ratio is below 1 and was as low before alignment, alignment is not the "
        "reason. The floor of an array whose units never move is its own std.",
        f"{_limits(size)} The weights of the noise are independent of each other.",
        lambda theme: _draw(findings, theme),
    )


def _limits(size: float) -> str:
    """How far the ratio of two stds can be trusted, given their effective sample size."""
    draws = f"The median effective sample size of an aligned std is {whole(size)}"
    if size < LEAST_ESS:
        return (
            f"{draws}, which is below {LEAST_ESS}: these draws cannot show which stds lie below "
            "their floor."
        )
    return (
        f"{draws}, so chance alone changes a ratio of two stds by "
        f"{percent(np.sqrt(1 / size), 0)}: a single weight a little below 1 proves nothing."
    )


def _shown(findings: Findings) -> list[str]:
    """The arrays that are shown, in their order: the ones with the lowest ratio to the floor."""
    stds = _trees.named_leaves(findings.gaussian("compact").std)
    floors = _trees.named_leaves(findings.gaussian("null").std)
    medians = {name: float(np.median(_ratio(stds[name], floors[name]))) for name in floors}
    lowest = set(sorted(medians, key=medians.__getitem__)[:_MOST_ARRAYS])
    return [name for name in floors if name in lowest]


def _shown_in_words(findings: Findings) -> str:
    count = len(_trees.named_leaves(findings.gaussian("null").std))
    if count <= _MOST_ARRAYS:
        return "All arrays are shown."
    return f"The {_MOST_ARRAYS} of {count} arrays with the lowest ratios are shown."


def _draw(findings: Findings, theme: Theme) -> Figure:
    ratios_height = 1.5 + 0.42 * len(_shown(findings))
    figure = new_figure(4.3 + ratios_height)
    # Two subfigures, so that long names of arrays in the lower one do not narrow the upper one.
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.0, ratios_height])
    _draw_all(findings, above, above.subplots(), theme)
    axes = below.subplots()
    _draw_ratios(findings, axes, theme)
    below.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_all(findings: Findings, figure: SubFigure, axes: Axes, theme: Theme) -> None:
    stds, floors = flat(findings.gaussian("compact").std), flat(findings.gaussian("null").std)
    low, high = float(min(stds.min(), floors.min())), float(max(stds.max(), floors.max()))
    room = 0.04 * (high - low) or 0.5
    low, high = max(low - room, 0.0), high + room
    cells: Any = axes.hexbin(
        floors, stds, gridsize=50, mincnt=1, cmap=theme.density,
        extent=(low, high, low, high), linewidths=0.2,
    )  # fmt: skip
    cells.set_norm(LogNorm(1, max(float(cells.get_array().max()), 2.0)))
    count_bar(figure, cells, theme, ax=axes)
    axes.plot([low, high], [low, high], color=theme.vermilion, linewidth=1.0, label="equal")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("null floor's std (units of the weights)")
    axes.set_ylabel("aligned std (units of the weights)")
    axes.set_title("All weights")
    axes.legend(loc="upper left")


def _draw_ratios(findings: Findings, axes: Axes, theme: Theme) -> None:
    floors, shown = _trees.named_leaves(findings.gaussian("null").std), _shown(findings)
    kinds = {"direct": ("not aligned", theme.purple), "compact": ("aligned", theme.blue)}
    for number, (kind, (words, color)) in enumerate(kinds.items()):
        stds = _trees.named_leaves(findings.gaussian(kind).std)
        found = np.array([np.quantile(_ratio(stds[name], floors[name]), _LEVELS) for name in shown])
        rows = np.arange(len(shown)) + 0.24 * (number - 0.5)
        axes.hlines(rows, found[:, 0], found[:, 4], color=color, linewidth=1.2)
        axes.hlines(rows, found[:, 1], found[:, 3], color=color, linewidth=4)
        axes.plot(found[:, 2], rows, "o", color=color, markersize=6, label=words)
    axes.axvline(1.0, color=theme.vermilion, linewidth=1.0)
    own = findings.array_names
    moves = findings.is_permuted
    names = [own[name] if moves(name) else f"{own[name]}\n(never moves)" for name in shown]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("std / null floor's std")
    axes.set_title("Array by array")


def _ratio(stds: np.ndarray, floors: np.ndarray) -> Float[np.ndarray, " weights"]:
    """Stds divided by their floors; 1 if both are 0."""
    ours, floor = (np.asarray(leaf, np.float64).reshape(-1) for leaf in (stds, floors))
    safe = np.where(floor > 0, floor, 1.0)
    return np.where(floor > 0, ours / safe, np.where(ours > 0, np.inf, 1.0))
