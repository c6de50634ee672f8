"""What the paper's figures ask of tables: rows by value, columns, and means with intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from onebasin.intervals import t_interval
from onebasin.store.tables import Row, Value


def where(rows: Sequence[Row], **values: Value) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def distinct(rows: Sequence[Row], name: str) -> list[Value]:
    """The values of a column, each once, in the order they come in."""
    return list(dict.fromkeys(row[name] for row in rows))


def column(rows: Sequence[Row], name: str) -> Float[np.ndarray, " rows"]:
    """A column of numbers; NaN where a row has none."""
    return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)


class Means(NamedTuple):
    """Means over seeds at each value of another column, with 95 % intervals."""

    x: Float[np.ndarray, " points"]
    mean: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def means_over_seeds(rows: Sequence[Row], x: str, y: str) -> Means:
    """Means of `y` over the rows of each value of `x`, in rising order."""
    places = sorted({float(value) for value in column(rows, x)})
    groups = [column(where(rows, **{x: place}), y) for place in places]
    bounds = [t_interval(group) for group in groups]
    low, high = (np.array([float(pair[side]) for pair in bounds]) for side in (0, 1))
    return Means(np.array(places), np.array([float(group.mean()) for group in groups]), low, high)


def draw_means(axes: Axes, means: Means, style: str, color: str, label: str) -> None:
    """A line of means with the band of their intervals."""
    axes.plot(means.x, means.mean, style, color=color, label=label, markersize=4)
    axes.fill_between(means.x, means.low, means.high, color=color, alpha=0.18, linewidth=0)
