"""Where the search for a permutation begins: different starts end in different local optima.

Layer by layer, groups are matched by the arrays whose other axes are matched already, from the
inputs inward and from the outputs back, as a person would match two networks by hand. If these
arrays hold few weights of a unit, as those of a network with one input do, its other weights count
too, in ascending order: permutations of other groups do not change them. With noise, coordinate
descent sees similarities that are blurred, less in every sweep.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin.alignment.descent import Match, match, propose, updated
from onebasin.alignment.gains import gains_of
from onebasin.alignment.goal import Goal, Side
from onebasin.alignment.pair_moves import pair_moved
from onebasin.alignment.similarity import Draws, Parts
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation

Effort: TypeAlias = Literal["fast", "normal", "thorough"]
"""How many starts are tried."""

STARTS = ("given", "layers", "noise", "pairs")
"""From where the best optimum of a draw was found, as `Alignment.start` numbers it: from where the
draw was, from layer by layer, by noise that fades, or from one of these optima by pair moves."""

_MOST_NOISE, _NOISY_SWEEPS = 0.3, 20
_MOST_PAIR_MOVES = 1000


def match_fast(draws: Draws, start: Permutation) -> Match:
    """A local optimum of each draw, from layer by layer.

    Where the start is no worse than that, its own optimum is found as well. Where one pass is
    exact, there is one optimum.
    """
    if draws.goal.is_exact:
        return match(draws, start)
    found = _from_start(match(draws, layer_by_layer(draws)), "layers")
    ahead = gains_of(draws.goal, draws.leaves, start, found.permutation)
    behind = ahead <= 0
    if not behind.any():
        return found._replace(gain=ahead)
    return _better(draws, match(draws, start), found)


def match_normally(draws: Draws, start: Permutation) -> Match:
    """The better of two local optima of each draw: from the start, and from layer by layer."""
    found = match(draws, start)
    if draws.goal.is_exact:
        return found
    return _better(draws, found, _from_start(match(draws, layer_by_layer(draws)), "layers"))


def match_thoroughly(draws: Draws, start: Permutation) -> Match:
    """The best of three local optima of each draw, and from there pair moves.

    The third optimum is found by noise from the better of the other two.
    """
    found = match_normally(draws, start)
    if draws.goal.is_exact:
        return found
    noisy = match(draws, _with_fading_noise(draws, found.permutation))
    return _by_pair_moves(draws, _better(draws, found, _from_start(noisy, "noise")))


def _by_pair_moves(draws: Draws, found: Match) -> Match:
    """Matches from which no pair move gains anything: each move is followed by a descent."""
    rows = np.arange(draws.num_draws)
    for _ in range(_MOST_PAIR_MOVES):
        after, rows = pair_moved(draws, found.permutation, rows)
        if not len(rows):
            break
        some = draws.taken(rows)
        before = jax.tree.map(lambda leaf, rows=rows: leaf[rows], found)
        better = _better(some, before, _from_start(match(some, after), "pairs"))
        found = jax.tree.map(lambda a, b, rows=rows: _written(a, b, rows), found, better)
    return found


def _written(whole: np.ndarray, part: np.ndarray, rows: Int[np.ndarray, " rows"]) -> np.ndarray:
    whole = np.array(whole)
    whole[rows] = part
    return whole


RULES = {"fast": match_fast, "normal": match_normally, "thorough": match_thoroughly}
"""How draws are matched at each effort."""


def _from_start(found: Match, start: str) -> Match:
    return found._replace(start=np.full_like(found.start, STARTS.index(start)))


def _better(draws: Draws, found: Match, other: Match) -> Match:
    """For each draw the better match; the gain stays one over where the first began."""
    ahead = gains_of(draws.goal, draws.leaves, found.permutation, other.permutation)
    best = jax.tree.map(lambda a, b: _where(ahead > 0, b, a), found, other)
    return best._replace(gain=found.gain + ahead, sweeps=found.sweeps + other.sweeps)


def _where(choice: Bool[np.ndarray, " draw"], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(choice.reshape(-1, *[1] * (a.ndim - 1)), a, b)


def _with_fading_noise(draws: Draws, start: Permutation) -> Permutation:
    """Permutations of every draw after sweeps over similarities with less and less noise.

    Noise is normal; its std is a share of that of all similarities of a draw, from .3 down to
    nothing. All draws see the same, so that each is matched by itself. Groups in whose units
    others are nested are matched without.
    """
    rng = np.random.default_rng(0)
    every, found = np.arange(draws.num_draws), start
    for level in _MOST_NOISE * (1 - np.arange(_NOISY_SWEEPS) / _NOISY_SWEEPS):

        def blurred(parts: Parts, level: float = level) -> Parts:
            return {own: part + _noise(part, level, rng) for own, part in parts.items()}

        for group in draws.symmetry.sizes:
            found = updated(found, propose(draws, group, found, every, change=blurred))
    return found


def _noise(part: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(part.shape[1:], np.float32)
    axes = tuple(range(1, part.ndim))
    return np.asarray(level * part.std(axis=axes, keepdims=True) * noise, part.dtype)


def layer_by_layer(draws: Draws) -> Permutation:
    """Permutations of every draw: groups in the order of how much of them is matched already."""
    found = draws.symmetry.identity(draws.num_draws)
    every = np.arange(draws.num_draws)
    for group, names in inward(draws.goal):
        change = _with_sorted_weights(draws, group, names)
        found = updated(found, propose(draws, group, found, every, names, change))
    return found


def _with_sorted_weights(
    draws: Draws, group: str, names: Sequence[str]
) -> Callable[[Parts], Parts]:
    r"""What adds the similarities of sorted weights, if the arrays that count hold few weights.

    It takes $\log_2 n$ bits to tell $n$ units apart: if a unit has fewer weights, they are few.
    Groups that are nested are matched without.

    Source: Ding, Ma, Wu and Xu (2021), arXiv 1811.07821, section 2, for graphs: sorted weights are
    the degree profiles of their vertices.
    """
    symmetry, sides = draws.symmetry, draws.goal.sides[group]
    rest = [side for side in sides if side.leaf not in names]
    num_weights = sum(draws.matrix(side).shape[-2] for side in sides if side.leaf in names)
    if group in symmetry.nested or num_weights >= np.log2(symmetry.sizes[group]):
        return lambda parts: parts

    def changed(parts: Parts) -> Parts:
        total = parts.get((), 0.0)
        for side in rest:
            units = _in_ascending_order(side, draws.matrix(side))
            whole = np.asarray(draws.goal.targets[side.leaf], units.dtype)
            target = _in_ascending_order(side, side.matrix(whole))
            # What all units share would cost digits.
            target -= target.mean(axis=-1, keepdims=True)
            total = total + np.swapaxes(target, -1, -2) @ units
        return {**parts, (): np.asarray(total)}

    return changed


def _in_ascending_order(
    side: Side, matrix: Float[np.ndarray, "*draw weights units"]
) -> Float[np.ndarray, "*draw weights units"]:
    """The weights of every unit from the least to the largest, by size if any changes its sign."""
    return np.sort(np.abs(matrix) if side.own or side.flips else matrix, axis=-2)


def inward(goal: Goal) -> list[tuple[str, list[str]]]:
    """Groups in the order of how much of them is matched already, and the arrays that tell it."""
    symmetry = goal.symmetry
    settled: set[str] = set(symmetry.fixed)
    order: list[tuple[str, list[str]]] = []
    while left := [group for group in symmetry.sizes if group not in settled]:
        usable = {group: _usable(symmetry, group, settled) for group in left}
        # Biases alone put units in an order, and hardly say which of them are the same.
        told = {group: _tells_units_apart(goal, group, usable[group]) for group in left}
        share = {group: _share(symmetry, group, usable[group], goal.norms) for group in left}
        group = max(left, key=lambda group: (told[group], share[group]))
        names = usable[group] or [n for n, axes in symmetry.leaves.items() if group in axes.names]
        order.append((group, names))
        settled.add(group)
    return order


def _tells_units_apart(goal: Goal, group: str, usable: list[str]) -> bool:
    """Whether one of the arrays has more than one weight of each unit."""
    sizes, around = goal.symmetry.sizes, goal.symmetry.nested.get(group, ())
    num_units = math.prod(sizes[one] for one in (group, *around))
    return any(goal.targets[name].size > num_units for name in usable)


def _usable(symmetry: Symmetry, group: str, settled: set[str]) -> list[str]:
    """The arrays that list a group on one axis and, on others, only what is matched already."""
    parents = symmetry.nested.get(group, ())
    if not settled.issuperset(parents):
        return []
    inside = {one for one, around in symmetry.nested.items() if group in around}
    return [
        name
        for name, axes in symmetry.leaves.items()
        if axes.names.count(group) == 1
        and all(one in (None, group) or one in settled or one in inside for one in axes.names)
    ]


def _share(symmetry: Symmetry, group: str, usable: list[str], norms: Mapping[str, float]) -> float:
    """How much of the squares of all weights that touch a group the usable arrays hold."""
    every = [name for name, axes in symmetry.leaves.items() if group in axes.names]
    total = sum(norms[name] ** 2 for name in every)
    return sum(norms[name] ** 2 for name in usable) / total if total else 0.0
