"""Labels beside points, placed so that they cover neither points, lines nor each other."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 50.0, 66.0, 84.0)
_STEPS = (1.0, 0.5, 0.0, -0.5, -1.0)
_DIRECTIONS = sorted(
    ((right, up) for right in _STEPS for up in _STEPS if max(abs(right), abs(up)) == 1),
    key=lambda direction: (abs(direction[1]), -direction[0]),
)
"""Right and up, straight to the right first: of equally good places the first is taken."""
_LEADER_FROM = 10.0
_MARKER_PIXELS = 6.0
_ROUNDS = 3


class Label(NamedTuple):
    """A text in its color, and the point in data coordinates that it names."""

    x: float
    y: float
    text: str
    color: str


class _Scene(NamedTuple):
    """What labels must keep clear of, in pixels."""

    inside: Bbox
    clear: Float[np.ndarray, "points 2"]
    markers: Float[np.ndarray, "markers 2"]
    scale: float


def place_labels(
    figure: Figure, axes: Axes, labels: Sequence[Label], lines: Sequence[np.ndarray]
) -> None:
    """Write each label near its point, with a leader line where it had to move away.

    `lines` are polylines in data coordinates, one point a row, to be left clear.
    """
    # The layout moves axes when it is first drawn; only then do pixels mean anything.
    FigureCanvasAgg(figure).draw()
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
    boxes = _choose([text.get_window_extent() for text in texts], points, scene)
    for label, text, point, box in zip(labels, texts, points, boxes, strict=True):
        text.set_position(tuple((box.min - point) / scene.scale))
        leader = _leader(box, point)
        if np.hypot(*(leader[1] - leader[0])) > _LEADER_FROM * scene.scale:
            ends = axes.transData.inverted().transform(leader)
            axes.plot(*ends.T, color=label.color, linewidth=0.7, zorder=1.5)


def _choose(sizes: Sequence[Bbox], points: np.ndarray, scene: _Scene) -> list[Bbox]:
    """The best place of each label given the others, improved over a few rounds."""
    chosen: dict[int, Bbox] = {}
    for row in [*range(len(sizes))] * _ROUNDS:
        others = [box for other, box in chosen.items() if other != row]
        lowest = np.inf
        for distance, direction in itertools.product(_DISTANCES, _DIRECTIONS):
            if distance >= lowest:
                break  # farther places only cost more
            box = _moved(sizes[row], points[row], distance * scene.scale, direction)
            cost = distance + _faults(box, points[row], others, scene)
            if cost < lowest:
                lowest, chosen[row] = cost, box
    return [chosen[row] for row in range(len(sizes))]


def _moved(box: Bbox, point: np.ndarray, distance: float, direction: tuple[float, float]) -> Bbox:
    """The box with its near side or corner at a distance from the point."""
    right, up = direction
    reach = distance / np.hypot(right, up)
    x0 = point[0] + right * reach + (right - 1) / 2 * box.width
    y0 = point[1] + up * reach + (up - 1) / 2 * box.height
    return Bbox.from_bounds(x0, y0, box.width, box.height)


def _faults(box: Bbox, point: np.ndarray, others: Sequence[Bbox], scene: _Scene) -> float:
    """How bad a place is: out of the axes, over labels, over points, or with a crossing leader."""
    padded, inside = box.padded(3), scene.inside
    outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    over = sum(padded.overlaps(other) for other in others)
    hits = _num_within(padded, scene.clear)
    on_markers = _num_within(box.padded(_MARKER_PIXELS), scene.markers)
    leader = _dense(_leader(box, point))
    away = np.linalg.norm(scene.markers - point, axis=1) > 1
    gaps = np.linalg.norm(scene.markers[away][:, None] - leader[None], axis=-1)
    crossed = int((gaps < _MARKER_PIXELS).any(axis=1).sum())
    crossed += sum(_num_within(other, leader) > 0 for other in others)
    return 1000.0 * (outside + over) + 40.0 * crossed + 150.0 * on_markers + 20.0 * hits


def _num_within(box: Bbox, points: np.ndarray) -> int:
    return int(((points > box.min) & (points < box.max)).all(axis=1).sum())


def _leader(box: Bbox, point: np.ndarray) -> Float[np.ndarray, "2 2"]:
    """From the point to the nearest place on the box."""
    return np.array([point, np.clip(point, box.min, box.max)])


def _dense(corners: np.ndarray) -> Float[np.ndarray, "points 2"]:
    """A polyline in pixels, with a point every few of them."""
    corners = np.asarray(corners, np.float64).reshape(-1, 2)
    pieces = [
        np.linspace(a, b, max(2, int(np.hypot(*(b - a)) / 4)))
        for a, b in itertools.pairwise(corners)
    ]
    return np.concatenate(pieces) if pieces else corners
