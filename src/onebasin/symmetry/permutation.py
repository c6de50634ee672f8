"""Permutations of hidden units: apply, compose, invert, count transpositions.

A permutation is a dict with an index array for each group, and an array of 1 and -1 for each sign
that units may take (`group_of` and `is_sign` tell them apart); leading batch axes are allowed
everywhere. Which axes a group touches is said by a `Symmetry`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Integer

from onebasin import _trees
from onebasin._arguments import check_arrays
from onebasin._types import Array, Params, Permutation
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import group_of, is_sign
from onebasin.symmetry.permutation_checks import check_entries, check_of, check_pair


def permute(symmetry: Symmetry, permutation: Permutation, params: Params) -> Params:
    r"""Params whose unit $i$ of each group is the old unit `permutation[group][i]`.

    Where the symmetry has signs, that unit is then multiplied by its own, `permutation[name][i]`.
    Batch axes that lead the permutation lead every leaf as well. Groups that it leaves out stay
    where they are; a symmetry without signs leaves those of a permutation aside, as a standard
    deviation has none. NumPy leaves stay on the host. A PyTorch state_dict of arrays comes back in
    the collections of `from_torch`. For one hidden layer:
    $W_1[p, :],\ b_1[p],\ W_2[:, p]$, each times $s$ if it has signs.

    Raises: ValueError where params do not fit the symmetry, for unknown groups or signs, and for
    entries that are no permutations. Values that JAX traces are not looked at.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 2.
    """
    check_arrays("params", params)
    params = symmetry.arranged(params)
    moves, batch = check_of(symmetry, permutation)
    if not moves:
        return params
    num_batch_axes = len(batch)
    _check_batch(params, batch)
    symmetry.check(params, num_batch_axes)
    pieces = symmetry.unfold(params, num_batch_axes)
    axes = symmetry.leaves
    leaves = {
        name: permute_leaf(
            symmetry, leaf, axes[name].names, moves, num_batch_axes, symmetry.flips(name)
        )
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    return symmetry.fold(_trees.rebuild(leaves, pieces), params, num_batch_axes)


def _check_batch(params: Params, batch: tuple[int, ...]) -> None:
    for name, leaf in _trees.named_leaves(params).items():
        if np.shape(leaf)[: len(batch)] != batch:
            raise ValueError(
                f"Params must lead with the batch axes of the permutation, {batch}. "
                f"Got shape {np.shape(leaf)} at {name!r}."
            )


def permute_leaf(
    symmetry: Symmetry,
    leaf: Array,
    names: Sequence[Any],
    permutation: Permutation,
    num_batch_axes: int,
    flips: Sequence[tuple[str, int]] = (),
) -> Array:
    """An array whose axes list groups, by name, permuted behind batch axes and then flipped.

    Outer groups move first: a nested one is told what to do at the new places of these. Names
    that the permutation does not hold stay. `flips` are signs with the axes that list their units.
    """
    moved = [axis for axis, name in enumerate(names) if name in permutation]
    for axis in sorted(moved, key=lambda axis: len(symmetry.nested.get(names[axis], ()))):
        units = permutation[names[axis]]
        around = _axes_around(symmetry, names, axis)
        if around:
            xp: Any = np if isinstance(leaf, np.ndarray) else jnp
            units = _laid_out(units, leaf, [*around, axis], num_batch_axes)
            leaf = xp.take_along_axis(leaf, units, axis=num_batch_axes + axis)
        else:
            leaf = take_units(leaf, units, axis + num_batch_axes)
    for name, axis in flips:
        if name in permutation:
            axes = [*_axes_around(symmetry, names, axis), axis]
            signs = _laid_out(permutation[name], leaf, axes, num_batch_axes).astype(leaf.dtype)
            leaf = leaf * (np.asarray(signs) if isinstance(leaf, np.ndarray) else signs)
    return leaf


def _axes_around(symmetry: Symmetry, names: Sequence[Any], axis: int) -> list[int]:
    """The axes that list the units in which those of an axis are nested."""
    return [list(names).index(parent) for parent in symmetry.nested.get(names[axis], ())]


def _laid_out(units: Array, leaf: Array, axes: Sequence[int], num_batch_axes: int) -> Array:
    """What there is for each entry of some axes, in their order, as it broadcasts to a leaf."""
    shape = list(units.shape[:num_batch_axes]) + [1] * (leaf.ndim - num_batch_axes)
    # From the order of the parents' names to the order of their axes.
    units = units.transpose(*range(num_batch_axes), *(num_batch_axes + np.argsort(axes)))
    for place in axes:
        shape[num_batch_axes + place] = leaf.shape[num_batch_axes + place]
    return units.reshape(shape)


def take_units(leaf: Array, units: Integer[Array, "*batch units"], axis: int) -> Array:
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

    `permute(s, compose(p, q), x) == permute(s, p, permute(s, q, x))`. What one of them leaves out
    it does not move. Nested groups need the symmetry that nests them.

    Raises: ValueError for entries that are no permutations, or of different shapes.
    """
    first, second = check_entries(first), check_entries(second)
    check_pair(first, second)
    first = _at_new_places(first, second, symmetry)
    found: dict[str, Array] = {}
    for name in {**first, **second}:
        group = group_of(name)
        if name not in first:
            found[name] = np.asarray(second[name])
            continue
        found[name] = np.asarray(first[name])
        if group in second:
            found[name] = np.take_along_axis(found[name], np.asarray(second[group]), axis=-1)
        if is_sign(name) and name in second:
            found[name] = found[name] * np.asarray(second[name])
    return found


