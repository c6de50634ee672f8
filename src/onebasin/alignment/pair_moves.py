r"""Pair moves: two units of a group and two of another trade places at once.

Coordinate descent moves one group at a time, and may be stuck where two would have to move
together. With all draws where they are, let $S$ be the similarities of a group, and $T$ and $F$ an
array of the target and of the draw that lists both groups. Swapping units $i, k$ of the one and
$j, l$ of the other raises the objective by

$$g_{ik} + h_{jl} + (T_{ij} - T_{il} - T_{kj} + T_{kl}) (F_{ij} - F_{il} - F_{kj} + F_{kl}),$$

where $g_{ik} = S_{ik} + S_{ki} - S_{ii} - S_{kk}$ is what the first swap alone would, $h_{jl}$ is
that of the second, and products are summed over the other axes and over all such arrays.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin.alignment.gains import gains_of
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.symmetry.permutation import Permutation, move_array

_MOST_SWAPS = 500
"""So many swaps of each group are tried with those of another: those that cost least alone."""


class _Swaps(NamedTuple):
    """Some pairs of units of a group, and what swapping each gains."""

    units: Int[np.ndarray, "2 swap"]
    gains: Float[np.ndarray, " swap"]


class _Link(NamedTuple):
    """An array that lists two groups, each on one axis."""

    leaf: str
    axes: tuple[int, int]


def pair_moved(
    draws: Draws, current: Permutation, rows: Int[np.ndarray, " rows"]
) -> tuple[Permutation, Int[np.ndarray, " moved"]]:
    """The permutations of those draws that a pair move brings closer, after it, and their numbers.

    Of all pair moves, each draw gets the one that gains most. Only groups whose similarities are
    linear are moved.
    """
    links = _links(draws.goal)
    moved: list[int] = []
    after: list[Permutation] = []
    for row in rows.tolist() if links else ():
        now = current[[row]]
        swap = _best_pair(draws.goal, links, _in_place(draws, now, row))
        if swap is None:
            continue
        leaves = {name: leaf[[row]] for name, leaf in draws.leaves.items()}
        if gains_of(draws.goal, leaves, now, swap @ now)[0] > 0:
            moved.append(row)
            after.append(swap @ now)
    numbers = np.array(moved, np.int64)
    if not after:
        return current[numbers], numbers
    return _trees.concatenated(after), numbers


def _links(goal: Goal) -> dict[tuple[str, str], list[_Link]]:
    """The arrays that list two groups of linear similarities, by these groups."""
    links: dict[tuple[str, str], list[_Link]] = {}
    for name, axes in goal.symmetry.leaves.items():
        listed = {str(one): axis for axis, one in enumerate(axes.names) if one is not None}
        for pair in itertools.combinations(sorted(listed), 2):
            if all(goal.is_linear.get(group, False) for group in pair):
                link = _Link(name, (listed[pair[0]], listed[pair[1]]))
                links.setdefault(pair, []).append(link)
    return links


def _in_place(
    draws: Draws, current: Permutation, row: int
) -> dict[str, Float[np.ndarray, "*shape"]]:
    """The arrays of one draw, in float64, with its units where they are matched."""
    symmetry = draws.symmetry
    return {
        name: np.asarray(
            move_array(leaf[[row]], symmetry.leaves[name].names, current, 1, symmetry.flips(name))[
                0
            ],
            np.float64,
        )
        for name, leaf in draws.leaves.items()
    }


def _best_pair(
    goal: Goal,
    links: Mapping[tuple[str, str], Sequence[_Link]],
    leaves: Mapping[str, Float[np.ndarray, "*shape"]],
) -> Permutation | None:
    """The pair move of a draw that gains most; None if none gains anything."""
    swaps = {group: _swaps(goal, group, leaves) for group in {*itertools.chain(*links)}}
    best, found = 0.0, None
    for pair, arrays in links.items():
        one, other = (swaps[group] for group in pair)
        if not (len(one.gains) and len(other.gains)):
            continue
        gains = one.gains[:, None] + other.gains
        for leaf, axes in arrays:
            target, draw = (
                np.moveaxis(a, axes, (0, 1)) for a in (goal.targets[leaf], leaves[leaf])
            )
            gains += _together(target, draw, one, other)
        at = np.unravel_index(gains.argmax(), gains.shape)
        if gains[at] > best:
            best, found = gains[at], (pair, [one.units[:, at[0]], other.units[:, at[1]]])
    if found is None:
        return None
    entries = {group: np.arange(goal.symmetry.sizes[group])[None] for group in found[0]}
    for group, units in zip(*found, strict=True):
        entries[group][0, units] = units[::-1]
    return goal.symmetry.joined(entries, {})


def _swaps(goal: Goal, group: str, leaves: Mapping[str, np.ndarray]) -> _Swaps:
    """The swaps of a group that gain most, or lose least, with all others as they are."""
    size = goal.symmetry.sizes[group]
    similarity = np.zeros((size, size))
    for side in goal.sides[group]:
        matrix = side.matrix(leaves[side.leaf])
        similarity += goal.columns(side, matrix.dtype).T @ matrix
    stays = np.diagonal(similarity)
    units = np.stack(np.triu_indices(size, 1))
    gains = (similarity + similarity.T - stays - stays[:, None])[*units]
    best = np.argsort(-gains, kind="stable")[:_MOST_SWAPS]
    return _Swaps(units[:, best], gains[best])


def _together(
    target: Float[np.ndarray, "one other *rest"],
    leaf: Float[np.ndarray, "one other *rest"],
    one: _Swaps,
    other: _Swaps,
) -> Float[np.ndarray, "swap other_swap"]:
    """What an array adds if two swaps happen together, beyond what each gains alone."""
    total = np.zeros((one.units.shape[1], other.units.shape[1]))
    flat = (array.reshape(*array.shape[:2], -1) for array in (target, leaf))
    for entries in zip(*(np.moveaxis(array, 2, 0) for array in flat), strict=True):
        rows = (array[one.units[0]] - array[one.units[1]] for array in entries)
        ours, theirs = (array[:, other.units[0]] - array[:, other.units[1]] for array in rows)
        total += ours * theirs
    return total
