"""The figure of the loss along straight lines between networks, before and after alignment."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from onebasin.plots.theme import Theme, new_figure


def loss_lines(
    theme: Theme,
    fractions: Float[np.ndarray, " points"],
    before: Float[np.ndarray, "pairs points"],
    after: Float[np.ndarray, "pairs points"],
    unit: str,
) -> Figure:
    """A line for each pair of networks, as they came and aligned.

    Args:
        theme: The colors of the page.
        fractions: The points of the lines, from 0 to 1.
        before: The loss at each point between the networks of each pair as they came.
        after: The same after alignment.
        unit: What the loss is and its unit, for the axis.
    """
    figure = new_figure(3.2)
    axes = figure.subplots()
    kinds = (
        ("before alignment", before, theme.vermilion, "--"),
        ("aligned", after, theme.blue, "-"),
    )
    for label, losses, color, style in kinds:
        axes.plot(fractions, losses.T, style, color=color, alpha=1.0 if len(losses) < 4 else 0.5)
        axes.plot([], [], style, color=color, label=label)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the second network")
    axes.set_ylabel(unit)
    axes.legend()
    return figure
