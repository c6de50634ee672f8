"""Figures of the first layer's stds: images over pixels, or bars over the inputs of a table."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.theme import Theme, new_figure
from onebasin.report.findings import Findings

_COLORS = "cividis"
_MOST_BARS = 24
_MOST_LETTERS = 20
_READ = (
    "An aligned std as large as the null floor holds no information about the weight: noise has "
    "the same std after alignment. A std that is clearly lower was narrowed by the data. "
)
_MISLEADS = (
    "A root mean square over hidden units hides which of the units have a low std. The std of few "
    "or strongly correlated draws is inaccurate."
)


def std_maps(findings: Findings) -> Exhibit:
    """The std of the first layer for each pixel: before and after alignment, floor and prior."""
    return Exhibit(
        "std-maps",
        "Std of the first layer, pixel by pixel",
        "Images of the std of first-layer weights for each pixel: direct, compact, null floor "
        "and prior on one color scale, beside the mean training image.",
        "Each image shows, for each pixel, the std of its weights, as a root mean square over "
        "hidden units. The std is over all draws before alignment (direct), over all aligned "
        "draws (compact), over aligned noise (null floor), or the std of the prior. The last image "
        "is the mean of the training inputs.",
        _READ + "If a pixel is dark in every training image, the data do not depend on its "
        "weights: these keep the std of the prior.",
        _MISLEADS + " The std of the prior is no floor, because it was not aligned.",
        lambda theme: _draw_maps(findings, theme),
    )


def feature_stds(findings: Findings) -> Exhibit:
    """The first layer's std for each input of a table."""
    count = findings.setup.dataset.num_features
    shown = (
        "All inputs are shown."
        if count <= _MOST_BARS
        else f"The {_MOST_BARS} of {count:,} inputs with the lowest std relative to the floor are "
        "shown."
    )
    return Exhibit(
        "std-maps",
        "Std of the first layer, input by input",
        "Bars of the std of first-layer weights for each input: direct, compact and null floor, "
        "with the prior as a mark.",
        "Each bar shows, for one input, the std of its weights, as a root mean square over hidden "
        "units. The std is over all draws before alignment (direct), over all aligned draws "
        "(compact), or over aligned noise (null floor). Inputs have the names of their columns. If "
        f"there are none, they are counted from 1 in the order of the data. {shown}",
        _READ,
        _MISLEADS + " The std of the prior is no floor, because it was not aligned.",
        lambda theme: _draw_bars(findings, theme),
    )


def input_stds(findings: Findings) -> dict[str, Float[np.ndarray, " inputs"]]:
    """The std of each input's weights, rms over hidden units, by the name of the Gaussian."""
    trees = {
        "direct": findings.gaussian("direct").std,
        "compact": findings.gaussian("compact").std,
        "null floor": findings.gaussian("null").std,
        "prior": findings.setup.posterior.prior_std,
    }
    return {
        name: np.sqrt((findings.first_layer(tree) ** 2).mean(axis=1))
        for name, tree in trees.items()
    }


def _draw_maps(findings: Findings, theme: Theme) -> Figure:
    shape = findings.setup.dataset.image_shape
    assert shape is not None
    maps = input_stds(findings)
    low, high = min(m.min() for m in maps.values()), max(m.max() for m in maps.values())
    figure = new_figure(4.3, holds_squares=True)
    panels = figure.subplots(2, 3)
    image: Any = None
    for axes, (name, stds) in zip(panels.flat, maps.items(), strict=False):
        image = show_image(axes, stds.reshape(shape), name, cmap=_COLORS, vmin=low, vmax=high)
    mean_image = np.asarray(findings.setup.dataset.train.inputs).mean(axis=0).reshape(shape)
    gray = show_image(panels[1, 1], mean_image, "mean input", cmap="gray")
    panels[1, 2].set_axis_off()
    bars = [(image, "std (units of the weights)"), (gray, "mean input (as trained on)")]
    for column, (mappable, words) in enumerate(bars):
        inset = panels[1, 2].inset_axes((0.02 + 0.58 * column, 0.0, 0.12, 1.0))
        bar = figure.colorbar(mappable, cax=inset)
        bar.set_label(words, fontsize=8.5, color=theme.text)
        bar.ax.tick_params(labelsize=8.5)
    return figure


def show_image(axes: Axes, values: np.ndarray, title: str, **settings: Any) -> Any:
    """Draw an image of pixels without ticks, with its title above."""
    axes.set_title(title, fontweight="normal", loc="center")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return axes.imshow(values, interpolation="nearest", **settings)


def _draw_bars(findings: Findings, theme: Theme) -> Figure:
    stds = input_stds(findings)
    count = len(stds["compact"])
    ratio = stds["compact"] / np.maximum(stds["null floor"], np.finfo(float).tiny)
    shown = np.sort(np.argsort(ratio, kind="stable")[:_MOST_BARS]) if count > _MOST_BARS else None
    rows = np.arange(count) if shown is None else shown
    figure = new_figure(1.7 + 0.42 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))
    colors = {"direct": theme.purple, "compact": theme.blue, "null floor": theme.muted}
    for number, (name, color) in enumerate(colors.items()):
        axes.barh(places + 0.27 * (number - 1), stds[name][rows], 0.25, color=color, label=name)
    axes.plot(
        stds["prior"][rows], places, "|", color=theme.text, markersize=16, label="prior",
        linestyle="none",
    )  # fmt: skip
    axes.set_yticks(places, [_name(findings, row) for row in rows.tolist()])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("std, rms over hidden units (units of the weights)")
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2)
    return figure


def _name(findings: Findings, row: int) -> str:
    """The name of an input for an axis, which has no room for a long one."""
    names = findings.setup.dataset.feature_names
    if names is None:
        return f"input {row + 1}"
    # Between two dollar signs, Matplotlib would look for a formula.
    name = names[row].replace("$", r"\$")
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
