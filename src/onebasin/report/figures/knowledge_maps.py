"""The figure of what the data know about the weights of each pixel, and how well that is known."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.theme import Theme, new_figure
from onebasin.report.figures.std_maps import show_image
from onebasin.report.findings import Findings


def knowledge_maps(findings: Findings) -> Exhibit:
    """Contraction and reliability of the first layer for each pixel, beside the mean image."""
    return Exhibit(
        "knowledge-maps",
        "What the data know about the weights of each pixel",
        "Images of the contraction of first-layer weights for each pixel and of the reliability of "
        "their stds, beside the mean training image.",
        "Contraction is the share of the variance of the prior that the data have removed, as a "
        "mean over the hidden units that read the pixel. Reliability is the share of the "
        "differences between the stds of these units that is not Monte Carlo error. The last image "
        "is the mean of the training inputs.",
        "If the contraction of a pixel is 0, the data say nothing about its weights. If the "
        "reliability is 0, the units have stds that do not differ by more than their errors, so "
        "that the std of one unit says nothing that their mean does not say.",
        "Alignment makes stds smaller even for noise: the table of single weights compares them "
        "with aligned noise. A mean over units hides units that differ.",
        lambda theme: _draw(findings, theme),
    )


def contraction_of_inputs(findings: Findings) -> Float[np.ndarray, " inputs"]:
    """The contraction of the weights of each input, a mean over hidden units."""
    return findings.first_layer_column("contraction").mean(axis=1)


def reliability_of_inputs(findings: Findings) -> Float[np.ndarray, " inputs"]:
    """The share of the variance of stds between units that is no Monte Carlo error, in [0, 1]."""
    std, error = (findings.first_layer_column(name) for name in ("std", "mcse_std"))
    spread = std.var(axis=1, ddof=1)
    noise = (error**2).mean(axis=1)
    share = 1 - np.divide(noise, spread, out=np.ones(len(spread)), where=spread > 0)
    return np.nan_to_num(np.clip(share, 0.0, 1.0))


def _draw(findings: Findings, theme: Theme) -> Figure:
    shape = findings.setup.dataset.image_shape
    assert shape is not None
    contraction = contraction_of_inputs(findings)
    mean_image = np.asarray(findings.setup.dataset.train.inputs).mean(axis=0)
    panels: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "contraction": (contraction, {"cmap": "cividis", "vmin": min(0.0, contraction.min())}),
        "reliability of stds": (
            reliability_of_inputs(findings), {"cmap": "cividis", "vmin": 0, "vmax": 1},
        ),
        "mean input": (mean_image, {"cmap": "gray"}),
    }  # fmt: skip
    figure = new_figure(2.9, holds_squares=True)
    for axes, (name, (values, settings)) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        image = show_image(axes, values.reshape(shape), name, **settings)
        bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=20, pad=0.04)
        bar.ax.tick_params(labelsize=8.5, colors=theme.text)
    return figure
