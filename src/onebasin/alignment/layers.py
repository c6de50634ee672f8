"""A start for matching: group after group, each by the arrays whose other axes are matched already.

From the inputs inward and from the outputs back, as a person would match two networks by hand.
Coordinate descent from there and from no permutation at all end in different local optima.
"""

from collections.abc import Mapping

import numpy as np

from onebasin import _trees
from onebasin._types import Permutation
from onebasin.alignment.matching import Features, propose
from onebasin.symmetry.axes import Symmetry


def layer_by_layer(symmetry: Symmetry, target: Features, features: Features) -> Permutation:
    """Permutations of every draw: groups in the order of how much of them is matched already."""
    leaves = _trees.named_leaves(symmetry.unfold(features, 1))
    whole = _trees.named_leaves(symmetry.unfold(target))
    targets = {name: np.asarray(leaf, leaves[name].dtype) for name, leaf in whole.items()}
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
        found = {**found, **propose(symmetry, group, targets, few, found).permutation}
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
