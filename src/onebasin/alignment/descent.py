r"""Coordinate descent: the groups of a draw are matched to a goal in turns, until none would move.

One pass is exact for one group. With several the optimum is local, and depends on the start.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin.alignment.assignment import assign
from onebasin.alignment.gains import gains_of, linear_gains, matched_similarity
from onebasin.alignment.outer_matching import match_outer
from onebasin.alignment.sign_matching import best_signs
from onebasin.alignment.similarity import Draws, Parts
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, joined_permutation


class Match(NamedTuple):
    """The best permutation found for each draw.

    Args:
        permutation: The permutations.
        gain: How much more similar to the goal each draw is than where the search began.
        converged: Whether no group of a draw would move.
        sweeps: How many times the groups of a draw were gone through.
        start: From which of `starts.STARTS` the match was found.
        objective: The inner product of the goal with each permuted draw; None if it is not known,
            as with several groups, whose similarities do not tell it.
    """

    permutation: Permutation
    gain: Float[np.ndarray, " draw"]
    converged: Bool[np.ndarray, " draw"]
    sweeps: Int[np.ndarray, " draw"]
    start: Int[np.ndarray, " draw"]
    objective: Float[np.ndarray, " draw"] | None = None


def unmatched(permutation: Permutation, num_draws: int) -> Match:
    """Permutations that nothing has been tried on yet."""
    nothing = np.zeros(num_draws)
    return Match(
        permutation, nothing, nothing == 0, nothing.astype(np.int32), nothing.astype(np.int8)
    )


def match(draws: Draws, start: Permutation, max_sweeps: int = 100) -> Match:
    """Match draws to their goal by coordinate descent over the groups, in the features' precision.

    The objective never decreases from `start`. A draw is left alone as soon as it has settled, and
    a group as soon as nothing has moved on which its match depends.

    Raises: ValueError for non-finite features.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 1.
    """
    if draws.goal.is_exact and draws.symmetry.sizes:
        return _match_one_group(draws, start)
    current = copied(start)
    is_open = {group: np.ones(draws.num_draws, bool) for group in draws.symmetry.sizes}
    gain, sweeps = np.zeros(draws.num_draws), np.zeros(draws.num_draws, np.int32)
    for _ in range(max_sweeps):
        sweeps += np.any([*is_open.values()], axis=0) if is_open else False
        for group in draws.symmetry.sizes:
            rows = np.flatnonzero(is_open[group])
            if not len(rows):
                continue
            is_open[group][rows] = False
            gained = _improve(draws, group, current, rows)
            gain[rows] += gained
            moved = rows[gained > 0]
            for other in draws.goal.concerns[group]:
                is_open[other][moved] = True
        if not any(one.any() for one in is_open.values()):
            break
    converged = ~np.any([*is_open.values()], axis=0) if is_open else np.ones(draws.num_draws, bool)
    return Match(current, gain, converged, sweeps, np.zeros(draws.num_draws, np.int8))


def _match_one_group(draws: Draws, start: Permutation) -> Match:
    """Match draws whose optimum one pass finds; similarities tell the objective as well."""
    (group,) = draws.symmetry.sizes
    every = np.arange(draws.num_draws)
    parts = draws.similarities(group, start, every)
    proposed = _best_of(draws.symmetry, group, parts)
    moves = differs(proposed, start)
    gain, found = np.zeros(draws.num_draws), start
    if moves.any():
        gain = linear_gains(draws, group, parts, every, start, updated(start, proposed), moves)
        found = copied(start)
        _write(found, every[gain > 0], proposed[gain > 0])
    objective = matched_similarity(parts, group, found) + draws.unmoved_objective(group)
    one = np.ones(draws.num_draws, np.int32)
    return Match(found, gain, one == 1, one, np.zeros(draws.num_draws, np.int8), objective)


def _improve(
    draws: Draws, group: str, current: Permutation, rows: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """Give some draws a better permutation of a group, where there is one; what each gains."""
    now = current if len(rows) == draws.num_draws else current[rows]
    is_linear = draws.goal.is_linear[group]
    parts = draws.similarities(group, now, rows) if is_linear else {}
    if is_linear:
        proposed = _best_of(draws.symmetry, group, parts)
    else:
        proposed = propose(draws, group, now, rows)
    moves = differs(proposed, now)
    gains = np.zeros(len(rows))
    if not moves.any():
        return gains
    after = updated(now, proposed)
    if is_linear:
        gains = linear_gains(draws, group, parts, rows, now, after, moves)
    else:
        gains[moves] = gains_of(draws.goal, draws.some(rows[moves]), now[moves], after[moves])
    if gains.any():
        _write(current, rows[gains > 0], proposed[gains > 0])
    return gains


def propose(
    draws: Draws,
    group: str,
    current: Permutation,
    rows: Int[np.ndarray, " rows"],
    names: Sequence[str] | None = None,
    change: Callable[[Parts], Parts] = lambda parts: parts,
) -> Permutation:
    """The best permutation of a group for some draws, with all others as they are.

    It comes with those of its signs and of the groups that are nested in it. `names` are the arrays
    that count; by default all do. `change` makes other similarities of those found, but for a group
    in which others are nested.
    """
    if not draws.goal.is_outer[group]:
        parts = change(draws.similarities(group, current, rows, names))
        return _best_of(draws.symmetry, group, parts)
    leaves = draws.some(rows)
    if names is not None:
        leaves = {name: leaves[name] for name in names}
    return match_outer(draws.symmetry, group, draws.goal.targets, leaves, current)


def _best_of(symmetry: Symmetry, group: str, parts: Parts) -> Permutation:
    """The best permutation and signs of a group, given the similarities of its units."""
    signed = best_signs(parts)
    units = assign(signed.similarity.reshape(-1, *signed.similarity.shape[-2:]))
    units = units.reshape(signed.similarity.shape[:-1])
    return symmetry.joined({group: units}, signed.at(units))


def copied(permutation: Permutation) -> Permutation:
    """A permutation whose entries may be written to."""
    copy = lambda entries: {name: np.array(entry) for name, entry in entries.items()}
    return joined_permutation(
        copy(permutation.units),
        copy(permutation.signs),
        permutation.nested,
        permutation.sign_groups,
    )


def _write(permutation: Permutation, rows: Int[np.ndarray, " rows"], part: Permutation) -> None:
    """Write the entries of a part into some rows of a permutation that is not shared yet."""
    for whole, entries in ((permutation.units, part.units), (permutation.signs, part.signs)):
        for name, entry in entries.items():
            np.asarray(whole[name])[rows] = entry


def differs(proposed: Permutation, current: Permutation) -> Bool[np.ndarray, " draw"]:
    """Which draws the groups and signs of a proposal would move away from the current ones."""
    pairs = [(entry, current.units[group]) for group, entry in proposed.units.items()]
    pairs += [(entry, current.signs[name]) for name, entry in proposed.signs.items()]
    each = [(new != old).reshape(len(new), -1).any(axis=-1) for new, old in pairs]
    return np.any(each, axis=0)


def updated(current: Permutation, proposed: Permutation) -> Permutation:
    """The current permutations with the groups and signs of a proposal in place of theirs."""
    return joined_permutation(
        {**current.units, **proposed.units},
        {**current.signs, **proposed.signs},
        current.nested,
        current.sign_groups,
    )
