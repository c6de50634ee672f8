"""The figure of single hidden units over images: the mean and std of their incoming weights."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.theme import Theme, new_figure
from onebasin.report.figures.std_maps import show_image
from onebasin.report.findings import Findings

_MOST_UNITS = 12
_COLUMNS = 6


class _Units(NamedTuple):
    numbers: Int[np.ndarray, " units"]
    means: Float[np.ndarray, "inputs units"]
    stds: Float[np.ndarray, "inputs units"]


def unit_maps(findings: Findings) -> Exhibit:
    """Mean and std of the incoming weights of the hidden units with the largest signal."""
    count = len(_strongest(findings).numbers)
    return Exhibit(
        "unit-maps",
        "Single hidden units of the compact Gaussian",
        f"Images of the mean and the std of the incoming weights of {count} hidden units.",
        f"The figure shows the {count} units with the largest signal: the root mean square of "
        "mean / std over their incoming weights. For each unit the mean is shown above the std.",
        "All means share one color scale, and so do all stds. If the mean has structure and the "
        "std is low at the same pixels, the unit was found in most draws. If the mean is near 0 "
        "and the std is the std of the prior, the draws do not agree on the unit.",
        "These units were selected because their signal is large, so they look better than the "
        "other units. Their numbers are the numbers of the units in the reference, and have no "
        "meaning beyond this run.",
        lambda theme: _draw(findings, theme),
    )


def _strongest(findings: Findings) -> _Units:
    gaussian = findings.gaussian("compact")
    means, stds = findings.first_layer(gaussian.mean), findings.first_layer(gaussian.std)
    ratio = means / np.maximum(stds, np.finfo(np.float32).tiny)
    signal = np.sqrt((ratio**2).mean(axis=0))
    numbers = np.argsort(-signal, kind="stable")[:_MOST_UNITS]
    return _Units(numbers, means[:, numbers], stds[:, numbers])


def _draw(findings: Findings, theme: Theme) -> Figure:
    units, shape = _strongest(findings), findings.setup.dataset.image_shape
    assert shape is not None
    largest = float(np.abs(units.means).max())
    scales: dict[str, dict[str, Any]] = {
        "mean": {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest},
        "std": {"cmap": "cividis", "vmin": units.stds.min(), "vmax": units.stds.max()},
    }
    rows = 2 * -(-len(units.numbers) // _COLUMNS)
    figure = new_figure(1.3 + 1.05 * rows, holds_squares=True)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    shown: dict[str, Any] = {}
    for place, number in enumerate(units.numbers):
        row, column = 2 * (place // _COLUMNS), place % _COLUMNS
        for offset, (kind, values) in enumerate(zip(scales, units[1:], strict=True)):
            axes, title = panels[row + offset, column], "" if offset else f"unit {number + 1}"
            axes.set_axis_on()
            shown[kind] = show_image(axes, values[:, place].reshape(shape), title, **scales[kind])
            if column == 0:
                axes.set_ylabel(kind)
    for kind, image in reversed(shown.items()):
        bar = figure.colorbar(image, ax=panels, location="bottom", shrink=0.7, aspect=35, pad=0.02)
        bar.set_label(f"{kind} (units of the weights)", color=theme.text)
    return figure