def invert(permutation: Permutation, symmetry: Symmetry | None = None) -> Permutation:
    """The permutation that undoes another: composed with it, nothing moves.

    Nested groups need the symmetry that nests them.

    Raises: ValueError for entries that are no permutations.
    """
    permutation = check_entries(permutation)
    units = {name: p for name, p in permutation.items() if not is_sign(name)}
    inverse = {group: np.argsort(np.asarray(p), axis=-1) for group, p in units.items()}
    nested = {} if symmetry is None else symmetry.nested
    # Outer groups first: where their units have gone is where a nested group is undone.
    for group in sorted(inverse.keys() & nested.keys(), key=lambda group: len(nested[group])):
        moved = _at_new_places({group: permutation[group]}, inverse, symmetry)
        inverse[group] = np.argsort(np.asarray(moved[group]), axis=-1)
    signs = {name: p for name, p in permutation.items() if is_sign(name)}
    for name, moved in _at_new_places(signs, inverse, symmetry).items():
        inverse[name] = np.asarray(moved)
        if group_of(name) in inverse:
            inverse[name] = np.take_along_axis(inverse[name], inverse[group_of(name)], axis=-1)
    return inverse


def _at_new_places(
    permutation: Permutation, moves: Permutation, symmetry: Symmetry | None
) -> Permutation:
    """Nested entries where their outer units are after `moves`."""
    if symmetry is None or not symmetry.nested:
        return permutation
    found: Permutation = {}
    for name, units in permutation.items():
        parents = symmetry.nested.get(group_of(name), ())
        batch = np.ndim(units) - 1 - len(parents)
        outer = {parent: moves[parent] for parent in parents if parent in moves}
        found[name] = permute_leaf(symmetry, np.asarray(units), (*parents, None), outer, batch)
    return found


def num_transpositions(permutation: Permutation) -> dict[str, Int[np.ndarray, "*batch"]]:
    r"""The fewest swaps that make up each group's permutation, $\mathrm{NoT}(p) = n - c(p)$.

    $n$ is the number of units and $c$ the number of cycles; signs do not count. Two unrelated
    networks already sit near `random_num_transpositions`: print that beside it. A nested group
    has a number for each unit that it is nested in.

    Raises: ValueError for entries that are no permutations.
    Source: Xiao, Liu and Bamler (2024), arXiv 2401.00611, section 3.
    """
    return {
        group: np.asarray(p.shape[-1] - _num_cycles(np.asarray(p)))
        for group, p in check_entries(permutation).items()
        if not is_sign(group)
    }


def _num_cycles(permutation: Integer[np.ndarray, "*batch units"]) -> Int[np.ndarray, "*batch"]:
    # Pointer doubling: after k rounds a unit knows the smallest of the next 2^k on its cycle,
    # so units that find themselves smallest are one to a cycle.
    units = np.broadcast_to(np.arange(permutation.shape[-1]), permutation.shape)
    smallest, jump = units, permutation
    for _ in range(int(permutation.shape[-1]).bit_length()):
        smallest = np.minimum(smallest, np.take_along_axis(smallest, jump, axis=-1))
        jump = np.take_along_axis(jump, jump, axis=-1)
    return np.asarray(np.sum(smallest == units, axis=-1))
