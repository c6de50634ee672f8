"""The figure of representations: how well each predicts for the numbers it stores."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.labels import Label, place_labels
from onebasin.plots.numbers import fixed, percent
from onebasin.plots.theme import Theme, new_figure
from onebasin.report.findings import Findings
from onebasin.report.representations import in_order, kept_draws
from onebasin.run.representations import (
    COMPACT,
    COMPACT_ENSEMBLE,
    COMPACT_MEAN,
    DIRECT,
    VI,
    Family,
    Representation,
    one_chain,
)
from onebasin.run.results import CompareResults, Evaluated, Scores

_SMALLEST_TV = 1e-4
_ACCURACIES = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1)
_APART = 1.07
_STORAGES = (1, 2, 3, 5, 8, 12, 20, 40, 80, 150, 300, 600, 1200, 2500, 5000, 10_000)


def representations(findings: Findings) -> Exhibit:
    """Total variation and accuracy (or error) against numbers stored for each weight."""
    score = "accuracy" if findings.is_classification else "root mean squared error"
    sampler = findings.sampler
    return Exhibit(
        "representations",
        "How well each representation predicts for the numbers it stores",
        f"Total variation to {sampler} and {score} of every representation against the numbers it "
        "stores for each weight, with kept draws as a line.",
        "Each point is one representation. A hollow point is a low-rank Gaussian whose residual "
        "std is not tempered. The upper panel shows the total variation (TV) between its "
        f"predictions and those of all {sampler} draws. The lower panel shows its {score} on "
        f"{len(findings.setup.dataset.test):,} test examples. The line is the simplest baseline: "
        "a few kept draws, which store one number per weight each.",
        "In the upper panel lower is better. A Gaussian is worth its storage if it lies below the "
        "line. " + _floor_words(findings) + _reading(findings),
        f"Points of equal storage are drawn a little apart. Kept draws are part of the {sampler} "
        "run that they are compared with, and the compact Gaussians are fitted to it. Variational "
        "inference and the ensemble do not use it. " + _noise_words(findings),
        lambda theme: _draw(findings, theme),
    )


def _floor_words(findings: Findings) -> str:
    floor, sampler = findings.compare.scores(_chain(findings)), findings.sampler
    if floor is None:
        return f"With a single chain, the distance between two runs of {sampler} is not known. "
    return (
        f"The dashed mark ({fixed(floor.total_variation)}) is the distance of one chain of "
        f"{sampler} from the other chains: a representation below the mark cannot be distinguished "
        f"from {sampler}. "
    )


def _chain(findings: Findings) -> str:
    """The key of the representation by one chain."""
    return one_chain(findings.setup.config.method.kind, 1).key


def _reading(findings: Findings) -> str:
    if findings.is_classification:
        return "In the lower panel higher is better, and the axis spreads out small errors."
    return "In the lower panel lower is better too; the unit is the unit of the targets."


def _noise_words(findings: Findings) -> str:
    draws = findings.setup.config.evaluation.num_gaussian_draws
    judged = f"Predictions of Gaussians are averaged over {draws:,} draws. "
    if not findings.is_classification:
        return f"{judged}No interval is drawn, because there is one test set and one seed."
    accuracy = in_order(findings.compare)[0].scores.first
    error = np.sqrt(accuracy * (1 - accuracy) / len(findings.setup.dataset.test))
    return (
        f"{judged}At {findings.sampler}'s accuracy one standard error over test examples is "
        f"{percent(error)}; a smaller difference in accuracy may be chance."
    )


def _draw(findings: Findings, theme: Theme) -> Figure:
    figure = new_figure(8.2)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes in (above, below):
        axes.set_xscale("log")
    found = findings.compare
    distance = _Quantity(lambda scores: max(scores.total_variation, _SMALLEST_TV), _chain(findings))
    labels, lines = _draw_points(found, above, distance, theme)
    _distance_axis(above, findings.sampler)
    above.set_title(f"Distance from {findings.sampler}'s predictions")
    quality = _Quantity(lambda scores: scores.first, in_order(found)[0].representation.key)
    others, other_lines = _draw_points(found, below, quality, theme)
    below.set_xlabel("numbers stored per weight")
    below.set_title("Quality on test data")
    if findings.is_classification:
        _spread_small_errors(below, [label.y for label in others], findings)
    else:
        below.set_ylabel("RMSE (units of the target)")
    for axes in (above, below):
        axes.margins(x=0.12, y=0.18)
    _storage_ticks(below)
    _draw_legend(findings, figure, below)
    place_labels(figure, above, labels, lines)
    place_labels(figure, below, others, other_lines)
    return figure


def _draw_legend(findings: Findings, figure: Figure, axes: Axes) -> None:
    handles, words = axes.get_legend_handles_labels()
    if findings.compare.scores(_chain(findings)) is not None:
        words[-1] = f"{findings.sampler} (above: one chain against the others; below: all draws)"
    figure.legend(handles, words, loc="outside lower center")


class _Quantity(NamedTuple):
    """The quantity on the vertical axis, and the key of the representation drawn as a mark."""

    of: Callable[[Scores], float]
    mark: str


def _draw_points(
    found: CompareResults, axes: Axes, quantity: _Quantity, theme: Theme
) -> tuple[list[Label], list[np.ndarray]]:
    """Draw the points, the line of kept draws and the sampler's mark.

    Returns the labels, and the lines that labels must not cover.
    """
    kept = kept_draws(found)
    line = np.array(
        [(one.representation.values_per_weight, quantity.of(one.scores)) for one in kept]
    )
    if len(line):
        axes.plot(*line.T, "o-", color=theme.orange, label="kept draws", zorder=2)
    labels: list[Label] = []
    for one, x in _places(found):
        representation = one.representation
        if representation.family == "draws" and quantity.mark != representation.key:
            continue
        y, color = quantity.of(one.scores), _color(representation, theme)
        is_whole = representation.family == "low-rank" and not representation.is_tempered
        fill = "none" if is_whole else color
        marker = _MARKERS.get(representation.family, "s")
        axes.plot(x, y, marker, color=color, markerfacecolor=fill, markersize=7, zorder=3)
        labels.append(Label(x, y, representation.label, color))
    lines = [line.reshape(-1, 2)]
    mark = found.scores(quantity.mark)
    if mark is not None:
        y = quantity.of(mark)
        label = in_order(found)[0].representation.label
        axes.axhline(y, color=theme.muted, linestyle="--", linewidth=1.2, label=label, zorder=1)
        lines.append(np.array([(1, y), (_STORAGES[-1], y)]))
    return labels, lines


def _places(found: CompareResults) -> list[tuple[Evaluated, float]]:
    """Each representation with its horizontal position: its storage, moved a little if shared."""
    rows: dict[int, list[Evaluated]] = {}
    for one in in_order(found):
        if one.representation.family != "kept":
            rows.setdefault(one.representation.values_per_weight, []).append(one)
    return [
        (one, storage * _APART ** (place - (len(row) - 1) / 2))
        for storage, row in rows.items()
        for place, one in enumerate(sorted(row, key=lambda one: one.representation.key))
    ]


_MARKERS: dict[Family, str] = {"draws": "D", "chain": "D", "network": "^", "ensemble": "P"}


def _color(representation: Representation, theme: Theme) -> str:
    if representation.family == "low-rank":
        return theme.sky
    colors = {
        DIRECT.key: theme.purple,
        COMPACT.key: theme.blue,
        COMPACT_MEAN.key: theme.blue,
        COMPACT_ENSEMBLE.key: theme.green,
        "ensemble": theme.green,
        VI.key: theme.vermilion,
    }
    return colors.get(representation.key, theme.muted)


def _spread_small_errors(axes: Axes, accuracies: list[float], findings: Findings) -> None:
    """An axis for accuracies that is logarithmic in the error, down to half an example."""
    least = 0.5 / len(findings.setup.dataset.test)
    axes.set_yscale(
        "function",
        functions=(
            lambda a: -np.log10(np.maximum(1 - np.asarray(a), least)),
            lambda s: 1 - 10 ** -np.asarray(s),
        ),
    )
    low, high = min(accuracies), min(max(accuracies), 1 - least)
    ticks = [t for t in _ACCURACIES if 1 - (1 - low) * 1.3 <= t <= 1 - (1 - high) * 0.7]
    axes.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("accuracy (log scale of the error)")


def _distance_axis(axes: Axes, sampler: str) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 7)
    places = [step * 10.0**power for power in range(-4, 1) for step in steps]
    ticks = [tick for tick in places if low <= tick <= min(high, 1)]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(f"total variation to {sampler} (0 to 1)")


def _storage_ticks(axes: Axes) -> None:
    low, high = axes.get_xlim()
    ticks = [tick for tick in _STORAGES if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
