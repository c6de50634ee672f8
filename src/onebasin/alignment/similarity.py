"""Similarities of the units of some draws with those of a target, kept while other groups move.

An array is never permuted: the rows of the target are gathered instead, to where the draw has
them, and the product reads the draw as it is stored. When units of other groups trade places, only
the rows that they touch are multiplied again.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._scratch import Scratch
from onebasin.alignment.goal import Goal, Side
from onebasin.alignment.matching import Features
from onebasin.symmetry.permutation import Permutation, joined_permutation, move_array

Parts = dict[tuple[str, ...], np.ndarray]
"""Similarities (draw, *around, units of the target, units of the draw) by the signs they take."""


_scratch = Scratch()

_SUMMED_AT_ONCE = 16384
"""How many products are summed in the precision of the draws."""

_WORTH_KEEPING = 128
"""Similarities of fewer units take less time to compute again than to keep."""

_FEW_WEIGHTS = 64
"""So many weights of a unit in an array are few."""


class _Rows(NamedTuple):
    """For every row of a draw's matrix the row of the target that it meets, and its sign."""

    numbers: Int[np.ndarray, "draw weights"]
    signs: Int[np.ndarray, "draw weights"] | None

    def taken(self, draws: Any) -> "_Rows":
        """The rows of some draws."""
        return _Rows(self.numbers[draws], None if self.signs is None else self.signs[draws])


