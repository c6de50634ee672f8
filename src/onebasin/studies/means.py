"""Means over seeds at each value of another column, and a function that draws them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes

from onebasin.intervals import t_interval


class Means(NamedTuple):
    """Means over seeds at each value of another column, with 95 % intervals."""

    x: Float[np.ndarray, " points"]
    mean: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def means_over_seeds(rows: pd.DataFrame, x: str, y: str) -> Means:
    """The mean of `y` over the rows at each value of `x`, in rising order of `x`."""
    groups = {place: group.to_numpy(float) for place, group in rows.groupby(x)[y]}
    means = [(place, group.mean(), *t_interval(group)) for place, group in groups.items()]
    return Means(*np.array(means).T)


def means_by(rows: pd.DataFrame, names: list[str], y: str) -> pd.DataFrame:
    """The mean of `y` over the rows with the same values of some columns. NaN if a `y` is NaN."""
    return rows.groupby(names)[y].agg(lambda values: values.to_numpy().mean()).reset_index()


def draw_means(axes: Axes, means: Means, style: str, color: str, label: str) -> None:
    """Draw a line of means with the band of their intervals."""
    axes.plot(means.x, means.mean, style, color=color, label=label, markersize=4)
    axes.fill_between(means.x, means.low, means.high, color=color, alpha=0.18, linewidth=0)
