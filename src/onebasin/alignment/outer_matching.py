r"""Matching a group in whose units others are nested, such as heads with their dimensions.

How similar two heads are depends on how their dimensions are matched, so that is solved for
every pair of heads: an assignment of assignments. It is exact where each array that lists the
group lists at most one group nested in it; groups nested any deeper move along as they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from onebasin._types import Permutation
from onebasin.alignment.assignment import assign
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import permute_leaf


def match_outer(
    symmetry: Symmetry,
    group: str,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    current: Permutation,
) -> Permutation:
    """Permutations of a group and of those nested in it, from the current ones, for every draw."""
    inner: dict[str, np.ndarray] = {}
    similarity: np.ndarray | float = 0.0
    for name, leaf in leaves.items():
        names = symmetry.leaves[name].names
        if group not in names:
            continue
        moved = np.asarray(permute_leaf(symmetry, leaf, names, current, 1))
        child = _alone(symmetry, group, names)
        if child is None:
            axes = [names.index(one) for one in (*symmetry.nested.get(group, ()), group)]
            one, other = to_front(targets[name], axes, 0), to_front(moved, axes, 1)
            similarity = similarity + one[None] @ np.swapaxes(other, -1, -2)
        else:
            axes = [names.index(group), names.index(child)]
            one, other = to_front(targets[name], axes, 0), to_front(moved, axes, 1)
            products = np.einsum("ixr,njyr->nijxy", one, other, optimize=True)
            inner[child] = inner.get(child, 0.0) + products
    best = {child: _inner_matches(products) for child, products in inner.items()}
    for _, gains in best.values():
        similarity = similarity + gains
    whole = np.asarray(similarity)
    chosen = assign(whole.reshape(-1, *whole.shape[-2:])).reshape(whole.shape[:-1])
    matched = {child: units for child, (units, _) in best.items()}
    return _moved(symmetry, group, matched, chosen, current)


def _alone(symmetry: Symmetry, group: str, names: Sequence[Any]) -> str | None:
    """The one group of an array that is nested in this one and in nothing else."""
    within = [name for name in names if name and group in symmetry.nested.get(name, ())]
    if len(within) != 1 or names.count(group) != 1 or group in symmetry.nested:
        return None
    return within[0] if symmetry.nested[within[0]] == (group,) else None


def to_front(leaf: np.ndarray, axes: list[int], num_batch_axes: int) -> np.ndarray:
    """Some axes first, behind batch axes, and all others flat behind them."""
    count = num_batch_axes + len(axes)
    moved = np.moveaxis(leaf, [a + num_batch_axes for a in axes], range(num_batch_axes, count))
    return moved.reshape(*moved.shape[:count], -1)


def _inner_matches(
    products: Float[np.ndarray, "draw units units inner inner"],
) -> tuple[Int[np.ndarray, "draw units units inner"], Float[np.ndarray, "draw units units"]]:
    """The best match of nested units inside of every pair of outer ones, and what it is worth."""
    flat = products.reshape(-1, *products.shape[-2:])
    units = assign(flat)
    gains = np.take_along_axis(flat, units[..., None], axis=-1).sum(axis=(-2, -1))
    return units.reshape(products.shape[:-1]), gains.reshape(products.shape[:-2])


def _moved(
    symmetry: Symmetry,
    group: str,
    matched: dict[str, Int[np.ndarray, "draw units units inner"]],
    chosen: Int[np.ndarray, "draw *around units"],
    current: Permutation,
) -> Permutation:
    """The current permutations followed by those that were found."""
    found = {group: np.take_along_axis(np.asarray(current[group]), chosen, axis=-1)}
    for child, parents in symmetry.nested.items():
        if group not in parents:
            continue
        units = np.asarray(current[child])
        units = np.asarray(permute_leaf(symmetry, units, (*parents, None), {group: chosen}, 1))
        if child in matched:
            pairs = np.take_along_axis(matched[child], chosen[:, :, None, None], axis=2)[:, :, 0]
            units = np.take_along_axis(units, pairs, axis=-1)
        found[child] = units
    return found
