"""Permutation: which unit goes where in every group, and which units flip their sign."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Integer

from onebasin.symmetry.permutation_checks import (
    batch_of,
    check_pair,
    checked_signs,
    checked_units,
)
from onebasin.types import Array

_MANY_ENTRIES = 4096
"""With so many entries to move, draws are permuted one after the other."""


class Permutation(eqx.Module):
    r"""Which unit goes where in every group, and which units flip their sign.

    Unit $i$ of a permuted group is the old unit `units[group][i]`, multiplied by
    `signs[group][i]`. Groups and signs that are left out stay as they are. Leading axes are batch
    axes, the same for every entry: `permutation[3]` is the fourth of a batch. `p @ q` does `q`
    first and then `p`.

    A group that is nested in others, as the dimensions of a head are in their head, has an index
    array for each of the outer units, which come between the batch axes and its own. A group may
    have several signs. `symmetry.permutation(units, signs)` knows both and checks them.

    Args:
        units: For each group, indices of shape (*batch, units): each of 0 to units - 1 once.
        signs: For each group whose units flip, an array of 1 and -1 of shape (*batch, units).
        nested: For each nested group, the groups in which it is nested.
        sign_groups: The group of each sign that is not named as its group is.

    Raises:
        ValueError: If an entry is no permutation or no sign, or if batch axes differ. Values that
            JAX traces are not looked at.

    Examples:
        >>> rotation = ob.Permutation({"hidden": [1, 2, 0]})
        >>> (rotation @ rotation).units["hidden"]
        array([2, 0, 1])
        >>> rotation.inverse().units["hidden"]
        array([2, 0, 1])
        >>> int(rotation.num_transpositions()["hidden"])
        2
    """

    units: dict[str, Array]
    signs: dict[str, Array]
    _nested: tuple[tuple[str, tuple[str, ...]], ...] = eqx.field(static=True)
    _sign_groups: tuple[tuple[str, str], ...] = eqx.field(static=True)

    def __init__(
        self,
        units: Mapping[str, Any],
        signs: Mapping[str, Any] | None = None,
        *,
        nested: Mapping[str, Iterable[str]] | None = None,
        sign_groups: Mapping[str, str] | None = None,
    ):
        signs, sign_groups = signs or {}, sign_groups or {}
        self.units, self.signs = checked_units(units), checked_signs(signs)
        self._nested = _in_order({name: tuple(outer) for name, outer in (nested or {}).items()})
        self._sign_groups = _in_order({name: sign_groups.get(name, name) for name in signs})
        batch_of(self.units, self.signs, self.nested, self.sign_groups)

    @property
    def nested(self) -> dict[str, tuple[str, ...]]:
        """For each nested group, the groups in which it is nested."""
        return dict(self._nested)

    @property
    def sign_groups(self) -> dict[str, str]:
        """The group of each sign."""
        return dict(self._sign_groups)

    @property
    def batch(self) -> tuple[int, ...]:
        """The shape of the batch axes; () for a single permutation."""
        return batch_of(self.units, self.signs, self.nested, self.sign_groups)

    def __getitem__(self, index: Any) -> "Permutation":
        """One or some permutations of a batch; that which holds no group is the same for all.

        Raises:
            IndexError: If there are fewer batch axes than the index has.
        """
        batch = self.batch
        if not (self.units or self.signs):
            return self
        is_name = isinstance(index, str)
        if is_name or len(index if isinstance(index, tuple) else (index,)) > len(batch):
            raise IndexError(
                f"A permutation is indexed by its batch axes, of shape {batch}. Got {index!r}. "
                "Look a group up in .units or .signs."
            )
        return jax.tree.map(lambda entry: entry[index], self)

    def __matmul__(self, first: "Permutation") -> "Permutation":
        """The permutation that does `first` and then this one.

        `permute(x, s, p @ q) == permute(permute(x, s, q), s, p)`.

        Raises:
            ValueError: If the two differ in the shape, the nesting or the signs of a group.
        """
        check_pair(self, first)
        nested, groups = self.nested | first.nested, self.sign_groups | first.sign_groups
        units = _behind(first.units, self.units, nested)
        for group in self.units.keys() - first.units.keys():
            units[group] = np.asarray(self.units[group])
        signs = _behind(first.signs, self.units, nested, groups)
        for name, own in self.signs.items():
            signs[name] = np.asarray(own) * signs.get(name, np.int8(1))
        return joined_permutation(units, signs, nested, groups)

    def inverse(self) -> "Permutation":
        """The permutation that undoes this one: composed with it, nothing moves."""
        inverse = {group: np.argsort(np.asarray(p), axis=-1) for group, p in self.units.items()}
        nested = self.nested
        # Outer groups first: a nested group is undone at the places to which its outer units went.
        for group in sorted(inverse.keys() & nested.keys(), key=lambda group: len(nested[group])):
            outer = {name: p for name, p in inverse.items() if name in nested[group]}
            moved = _behind({group: self.units[group]}, outer, nested)[group]
            inverse[group] = np.argsort(moved, axis=-1)
        signs = _behind(self.signs, inverse, nested, self.sign_groups)
        return joined_permutation(inverse, signs, nested, self.sign_groups)

    def num_transpositions(self) -> dict[str, Int[np.ndarray, "*batch"]]:
        r"""The fewest swaps that make up each group's permutation, $\mathrm{NoT}(p) = n - c(p)$.

        $n$ is the number of units and $c$ the number of cycles; signs do not count. A nested group
        has a number for each of the outer units. Two unrelated networks already sit near
        `random_num_transpositions`: print that beside it.

        Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 3.
        """
        return {
            group: np.asarray(p.shape[-1] - _num_cycles(np.asarray(p)))
            for group, p in self.units.items()
        }


def joined_permutation(
    units: Mapping[str, Array],
    signs: Mapping[str, Array],
    nested: Mapping[str, tuple[str, ...]],
    sign_groups: Mapping[str, str],
) -> Permutation:
    """A permutation of entries that are known to be right: nothing is checked."""
    permutation = object.__new__(Permutation)
    held = {
        "units": dict(units),
        "signs": dict(signs),
        "_nested": _in_order(nested),
        "_sign_groups": _in_order({name: sign_groups[name] for name in signs}),
    }
    for name, value in held.items():
        object.__setattr__(permutation, name, value)
    return permutation


def _in_order(entries: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(entries.items()))


def move_array(
    array: Array,
    names: Sequence[Any],
    permutation: Permutation,
    num_batch_axes: int = 0,
    flips: Sequence[tuple[str, int]] = (),
) -> Array:
    """An array with its units permuted and then flipped.

    Args:
        array: Of shape (*batch, *axes).
        names: For each axis after the batch axes, the group that it lists, or None.
        permutation: Groups and signs that it does not hold stay as they are.
        num_batch_axes: How many axes of the array, and of the permutation, are batch axes.
        flips: The signs that the array takes, each with the axis that lists its units.
    """
    nested = permutation.nested
    array = _moved(array, names, permutation.units, nested, num_batch_axes)
    for name, axis in flips:
        if name in permutation.signs:
            axes = [*_outer_axes(nested, names, axis), axis]
            signs = _laid_out(permutation.signs[name], array, axes, num_batch_axes)
            signs = signs.astype(array.dtype)
            array = array * (np.asarray(signs) if isinstance(array, np.ndarray) else signs)
    return array


def _moved(
    array: Array,
    names: Sequence[Any],
    units: Mapping[str, Array],
    nested: Mapping[str, tuple[str, ...]],
    num_batch_axes: int,
) -> Array:
    """Outer groups are permuted first: indices of a nested group refer to the places after that."""
    moved = [axis for axis, name in enumerate(names) if name in units]
    for axis in sorted(moved, key=lambda axis: len(nested.get(names[axis], ()))):
        indices = units[names[axis]]
        around = _outer_axes(nested, names, axis)
        if around:
            xp: Any = np if isinstance(array, np.ndarray) else jnp
            indices = _laid_out(indices, array, [*around, axis], num_batch_axes)
            array = xp.take_along_axis(array, indices, axis=num_batch_axes + axis)
        else:
            array = take_units(array, indices, axis + num_batch_axes)
    return array


def _outer_axes(
    nested: Mapping[str, tuple[str, ...]], names: Sequence[Any], axis: int
) -> list[int]:
    """The axes that list the units in which those of an axis are nested."""
    return [list(names).index(outer) for outer in nested.get(names[axis], ())]


def _laid_out(entries: Array, array: Array, axes: Sequence[int], num_batch_axes: int) -> Array:
    """Entries for some axes of an array, in their order, in a shape that broadcasts to it."""
    shape = list(entries.shape[:num_batch_axes]) + [1] * (array.ndim - num_batch_axes)
    # From the order of the outer groups' names to the order of their axes.
    entries = entries.transpose(*range(num_batch_axes), *(num_batch_axes + np.argsort(axes)))
    for axis in axes:
        shape[num_batch_axes + axis] = array.shape[num_batch_axes + axis]
    return entries.reshape(shape)


def take_units(array: Array, units: Integer[Array, "*batch units"], axis: int) -> Array:
    """Entries `units` along an axis of an array that leads with the batch axes of `units`."""
    num_batch_axes = units.ndim - 1
    xp: Any = np if isinstance(array, np.ndarray) else jnp
    if num_batch_axes == 0:
        return xp.take(array, units, axis=axis)
    if isinstance(array, np.ndarray) and math.prod(array.shape[num_batch_axes:]) >= _MANY_ENTRIES:
        taken = np.empty(array.shape, array.dtype)
        for at in np.ndindex(units.shape[:-1]):
            # The mode saves a copy; units are known to be in range.
            np.take(array[at], units[at], axis - num_batch_axes, out=taken[at], mode="wrap")
        return taken
    # Whole rows behind the unit axis are copied at once: far faster than entry by entry.
    rows = xp.moveaxis(array, axis, num_batch_axes)
    batch = np.indices((*units.shape[:-1], 1), sparse=True)[:-1]
    return xp.moveaxis(rows[(*batch, units)], num_batch_axes, axis)


def _behind(
    entries: Mapping[str, Array],
    units: Mapping[str, Array],
    nested: Mapping[str, tuple[str, ...]],
    sign_groups: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """Entries of groups, or signs, at the places to which `units` moves their units."""
    moved: dict[str, Array] = {}
    for name, entry in entries.items():
        group = name if sign_groups is None else sign_groups[name]
        outer = nested.get(group, ())
        num_batch_axes = np.ndim(entry) - 1 - len(outer)
        moves = {name: units[name] for name in (*outer, group) if name in units}
        moved[name] = _moved(np.asarray(entry), (*outer, group), moves, nested, num_batch_axes)
    return moved


def _num_cycles(permutation: Integer[np.ndarray, "*batch units"]) -> Int[np.ndarray, "*batch"]:
    # Pointer doubling: after k rounds a unit knows the smallest of the next 2^k on its cycle,
    # so units that find themselves smallest are one to a cycle.
    units = np.broadcast_to(np.arange(permutation.shape[-1]), permutation.shape)
    smallest, jump = units, permutation
    for _ in range(int(permutation.shape[-1]).bit_length()):
        smallest = np.minimum(smallest, np.take_along_axis(smallest, jump, axis=-1))
        jump = np.take_along_axis(jump, jump, axis=-1)
    return np.asarray(np.sum(smallest == units, axis=-1))
