"""Gains: how much more similar to a target permutations make draws, measured where it arises.

Leaves that list no units add to every objective, and so does what all units share. Neither may
decide whether a gain is one, so they are left out here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from onebasin import _trees
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, move_array

_ROUNDING = 64 * float(np.finfo(np.float64).eps)


def touched(
    symmetry: Symmetry, proposed: Permutation, leaves: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The leaves that some of these groups and signs move."""
    return {
        name: leaf
        for name, leaf in leaves.items()
        if proposed.units.keys() & set(symmetry.leaves[name].names)
        or proposed.signs.keys() & {sign for sign, _ in symmetry.flips(name)}
    }


def has_gained(
    symmetry: Symmetry,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    before: Permutation,
    after: Permutation,
) -> Bool[np.ndarray, " draw"]:
    r"""Which draws a change makes more similar to a target: $\langle R, P'(F) - P(F) \rangle > 0$.

    The leaves are those that the change touches. The sum is one of differences, in float64.
    """
    gain = np.zeros(len(next(iter(leaves.values()))))
    rounding = np.zeros_like(gain)
    for name, leaf in leaves.items():
        names, flips = symmetry.leaves[name].names, symmetry.flips(name)
        new, old = (np.asarray(move_array(leaf, names, p, 1, flips)) for p in (after, before))
        change = (new.astype(np.float64) - old).reshape(len(leaf), -1)
        target = np.asarray(targets[name], np.float64).reshape(-1)
        gain += change @ target
        rounding += np.linalg.norm(change, axis=1) * np.linalg.norm(target)
    # A smaller gain is rounding: taking it could cycle for ever.
    return gain > _ROUNDING * rounding


def movable_part(symmetry: Symmetry, target: Any) -> Callable[[Any], float]:
    r"""The part of $\langle R, F \rangle$ that permutations can change, as a function of $F$.

    Leaves without units are left out, and of $R$ its mean over all units that may trade places,
    unless they have signs, under which that mean is zero.
    """
    centred = {
        name: _centred(np.asarray(leaf, np.float64), symmetry, name)
        for name, leaf in _trees.named_leaves(symmetry.unfold(target)).items()
        if any(symmetry.leaves[name].names)
    }

    def part(features: Any) -> float:
        leaves = _trees.named_leaves(symmetry.unfold(features))
        return sum((float(np.vdot(t, leaves[name])) for name, t in centred.items()), 0.0)

    return part


def _centred(
    leaf: Float[np.ndarray, "*shape"], symmetry: Symmetry, name: str
) -> Float[np.ndarray, "*shape"]:
    if symmetry.flips(name):
        return leaf
    listed = tuple(
        axis for axis, group in enumerate(symmetry.leaves[name].names) if group is not None
    )
    return leaf - leaf.mean(axis=listed, keepdims=True)
