"""Permutations of hidden units: apply, compose, invert, count transpositions.

A permutation is a dict with an index array for each group; leading batch axes are allowed
everywhere. Which axes a group touches is said by a `Symmetry`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from onebasin import _trees
from onebasin._types import Array, Params, Permutation
from onebasin.symmetry.axes import Symmetry


def permute(symmetry: Symmetry, permutation: Permutation, params: Params) -> Params:
    r"""Params whose unit $i$ of each group is the old unit `permutation[group][i]`.

    Batch axes that lead the permutation lead every leaf as well. NumPy leaves stay on the
    host. For one hidden layer: $W_1[p, :],\ b_1[p],\ W_2[:, p]$.

    Raises: ValueError where params do not fit the symmetry.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 2.
    """
    if not symmetry.sizes:
        return params
    group, some = next(iter(permutation.items()))
    num_batch_axes = np.ndim(some) - 1 - len(symmetry.nested.get(group, ()))
    symmetry.check(params, num_batch_axes)
    axes = symmetry.leaves
    pieces = symmetry.unfold(params, num_batch_axes)
    leaves = {
        name: permute_leaf(symmetry, leaf, axes[name].names, permutation, num_batch_axes)
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    return symmetry.fold(_trees.rebuild(leaves, pieces), params, num_batch_axes)


def permute_leaf(
    symmetry: Symmetry,
    leaf: Array,
    names: Sequence[Any],
    permutation: Permutation,
    num_batch_axes: int,
) -> Array:
    """An array whose axes list groups, by name, permuted behind batch axes.

    Outer groups move first: a nested one is told what to do at the new places of these. Names
    that the permutation does not hold stay.
    """
    moved = [axis for axis, name in enumerate(names) if name in permutation]
    for axis in sorted(moved, key=lambda axis: len(symmetry.nested.get(names[axis], ()))):
        units = permutation[names[axis]]
        parents = symmetry.nested.get(names[axis], ())
        if parents:
            around = [list(names).index(parent) for parent in parents]
            leaf = _take_nested(leaf, units, axis, around, num_batch_axes)
        else:
            leaf = take_units(leaf, units, axis + num_batch_axes)
    return leaf


def _take_nested(
    leaf: Array, units: Array, axis: int, around: Sequence[int], num_batch_axes: int
) -> Array:
    """Entries along an axis, others for each entry of the axes `around`."""
    own = leaf.ndim - num_batch_axes
    shape = list(units.shape[:num_batch_axes]) + [1] * own
    # From the order of the parents' names to the order of their axes.
    order = np.argsort([*around, axis])
    units = units.transpose(*range(num_batch_axes), *(num_batch_axes + order))
    for place in (*around, axis):
        shape[num_batch_axes + place] = leaf.shape[num_batch_axes + place]
    xp: Any = np if isinstance(leaf, np.ndarray) else jnp
    return xp.take_along_axis(leaf, units.reshape(shape), axis=num_batch_axes + axis)


def take_units(leaf: Array, units: Int[Array, "*batch units"], axis: int) -> Array:
    """Entries `units` along `axis` of a leaf, whose leading axes are the batch axes of `units`."""
    num_batch_axes = units.ndim - 1
    xp: Any = np if isinstance(leaf, np.ndarray) else jnp
    if num_batch_axes == 0:
        return xp.take(leaf, units, axis=axis)
    # Whole rows behind the unit axis are copied at once: far faster than entry by entry.
    rows = xp.moveaxis(leaf, axis, num_batch_axes)
    batch = np.indices((*units.shape[:-1], 1), sparse=True)[:-1]
    return xp.moveaxis(rows[(*batch, units)], num_batch_axes, axis)


def compose(
    second: Permutation, first: Permutation, symmetry: Symmetry | None = None
) -> Permutation:
    """The permutation that does `first` and then `second`.

    `permute(s, compose(p, q), x) == permute(s, p, permute(s, q, x))`. Nested groups need the
    symmetry that nests them.
    """
    first = _at_new_places(first, second, symmetry)
    return {
        group: np.take_along_axis(np.asarray(first[group]), np.asarray(second[group]), axis=-1)
        for group in first
    }


def invert(permutation: Permutation, symmetry: Symmetry | None = None) -> Permutation:
    """The permutation that undoes another: composed with it, nothing moves.

    Nested groups need the symmetry that nests them.
    """
    inverse = {group: np.argsort(np.asarray(p), axis=-1) for group, p in permutation.items()}
    if symmetry is None:
        return inverse
    # Outer groups first: where their units have gone is where a nested group is undone.
    for group in sorted(symmetry.nested, key=lambda group: len(symmetry.nested[group])):
        moved = _at_new_places({group: permutation[group]}, inverse, symmetry)
        inverse[group] = np.argsort(np.asarray(moved[group]), axis=-1)
    return inverse


def _at_new_places(
    permutation: Permutation, moves: Permutation, symmetry: Symmetry | None
) -> Permutation:
    """Nested entries where their outer units are after `moves`."""
    if symmetry is None or not symmetry.nested:
        return permutation
    found: Permutation = {}
    for group, units in permutation.items():
        parents = symmetry.nested.get(group, ())
        batch = np.ndim(units) - 1 - len(parents)
        outer = {name: moves[name] for name in parents if name in moves}
        found[group] = permute_leaf(symmetry, np.asarray(units), (*parents, None), outer, batch)
    return found


def num_transpositions(permutation: Permutation) -> dict[str, Int[np.ndarray, "*batch"]]:
    r"""The fewest swaps that make up each group's permutation, $\mathrm{NoT}(p) = n - c(p)$.

    $n$ is the number of units and $c$ the number of cycles. Two unrelated networks already
    sit near `random_num_transpositions`: print that beside it. A nested group has a number for
    each unit that it is nested in.

    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 3.
    """
    return {
        group: np.asarray(p.shape[-1] - _num_cycles(np.asarray(p)))
        for group, p in permutation.items()
    }


def _num_cycles(permutation: Int[np.ndarray, "*batch units"]) -> Int[np.ndarray, "*batch"]:
    # Pointer doubling: after k rounds a unit knows the smallest of the next 2^k on its cycle,
    # so units that find themselves smallest are one to a cycle.
    units = np.broadcast_to(np.arange(permutation.shape[-1]), permutation.shape)
    smallest, jump = units, permutation
    for _ in range(int(permutation.shape[-1]).bit_length()):
        smallest = np.minimum(smallest, np.take_along_axis(smallest, jump, axis=-1))
        jump = np.take_along_axis(jump, jump, axis=-1)
    return np.asarray(np.sum(smallest == units, axis=-1))
