"""Labels beside points that cover neither points, lines nor each other."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 50.0, 66.0, 84.0)
"""The distances between a label and its point that are tried, in typographic points."""

_STEPS = (1.0, 0.5, 0.0, -0.5, -1.0)
_DIRECTIONS = sorted(
    ((right, up) for right in _STEPS for up in _STEPS if max(abs(right), abs(up)) == 1),
    key=lambda direction: (abs(direction[1]), -direction[0]),
)
"""Pairs (right, up), straight to the right first: of equally good places the first is taken."""

_LEADER_FROM = 10.0
"""The distance in typographic points from which a line leads from the label to its point."""

_MARKER_PIXELS = 6.0
"""How far labels and lines must stay away from the middle of a marker, in pixels."""

_ROUNDS = 3
"""How many times all labels are placed, given the places of the others."""


class Label(NamedTuple):
    """A text in its color, and the point (x, y) in data coordinates to which it belongs."""

    x: float
    y: float
    text: str
    color: str


class _Scene(NamedTuple):
    """What labels must not cover, in pixels.

    `inside` is the box of the axes, `clear` are points of all lines and markers, `markers` are the
    points of the labels, and `scale` is the number of pixels of a typographic point.
    """

    inside: Bbox
    clear: Float[np.ndarray, "points 2"]
    markers: Float[np.ndarray, "markers 2"]
    scale: float


def place_labels(
    figure: Figure, axes: Axes, labels: Sequence[Label], lines: Sequence[np.ndarray]
) -> None:
    """Write each label near its point, with a line that leads to it if it is far from it.

    Args:
        figure: The figure. Its layout is fixed.
        axes: The axes of the points. Their limits must not change afterwards.
        labels: The labels and their points.
        lines: Polylines in data coordinates that labels must not cover, each (points, 2).
    """
    # The layout moves the axes when the figure is drawn. Pixels are known only afterwards.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = axes.transData.transform([(label.x, label.y) for label in labels])
    clear = np.concatenate([points, *(_dense(axes.transData.transform(line)) for line in lines)])
    scene = _Scene(Bbox(axes.bbox.get_points()), clear, points, figure.dpi / 72)
    texts = [
        axes.annotate(
            label.text, (label.x, label.y), (0, 0), textcoords="offset points",
            fontsize=9, color=label.color, va="bottom",
        )
        for label in labels
    ]  # fmt: skip
    boxes = _place([text.get_window_extent() for text in texts], points, scene)
    for label, text, point, box in zip(labels, texts, points, boxes, strict=True):
        text.set_position(tuple((box.min - point) / scene.scale))
        leader = _leader(box, point)
        if np.hypot(*(leader[1] - leader[0])) > _LEADER_FROM * scene.scale:
            ends = axes.transData.inverted().transform(leader)
            axes.plot(*ends.T, color=label.color, linewidth=0.7, zorder=1.5)


def _place(sizes: Sequence[Bbox], points: np.ndarray, scene: _Scene) -> list[Bbox]:
    """The box of each label, at the place of least cost given the boxes of the others.

    Labels are placed one by one, in a few rounds: coordinate descent.
    """
    boxes: dict[int, Bbox] = {}
    for row in [*range(len(sizes))] * _ROUNDS:
        others = [box for number, box in boxes.items() if number != row]
        lowest = np.inf
        for distance, direction in itertools.product(_DISTANCES, _DIRECTIONS):
            if distance >= lowest:
                break  # farther places only cost more
            box = _moved(sizes[row], points[row], distance * scene.scale, direction)
            cost = distance + _penalty(box, points[row], others, scene)
            if cost < lowest:
                lowest, boxes[row] = cost, box
    return [boxes[row] for row in range(len(sizes))]


def _moved(box: Bbox, point: np.ndarray, distance: float, direction: tuple[float, float]) -> Bbox:
    """The box with its nearest side or corner at a distance from the point, in a direction."""
    right, up = direction
    reach = distance / np.hypot(right, up)
    x0 = point[0] + right * reach + (right - 1) / 2 * box.width
    y0 = point[1] + up * reach + (up - 1) / 2 * box.height
    return Bbox.from_bounds(x0, y0, box.width, box.height)


def _penalty(box: Bbox, point: np.ndarray, others: Sequence[Bbox], scene: _Scene) -> float:
    """What a box costs that leaves the axes, covers something, or whose line crosses something.

    `others` are the boxes of the other labels. 0 is a box without any fault.
    """
    padded, inside = box.padded(3), scene.inside
    outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    over = sum(padded.overlaps(label) for label in others)
    hits = _num_within(padded, scene.clear)
    on_markers = _num_within(box.padded(_MARKER_PIXELS), scene.markers)
    leader = _dense(_leader(box, point))
    away = np.linalg.norm(scene.markers - point, axis=1) > 1
    gaps = np.linalg.norm(scene.markers[away][:, None] - leader[None], axis=-1)
    crossed = int((gaps < _MARKER_PIXELS).any(axis=1).sum())
    crossed += sum(_num_within(label, leader) > 0 for label in others)
    return 1000.0 * (outside + over) + 40.0 * crossed + 150.0 * on_markers + 20.0 * hits


def _num_within(box: Bbox, points: np.ndarray) -> int:
    """How many points are inside a box."""
    return int(((points > box.min) & (points < box.max)).all(axis=1).sum())


def _leader(box: Bbox, point: np.ndarray) -> Float[np.ndarray, "2 2"]:
    """The two ends of the line from the point to the nearest place on the box."""
    return np.array([point, np.clip(point, box.min, box.max)])


def _dense(corners: np.ndarray) -> Float[np.ndarray, "points 2"]:
    """Points along a polyline with the given corners, about 4 pixels apart."""
    corners = np.asarray(corners, np.float64).reshape(-1, 2)
    pieces = [
        np.linspace(a, b, max(2, int(np.hypot(*(b - a)) / 4)))
        for a, b in itertools.pairwise(corners)
    ]
    return np.concatenate(pieces) if pieces else corners