class Draws:
    """Draws that are matched to a goal: their features, and how similar their units are to it.

    Args:
        goal: What the draws are compared with.
        features: Features of the draws, which lead with a draw axis.
    """

    def __init__(self, goal: Goal, features: Features):
        pieces = _trees.named_leaves(goal.symmetry.unfold(features, 1))
        self._begin(goal, {name: np.asarray(leaf) for name, leaf in pieces.items()})

    def _begin(self, goal: Goal, leaves: dict[str, np.ndarray]) -> None:
        self.goal, self.symmetry, self.leaves = goal, goal.symmetry, leaves
        self.num_draws = len(next(iter(self.leaves.values())))
        self._matrices: dict[Side, np.ndarray] = {}
        self._norms: dict[str, np.ndarray] = {}
        self._kept: dict[str, Parts] = {}
        self._rows: dict[Side, _Rows | None] = {}
        self._free_bytes = sum(leaf.nbytes for leaf in self.leaves.values())

    def taken(self, rows: Int[np.ndarray, " rows"]) -> "Draws":
        """Some of the draws by themselves."""
        taken = object.__new__(Draws)
        taken._begin(self.goal, self.some(rows))
        return taken

    def some(self, rows: Int[np.ndarray, " rows"]) -> dict[str, np.ndarray]:
        """The features of some draws by name."""
        if len(rows) == self.num_draws:
            return self.leaves
        return {name: leaf[rows] for name, leaf in self.leaves.items()}

    def objective(self, permutation: Permutation) -> Float[np.ndarray, " draw"]:
        """The inner product of the target with each draw's permuted features."""
        moving = _moving(permutation)
        total = np.zeros(self.num_draws)
        for name, leaf in self.leaves.items():
            names, flips = self.symmetry.leaves[name].names, self.symmetry.flips(name)
            moved = np.asarray(move_array(leaf, names, moving, 1, flips))
            total += _inner_products(moved, self.goal.targets[name])
        return total

    def unmoved_objective(self, group: str) -> Float[np.ndarray, " draw"]:
        """What a permutation of the only group leaves alone of the objective.

        That is what arrays without units add, and what all units have in common.
        """
        sides = self.goal.sides[group]
        total = np.zeros(self.num_draws)
        for name in self.leaves.keys() - {side.leaf for side in sides}:
            total += _inner_products(self.leaves[name], self.goal.targets[name])
        for side in sides:
            if not side.own:
                units = self.matrix(side)
                ones = np.ones(units.shape[-1], units.dtype)
                with np.errstate(
                    invalid="ignore"
                ):  # BLAS raises it now and then for finite numbers
                    total += (units @ ones) @ self.goal.shared(side)
        return total

    def similarities(
        self,
        group: str,
        current: Permutation,
        draws: Int[np.ndarray, " rows"],
        names: Sequence[str] | None = None,
    ) -> Parts:
        """The similarities of a group for some draws, of which `current` has the permutations.

        `names` are the arrays that count; by default all do.
        """
        sides = self.goal.sides[group]
        if names is not None:
            sides = [side for side in sides if side.leaf in names]
            return self._all(sides, current, draws, is_passing=True)
        if group in self._kept:
            self._refresh(group, current, draws)
        elif not self._may_keep(group, draws):
            return self._all(sides, current, draws, is_passing=True)
        else:
            self._kept[group] = self._all(sides, current, draws, is_passing=False)
            self._rows |= {side: self._rows_of(side, current) for side in sides}
        kept = self._kept[group]
        return kept if len(draws) == self.num_draws else {own: s[draws] for own, s in kept.items()}

    def _may_keep(self, group: str, draws: Int[np.ndarray, " rows"]) -> bool:
        """Whether similarities of all draws may stay in memory, for groups that others concern."""
        goal = self.goal
        num_parts = len({side.own for side in goal.sides[group]})
        size = 4 * num_parts * self.num_draws * goal.symmetry.sizes[group] ** 2
        depends = any(group in of for of in goal.concerns.values())
        is_nested = group in goal.symmetry.nested
        is_small = goal.symmetry.sizes[group] < _WORTH_KEEPING
        if is_small or is_nested or not depends:
            return False
        if len(draws) < self.num_draws or size > self._free_bytes:
            return False
        self._free_bytes -= size
        return True

    def _all(
        self,
        sides: Sequence[Side],
        current: Permutation,
        draws: Int[np.ndarray, " rows"],
        is_passing: bool,
    ) -> Parts:
        """Similarities by some arrays; passing ones are gone when the next are computed."""
        parts: Parts = {}
        for some in _in_few_products(sides, self._shape):
            rows = [self._rows_of(side, current) for side in some]
            first = some[0]
            is_added = first.own in parts
            name = "added" if is_added else "/".join(("parts", *first.own)) * is_passing
            product = self._product(some, rows, draws, name)
            if first.num_around:
                names = (*first.names[: first.num_around], None, None)
                product = np.asarray(move_array(product, names, current, 1))
            if is_added:
                parts[first.own] += product
            else:
                parts[first.own] = product
        return parts

    def _product(
        self,
        sides: Sequence[Side],
        rows: Sequence[_Rows | None],
        draws: Int[np.ndarray, " rows"],
        name: str,
    ) -> Float[np.ndarray, "draw *around units units"]:
        """The similarities by some arrays, whose weights are those of one wide matrix.

        They lie in the scratch memory of this name, or in their own if it is empty.
        """
        pairs = [self._pair(side, met, draws) for side, met in zip(sides, rows, strict=True)]
        columns, units = pairs[0]
        if len(pairs) > 1:
            wide = [np.broadcast_to(one, (len(units), *one.shape[-2:])) for one, _ in pairs]
            columns = np.concatenate(wide, axis=-2)
            units = np.concatenate([one for _, one in pairs], axis=-2)
        num_units = units.shape[-1]
        shape = (*units.shape[:-2], num_units, num_units)
        out = _scratch.array(name, shape, units.dtype) if name else np.empty(shape, units.dtype)
        return np.matmul(np.swapaxes(columns, -1, -2), units, out=out)

    def _pair(
        self, side: Side, rows: _Rows | None, draws: Int[np.ndarray, " rows"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The target, its rows where the draws have them, and the draws as one side sees both."""
        units = self.matrix(side)
        units = units if len(draws) == self.num_draws else units[draws]
        columns = self.goal.columns(side, units.dtype)
        if rows is not None:
            flat = columns.reshape(-1, columns.shape[-1])
            columns = _gathered(flat, rows).reshape(len(units), *columns.shape)
        return columns, units

    def _refresh(self, group: str, current: Permutation, draws: Int[np.ndarray, " rows"]) -> None:
        """Add to kept similarities what has changed since they were computed."""
        for side in self.goal.sides[group]:
            before, after = self._rows[side], self._rows_of(side, current)
            if before is None or after is None:
                continue
            matrix, kept = self.matrix(side), self._kept[group][side.own]
            columns = self.goal.columns(side, matrix.dtype)
            changed = before.numbers[draws] != after.numbers
            if before.signs is not None and after.signs is not None:
                changed |= before.signs[draws] != after.signs
            for place, draw in enumerate(draws):
                touched = np.flatnonzero(changed[place])
                if len(touched):
                    new = _gathered(columns, after.taken((place, touched)))
                    new -= _gathered(columns, before.taken((draw, touched)))
                    kept[draw] += new.T @ matrix[draw][touched]
            before.numbers[draws] = after.numbers
            if before.signs is not None and after.signs is not None:
                before.signs[draws] = after.signs

    def matrix(self, side: Side) -> Float[np.ndarray, "draw *around weights units"]:
        """The draws as a side sees them."""
        if side not in self._matrices:
            self._matrices[side] = side.matrix(self.leaves[side.leaf], 1)
        return self._matrices[side]

    def norms(self, name: str) -> Float[np.ndarray, " draw"]:
        """The norm of an array of each draw."""
        if name not in self._norms:
            flat = as_stored(self.leaves[name])
            self._norms[name] = np.sqrt(np.vecdot(flat, flat), dtype=np.float64)
        return self._norms[name]

    def aligned_target(
        self, side: Side, current: Permutation, units: Int[np.ndarray, " some"]
    ) -> Float[np.ndarray, "weights some"]:
        """Some units of the target, their rows where one draw has them, in float64."""
        some = np.asarray(self.goal.targets[side.leaf].take(units, side.axis), np.float64)
        columns = side.matrix(some)
        one = joined_permutation(
            {group: np.asarray(p)[None] for group, p in current.units.items()},
            {name: np.asarray(s)[None] for name, s in current.signs.items()},
            current.nested,
            current.sign_groups,
        )
        rows = self._rows_of(side, one)
        return columns if rows is None else _gathered(columns, rows)[0]

    def _rows_of(self, side: Side, current: Permutation) -> _Rows | None:
        """The rows of the target that meet those of each draw; None if it is always the same."""
        moving = {name for name in side.names if name in current.units}
        flips = [(name, axis) for name, axis in side.flips if name in current.signs]
        if not moving and not flips:
            return None
        back = _inverse(current, moving, [name for name, _ in flips])
        shape = self._shape(side)
        batch = len(next(iter((*back.units.values(), *back.signs.values()))))
        numbers = np.arange(math.prod(shape)).reshape(shape)
        numbers = np.broadcast_to(numbers, (batch, *shape))
        numbers = np.array(move_array(numbers, side.names, back, 1)).reshape(batch, -1)
        if not flips:
            return _Rows(numbers, None)
        ones = np.ones((batch, *shape), np.int8)
        signs = np.asarray(move_array(ones, side.names, back, 1, flips))
        return _Rows(numbers, signs.reshape(batch, -1))

    def _shape(self, side: Side) -> tuple[int, ...]:
        shape = self.goal.targets[side.leaf].shape
        return tuple(shape[axis] for axis in side.order[:-1])


def as_stored(
    draws: Float[np.ndarray, "draw *shape"],
) -> Float[np.ndarray, "draw weights"]:
    """The entries of each draw in the order in which they lie in memory: a view, if possible."""
    order = stored_order(draws)
    return draws.transpose(0, *order).reshape(len(draws), -1)


def stored_order(draws: Float[np.ndarray, "draw *shape"]) -> list[int]:
    """The axes after the first by how far apart their entries lie in memory, the farthest first."""
    return sorted(range(1, draws.ndim), key=lambda axis: -abs(draws.strides[axis]))


def _in_few_products(
    sides: Sequence[Side], shape: Callable[[Side], tuple[int, ...]]
) -> list[list[Side]]:
    """Sides with few weights are multiplied together: a product costs a sum over pairs of units."""
    few: dict[tuple[str, ...], list[Side]] = {}
    products: list[list[Side]] = []
    for side in sides:
        if side.num_around or math.prod(shape(side)) > _FEW_WEIGHTS:
            products.append([side])
        else:
            few.setdefault(side.own, []).append(side)
    return [*products, *few.values()]


def _gathered(
    columns: Float[np.ndarray, "weights units"], rows: _Rows
) -> Float[np.ndarray, "*draw some units"]:
    """Rows of a target, times their signs."""
    found = columns.take(rows.numbers, axis=0)
    if rows.signs is not None:
        found *= rows.signs[..., None]
    return found


def _inverse(current: Permutation, groups: set[str], signs: Sequence[str]) -> Permutation:
    """What undoes the permutations of some groups and signs."""
    nested = current.nested
    whole = groups | {current.sign_groups[name] for name in signs}
    whole |= {parent for group in whole for parent in nested.get(group, ())}
    part = joined_permutation(
        {group: current.units[group] for group in whole if group in current.units},
        {name: current.signs[name] for name in signs},
        nested,
        current.sign_groups,
    )
    return part.inverse()


def _moving(permutation: Permutation) -> Permutation:
    """The groups and signs that move something in some draw."""
    stays = lambda p: (p == np.arange(p.shape[-1])).all()
    units = {group: p for group, p in permutation.units.items() if not stays(p)}
    signs = {name: s for name, s in permutation.signs.items() if (np.asarray(s) != 1).any()}
    return joined_permutation(units, signs, permutation.nested, permutation.sign_groups)


def _inner_products(
    draws: Float[np.ndarray, "draw *shape"], target: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, " draw"]:
    """The inner product of an array of each draw with a target, its parts summed in float64."""
    flat = as_stored(draws)
    order = [axis - 1 for axis in stored_order(draws)]
    one = np.asarray(target, draws.dtype).transpose(order).reshape(-1)
    total = np.zeros(len(draws))
    for first in range(0, len(one), _SUMMED_AT_ONCE):
        part = slice(first, first + _SUMMED_AT_ONCE)
        total += np.vecdot(flat[:, part], one[part])
    return total
