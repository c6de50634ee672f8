r"""Matching a group in whose units others are nested, such as heads with their dimensions.

How similar two heads are depends on how their dimensions are matched, so that is solved for
every pair of heads: an assignment of assignments. It is exact where each array that lists the
group lists at most one group nested in it; groups nested any deeper move along as they are.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from onebasin.alignment.assignment import assign
from onebasin.alignment.sign_matching import Signed, best_signs
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, move_array
from onebasin.types import Array


def match_outer(
    symmetry: Symmetry,
    group: str,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    current: Permutation,
) -> Permutation:
    """Permutations of a group and of those nested in it, from the current ones, for every draw."""
    inner: dict[str, dict[tuple[str, ...], np.ndarray]] = {}
    similarity: np.ndarray | float = 0.0
    for name, leaf in leaves.items():
        names, flips = symmetry.leaves[name].names, symmetry.flips(name)
        if group not in names:
            continue
        moved = np.asarray(move_array(leaf, names, current, 1, flips))
        child = _alone(symmetry, group, names)
        if child is None:
            axes = [names.index(one) for one in (*symmetry.nested.get(group, ()), group)]
            one, other = _pair(targets[name], moved, axes)
            similarity = similarity + one[None] @ np.swapaxes(other, -1, -2)
        else:
            axes = [names.index(group), names.index(child)]
            one, other = _pair(targets[name], moved, axes)
            products = np.einsum("ixr,njyr->nijxy", one, other, optimize=True)
            own = tuple(sign for sign, axis in flips if axis == axes[1])
            parts = inner.setdefault(child, {})
            parts[own] = parts.get(own, 0.0) + products
    best = {child: _inner_matches(best_signs(parts)) for child, parts in inner.items()}
    for one in best.values():
        similarity = similarity + one.gains
    whole = np.asarray(similarity)
    chosen = assign(whole.reshape(-1, *whole.shape[-2:])).reshape(whole.shape[:-1])
    return _moved(symmetry, group, best, chosen, current)


class _Inner(NamedTuple):
    """The best match of nested units inside of every pair of outer ones, and what it is worth."""

    units: Int[np.ndarray, "draw units units inner"]
    signs: dict[str, Int[np.ndarray, "draw units units inner"]]
    gains: Float[np.ndarray, "draw units units"]


def _alone(symmetry: Symmetry, group: str, names: Sequence[Any]) -> str | None:
    """The one group of an array that is nested in this one and in nothing else."""
    within = [name for name in names if name and group in symmetry.nested.get(name, ())]
    if len(within) != 1 or names.count(group) != 1 or group in symmetry.nested:
        return None
    return within[0] if symmetry.nested[within[0]] == (group,) else None


def _pair(target: np.ndarray, draws: np.ndarray, axes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Target and draws in one precision, some axes in front and all others flattened."""
    return to_front(target.astype(draws.dtype, copy=False), axes, 0), to_front(draws, axes, 1)


def to_front(leaf: np.ndarray, axes: list[int], num_batch_axes: int) -> np.ndarray:
    """The array with some axes directly after the batch axes, and all others flattened to one."""
    count = num_batch_axes + len(axes)
    moved = np.moveaxis(leaf, [a + num_batch_axes for a in axes], range(num_batch_axes, count))
    return moved.reshape(*moved.shape[:count], -1)


def _inner_matches(signed: Signed) -> _Inner:
    """Nested units matched inside of every pair of outer ones."""
    flat = signed.similarity.reshape(-1, *signed.similarity.shape[-2:])
    found = assign(flat)
    gains = np.take_along_axis(flat, found[..., None], axis=-1).sum(axis=(-2, -1))
    units = found.reshape(signed.similarity.shape[:-1])
    return _Inner(units, signed.at(units), gains.reshape(units.shape[:-1]))


def _moved(
    symmetry: Symmetry,
    group: str,
    best: dict[str, _Inner],
    chosen: Int[np.ndarray, "draw *around units"],
    current: Permutation,
) -> Permutation:
    """The current permutations of a group and its nested ones, followed by those proposed."""
    outer = symmetry.joined({group: chosen}, {})

    def followed(entry: Array, of: str) -> np.ndarray | None:
        """An entry of one group behind its proposed permutation; None if it stays as it is."""
        parents = symmetry.nested.get(of, ())
        if of == group:
            return np.take_along_axis(np.asarray(entry), chosen, axis=-1)
        if group not in parents:
            return None
        moved = np.asarray(move_array(np.asarray(entry), (*parents, None), outer, 1))
        if of not in best:
            return moved
        return np.take_along_axis(moved, _of_pairs(best[of].units, chosen), axis=-1)

    units = {name: followed(entry, name) for name, entry in current.units.items()}
    signs = {
        name: followed(entry, symmetry.signs[name].group) for name, entry in current.signs.items()
    }
    for inner in best.values():
        for name, pairs in inner.signs.items():
            signs[name] = np.asarray(signs[name]) * _of_pairs(pairs, chosen)
    return symmetry.joined(
        {name: entry for name, entry in units.items() if entry is not None},
        {name: entry for name, entry in signs.items() if entry is not None},
    )


def _of_pairs(
    every: Int[Array, "draw units units inner"], chosen: Int[np.ndarray, "draw units"]
) -> Int[np.ndarray, "draw units inner"]:
    """What was found for the pairs of outer units that were chosen."""
    return np.take_along_axis(np.asarray(every), chosen[:, :, None, None], axis=2)[:, :, 0]
