"""The figure of the null floor: which stds are smaller than the std of aligned noise."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
from onebasin.run.trust import NullFloor
from onebasin.types import Params

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_ARRAYS = 24


class Stds(NamedTuple):
    """The stds of draws before and after alignment and of aligned noise, and what they say.

    `names` has the name of each array by its path, and `is_permuted` says of a path whether
    alignment moves any axis of the array.
    """

    found: NullFloor
    unaligned: Params
    aligned: Params
    null: Params
    names: Mapping[str, str]
    is_permuted: Callable[[str], bool]


def null_floor(findings: Findings) -> Exhibit:
    """Stds of aligned weights against their null floor, over all weights and for each array."""
    names = ("direct", "compact", "null")
    direct, compact, null = (findings.gaussian(name).std for name in names)
    floor = findings.summarize.null_floor
    return null_floor_figure(
        Stds(floor, direct, compact, null, findings.array_names, findings.is_permuted)
    )


def null_floor_figure(stds: Stds) -> Exhibit:
    """The same figure of these stds."""
    below, size = stds.found.share_below, stds.found.ess_median
    return Exhibit(
        "null-floor",
        "Stds and the null floor",
        "The std of every aligned weight against its null floor, and the ratio of the two by "
        "array, before and after alignment.",
        "Alignment finds similar units even in noise, and so it shrinks the stds of noise. The "
        "null floor is the std of noise that has the autocorrelation of the draws and was aligned "
        "in the same way. The upper panel shows the aligned std of each weight against its floor. "
        "The lower panel shows their ratio for each array: the dot is the median, the thick line "
        f"holds half of the weights, and the thin line 90 %. {_shown_in_words(stds)}",
        "Only a std below its floor is evidence about the weight. Here this holds for "
        f"{percent(below)} of all weights; if all weights were noise, it would hold for about "
        "half. If the ratio is below 1 and was as low before alignment, alignment is not the "
        "reason. The floor of an array whose units never move is its own std.",
        f"{_limits(size)} The weights of the noise are independent of each other.",
        lambda theme: _draw(stds, theme),
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


def _shown(stds: Stds) -> list[str]:
    """The arrays that are shown, in their order: the ones with the lowest ratio to the floor."""
    aligned, floors = _trees.named_leaves(stds.aligned), _trees.named_leaves(stds.null)
    medians = {name: float(np.median(_ratio(aligned[name], floors[name]))) for name in floors}
    lowest = set(sorted(medians, key=medians.__getitem__)[:_MOST_ARRAYS])
    return [name for name in floors if name in lowest]


def _shown_in_words(stds: Stds) -> str:
    count = len(_trees.named_leaves(stds.null))
    if count <= _MOST_ARRAYS:
        return "All arrays are shown."
    return f"The {_MOST_ARRAYS} of {count} arrays with the lowest ratios are shown."


def _draw(stds: Stds, theme: Theme) -> Figure:
    ratios_height = 1.5 + 0.42 * len(_shown(stds))
    figure = new_figure(4.3 + ratios_height)
    # Two subfigures, so that long names of arrays in the lower one do not narrow the upper one.
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.0, ratios_height])
    _draw_all(stds, above, above.subplots(), theme)
    axes = below.subplots()
    _draw_ratios(stds, axes, theme)
    below.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_all(stds: Stds, figure: SubFigure, axes: Axes, theme: Theme) -> None:
    aligned, floors = flat(stds.aligned), flat(stds.null)
    low, high = float(min(aligned.min(), floors.min())), float(max(aligned.max(), floors.max()))
    room = 0.04 * (high - low) or 0.5
    low, high = max(low - room, 0.0), high + room
    cells: Any = axes.hexbin(
        floors, aligned, gridsize=50, mincnt=1, cmap=theme.density,
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


def _draw_ratios(stds: Stds, axes: Axes, theme: Theme) -> None:
    floors, shown = _trees.named_leaves(stds.null), _shown(stds)
    kinds = {
        "not aligned": (stds.unaligned, theme.purple),
        "aligned": (stds.aligned, theme.blue),
    }
    for number, (words, (tree, color)) in enumerate(kinds.items()):
        own = _trees.named_leaves(tree)
        found = np.array([np.quantile(_ratio(own[name], floors[name]), _LEVELS) for name in shown])
        rows = np.arange(len(shown)) + 0.24 * (number - 0.5)
        axes.hlines(rows, found[:, 0], found[:, 4], color=color, linewidth=1.2)
        axes.hlines(rows, found[:, 1], found[:, 3], color=color, linewidth=4)
        axes.plot(found[:, 2], rows, "o", color=color, markersize=6, label=words)
    axes.axvline(1.0, color=theme.vermilion, linewidth=1.0)
    moves, own_names = stds.is_permuted, stds.names
    names = [own_names[n] if moves(n) else f"{own_names[n]}\n(never moves)" for n in shown]
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
