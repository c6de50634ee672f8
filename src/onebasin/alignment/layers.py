"""A second start for matching: group after group, by the arrays that are matched already elsewhere.

From the inputs inward and from the outputs back, as a person would match two networks by hand.
Coordinate descent from there and from no permutation at all end in different local optima.
"""

from collections.abc import Mapping

import jax
import numpy as np

from onebasin import _trees
from onebasin.alignment.gains import has_gained, touched
from onebasin.alignment.matching import Features, Match, is_exact, match, propose, updated
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation


def match_from_both_starts(
    symmetry: Symmetry, target: Features, features: Features, start: Permutation
) -> Match:
    """The better of two local optima of each draw: from a start, and from one layer by layer.

    Where one pass is exact there is one optimum.
    """
    found = match(symmetry, target, features, start)
    if is_exact(symmetry):
        return found
    other = match(symmetry, target, features, layer_by_layer(symmetry, target, features))
    targets = _trees.named_leaves(symmetry.unfold(target))
    leaves = touched(symmetry, found.permutation, _trees.named_leaves(symmetry.unfold(features, 1)))
    better = has_gained(symmetry, targets, leaves, found.permutation, other.permutation)

    def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(better.reshape(-1, *[1] * (a.ndim - 1)), b, a)

    return jax.tree.map(choose, found, other)


def layer_by_layer(symmetry: Symmetry, target: Features, features: Features) -> Permutation:
    """Permutations of every draw: groups in the order of how much of them is matched already."""
    leaves = _trees.named_leaves(symmetry.unfold(features, 1))
    targets = _trees.named_leaves(symmetry.unfold(target))
    energy = {
        name: float(np.square(leaf, dtype=np.float64).sum()) for name, leaf in targets.items()
    }
    found = symmetry.identity(next(iter(leaves.values())).shape[0])
    settled: set[str] = set(symmetry.fixed)
    while left := [group for group in symmetry.sizes if group not in settled]:
        usable = {group: _usable(symmetry, group, settled) for group in left}
        share = {group: _share(symmetry, group, usable[group], energy) for group in left}
        group = max(left, key=lambda group: share[group])
        names = usable[group] or [n for n, axes in symmetry.leaves.items() if group in axes.names]
        few = {name: leaves[name] for name in names}
        found = updated(found, propose(symmetry, group, targets, few, found))
        settled.add(group)
    return found


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


def _share(symmetry: Symmetry, group: str, usable: list[str], energy: Mapping[str, float]) -> float:
    """How much of the squares of all weights that touch a group the usable arrays hold."""
    every = [name for name, axes in symmetry.leaves.items() if group in axes.names]
    total = sum(energy[name] for name in every)
    return sum(energy[name] for name in usable) / total if total else 0.0
