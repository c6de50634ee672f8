"""Goal: the target of a matching, laid out so that units are compared by matrix products.

An array lists the units of a group on one of its axes. Seen from there, which is a `Side`, the
array is a matrix: a column for each unit and a row for each weight. Similarities are products of
the target's columns with those of a draw.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.types import Params

_MOST_KEPT_BYTES = 2**26
"""Of a target that takes more, matrices of columns are made anew each time: they take as much."""


class Side(NamedTuple):
    """An array as one of its axes sees it.

    Args:
        leaf: The name of the array.
        axis: The axis that lists the units of the group.
        group: The group.
        order: The axes of the groups in whose units the group is nested, all others, and `axis`.
        names: The group of each axis in this order, except of the last; None if it never moves.
        num_around: How many of them are of groups in which the group is nested.
        flips: The signs of the array that belong to these axes, each with the place of its axis.
        own: The signs of the array that belong to the units themselves.
    """

    leaf: str
    axis: int
    group: str
    order: tuple[int, ...]
    names: tuple[str | None, ...]
    num_around: int
    flips: tuple[tuple[str, int], ...]
    own: tuple[str, ...]

    def matrix(
        self, leaf: Float[np.ndarray, "*shape"], num_batch_axes: int = 0
    ) -> Float[np.ndarray, "*batch_and_around weights units"]:
        """The array as matrices with a column for each unit: a view, if its layout permits it."""
        batch = range(num_batch_axes)
        first = [*batch, *(num_batch_axes + axis for axis in (*self.around, self.axis))]
        if first == [*range(len(first))]:
            # The units' axis comes first: the transpose of a matrix with a row for each.
            return np.swapaxes(leaf.reshape(*leaf.shape[: len(first)], -1), -1, -2)
        moved = leaf.transpose(*batch, *(num_batch_axes + axis for axis in self.order))
        num_lead = num_batch_axes + self.num_around
        return moved.reshape(*moved.shape[:num_lead], -1, moved.shape[-1])

    @property
    def around(self) -> tuple[int, ...]:
        """The axes of the groups in whose units the group is nested."""
        return self.order[: self.num_around]


class Goal:
    """A target that draws are matched to, and the symmetry of its features.

    Args:
        symmetry: Which axes of the features list which units.
        target: Features, of which the draws' permuted ones have the largest inner product.
    """

    def __init__(self, symmetry: Symmetry, target: Params):
        self.symmetry = symmetry
        self.targets: dict[str, np.ndarray] = {
            name: np.asarray(leaf)
            for name, leaf in _trees.named_leaves(symmetry.unfold(target)).items()
        }
        self._shared: dict[Side, np.ndarray] = {}
        self._columns: dict[tuple[Side, np.dtype], np.ndarray] = {}
        total = sum(leaf.nbytes for leaf in self.targets.values())
        self._keeps_columns = total < _MOST_KEPT_BYTES

    @cached_property
    def sides(self) -> dict[str, list[Side]]:
        """What matching each group looks at."""
        return {
            group: [_side(self.symmetry, place) for place in self.symmetry.places(group)]
            for group in self.symmetry.sizes
        }

    @cached_property
    def is_outer(self) -> dict[str, bool]:
        """Whether others are nested in the units of a group."""
        inside = {parent for parents in self.symmetry.nested.values() for parent in parents}
        return {group: group in inside for group in self.symmetry.sizes}

    @cached_property
    def is_linear(self) -> dict[str, bool]:
        """Whether similarities say what a permutation of a group gains.

        They do not where an array lists the group twice, nor of groups in others or with others.
        """
        return {
            group: not self.is_outer[group]
            and group not in self.symmetry.nested
            and all(side.group not in side.names for side in sides)
            for group, sides in self.sides.items()
        }

    @cached_property
    def is_exact(self) -> bool:
        """Whether one pass finds the optimum: one group, one sign, no array lists units twice."""
        return (
            len(self.symmetry.sizes) <= 1
            and len(self.symmetry.signs) <= 1
            and all(self.is_linear.values())
        )

    @cached_property
    def concerns(self) -> dict[str, list[str]]:
        """The groups whose best permutation depends on a group."""
        seen = {
            group: {name for side in sides for name in side.names}
            for group, sides in self.sides.items()
        }
        return {group: [one for one in seen if group in seen[one]] for group in seen}

    @cached_property
    def norms(self) -> dict[str, float]:
        """The norm of the target of every array."""
        return {name: float(np.linalg.norm(leaf)) for name, leaf in self.targets.items()}

    def shared(self, side: Side) -> Float[np.ndarray, "*around weights"]:
        """The mean over the units of what the target has of each weight, in its precision."""
        if side not in self._shared:
            matrix = side.matrix(self.targets[side.leaf])
            self._shared[side] = np.asarray(matrix.mean(axis=-1, dtype=np.float64), matrix.dtype)
        return self._shared[side]

    def columns(self, side: Side, dtype: np.dtype) -> Float[np.ndarray, "*around weights units"]:
        """The target's matrices, less what all units share.

        That adds the same to every permutation, and would cost digits; but not where units flip.
        """
        kept = self._columns.get((side, dtype))
        if kept is not None:
            return kept
        columns = side.matrix(self.targets[side.leaf])
        if not side.own:
            columns = columns - self.shared(side)[..., None]
        if any(name is not None for name in side.names):
            columns = np.ascontiguousarray(columns, dtype)  # whose rows are gathered
        else:
            rows = np.swapaxes(columns, -1, -2)
            columns = np.swapaxes(np.ascontiguousarray(rows, dtype), -1, -2)
        if self._keeps_columns:
            self._columns[side, dtype] = columns
        return columns


def _side(symmetry: Symmetry, place: Place) -> Side:
    listed = symmetry.leaves[place.leaf].names
    names = [None if name is None else str(name) for name in listed]
    group = str(names[place.axis])
    around = [names.index(parent) for parent in symmetry.nested.get(group, ())]
    others = [axis for axis in range(len(names)) if axis not in (*around, place.axis)]
    order: Sequence[int] = [*around, *others, place.axis]
    flips = symmetry.flips(place.leaf)
    return Side(
        place.leaf,
        place.axis,
        group,
        tuple(order),
        tuple(names[axis] for axis in order[:-1]),
        len(around),
        tuple((name, order.index(axis)) for name, axis in flips if axis != place.axis),
        tuple(name for name, axis in flips if axis == place.axis),
    )
