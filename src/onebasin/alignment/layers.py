"""A second start for matching: group after group, by the arrays that are matched already elsewhere.

From the inputs inward and from the outputs back, as a person would match two networks by hand.
Coordinate descent from there and from no permutation at all end in different local optima.
"""

from collections.abc import Mapping

import jax
import numpy as np

from onebasin.alignment.descent import Match, match, propose, updated
from onebasin.alignment.gains import gains_of
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation


def match_from_both_starts(draws: Draws, start: Permutation) -> Match:
    """The better of two local optima of each draw: from a start, and from one layer by layer.

    Where one pass is exact there is one optimum.
    """
    found = match(draws, start)
    if draws.goal.is_exact:
        return found
    other = match(draws, layer_by_layer(draws))
    ahead = gains_of(draws.goal, draws.leaves, found.permutation, other.permutation)

    def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where((ahead > 0).reshape(-1, *[1] * (a.ndim - 1)), b, a)

    best = jax.tree.map(choose, found, other)
    return best._replace(gain=found.gain + ahead, sweeps=found.sweeps + other.sweeps)


def layer_by_layer(draws: Draws) -> Permutation:
    """Permutations of every draw: groups in the order of how much of them is matched already."""
    found = draws.symmetry.identity(draws.num_draws)
    every = np.arange(draws.num_draws)
    for group, names in inward(draws.goal):
        found = updated(found, propose(draws, group, found, every, names))
    return found


def inward(goal: Goal) -> list[tuple[str, list[str]]]:
    """Groups in the order of how much of them is matched already, and the arrays that tell it."""
    symmetry = goal.symmetry
    settled: set[str] = set(symmetry.fixed)
    order: list[tuple[str, list[str]]] = []
    while left := [group for group in symmetry.sizes if group not in settled]:
        usable = {group: _usable(symmetry, group, settled) for group in left}
        share = {group: _share(symmetry, group, usable[group], goal.norms) for group in left}
        group = max(left, key=lambda group: share[group])
        names = usable[group] or [n for n, axes in symmetry.leaves.items() if group in axes.names]
        order.append((group, names))
        settled.add(group)
    return order


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
