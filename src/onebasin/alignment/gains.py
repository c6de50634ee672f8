"""Gains: how much more similar to a target permutations make draws, measured where it arises.

Leaves that list no units add to every objective, and so does what all units share. Neither may
decide whether a gain is one, so they are left out here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin import _trees
from onebasin.alignment.goal import Goal, Side
from onebasin.alignment.similarity import Draws, Parts
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, move_array

_ROUNDING = 64 * float(np.finfo(np.float64).eps)
_MOST_AT_ONCE = 2**20
"""How many entries of draws are compared at once, in float64."""


def linear_gains(
    draws: Draws,
    group: str,
    parts: Parts,
    rows: Int[np.ndarray, " rows"],
    before: Permutation,
    after: Permutation,
    moves: Bool[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """What draws gain by another permutation of one group, of which similarities are linear.

    Similarities tell it, but for gains as small as their rounding, which are summed again. What is
    no gain is 0.
    """
    gains = matched_similarity(parts, group, after) - matched_similarity(parts, group, before)
    bound = _bound(draws, group, rows)
    for row in np.flatnonzero(moves & (np.abs(gains) <= bound)):
        gains[row] = _exact_gain(draws, group, int(rows[row]), before[row], after[row])
    return np.maximum(np.where(moves, gains, 0.0), 0.0)


def matched_similarity(
    parts: Parts, group: str, permutation: Permutation
) -> Float[np.ndarray, " draw"]:
    """The similarity of a group's matched units, summed."""
    units = np.asarray(permutation.units[group])
    total = np.zeros(len(units))
    for own, part in parts.items():
        matched = np.take_along_axis(part, units[..., None], axis=-1)[..., 0].astype(np.float64)
        for name in own:
            matched *= permutation.signs[name]
        total += matched.sum(axis=-1)
    return total


def _bound(draws: Draws, group: str, rows: Int[np.ndarray, " rows"]) -> np.ndarray:
    """How far off the difference of two such sums may be, by the rounding of the products."""
    bound = np.zeros(len(rows))
    for side in draws.goal.sides[group]:
        matrix = draws.matrix(side)
        eps = float(np.finfo(matrix.dtype).eps) * matrix.shape[-2]
        norms = draws.norms(side.leaf)[rows]
        bound += eps * draws.goal.norms[side.leaf] * norms
    return bound


def _exact_gain(
    draws: Draws, group: str, draw: int, before: Permutation, after: Permutation
) -> float:
    """What a draw gains by another permutation of a group, by the units alone that move."""
    old, new = (np.asarray(p.units[group]) for p in (before, after))
    names = {name for side in draws.goal.sides[group] for name in side.own}
    flipped = [np.asarray(after.signs[n]) != np.asarray(before.signs[n]) for n in names]
    at = np.flatnonzero(np.any([old != new, *flipped], axis=0))
    gain = rounding = 0.0
    for side in draws.goal.sides[group]:
        units = draws.matrix(side)[draw]
        change = _signed(units, side, new[at], after, at) - _signed(
            units, side, old[at], before, at
        )
        goal = draws.aligned_target(side, before, at)
        gain += float(np.vdot(goal, change))
        rounding += float(np.linalg.norm(goal) * np.linalg.norm(change))
    # A smaller gain is rounding: taking it could cycle for ever.
    return gain if gain > _ROUNDING * rounding else 0.0


def _signed(
    units: Float[np.ndarray, "weights units"],
    side: Side,
    taken: Int[np.ndarray, " some"],
    permutation: Permutation,
    at: Int[np.ndarray, " some"],
) -> Float[np.ndarray, "weights some"]:
    """Some units of a draw with the signs that they get, in float64."""
    found = units[:, taken].astype(np.float64)
    for name in side.own:
        found *= np.asarray(permutation.signs[name])[at]
    return found


def gains_of(
    goal: Goal, leaves: Mapping[str, np.ndarray], before: Permutation, after: Permutation
) -> Float[np.ndarray, " draw"]:
    r"""How much more similar to a target a change makes draws: $\langle R, P'(F) - P(F) \rangle$.

    The sum is one of differences, in float64, over the arrays that the change moves. What is no
    gain is 0.
    """
    symmetry = goal.symmetry
    changed = _changed(before, after)
    gain = np.zeros(len(next(iter(leaves.values()))))
    rounding = np.zeros_like(gain)
    for name, leaf in leaves.items():
        names, flips = symmetry.leaves[name].names, symmetry.flips(name)
        if not changed & {*names, *(sign for sign, _ in flips)}:
            continue
        target = np.asarray(goal.targets[name], np.float64).reshape(-1)
        size = max(1, _MOST_AT_ONCE // max(1, len(target)))
        for first in range(0, len(gain), size):
            rows = slice(first, first + size)
            new, old = (move_array(leaf[rows], names, p[rows], 1, flips) for p in (after, before))
            change = np.subtract(new, old, dtype=np.float64).reshape(-1, len(target))
            gain[rows] += change @ target
            rounding[rows] += np.linalg.norm(change, axis=1) * np.linalg.norm(target)
    # A smaller gain is rounding: taking it could cycle for ever.
    return np.where(gain > _ROUNDING * rounding, gain, 0.0)


def _changed(before: Permutation, after: Permutation) -> set[str]:
    """The groups and signs in which two permutations differ for some draw."""
    return {
        name
        for one, other in ((before.units, after.units), (before.signs, after.signs))
        for name in one
        if one[name] is not other[name] and (np.asarray(one[name]) != other[name]).any()
    }


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
