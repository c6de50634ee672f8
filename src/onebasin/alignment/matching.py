r"""Matching: what "similar units" means, and the solver that serves every meaning.

A matching maps the params of a draw to *features*, arrays whose axes list units, and the mean
features of already aligned draws to a *target*. To match is to permute the features of a draw
so that their inner product with the target is largest:

$$\max_p\ \langle R, P_p(F(w)) \rangle.$$

With one hidden layer that is one linear assignment and exact. With several it is NP-hard
(Ainsworth et al. 2022, appendix), and coordinate descent over the groups finds a local optimum.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from onebasin import _trees
from onebasin.alignment.assignment import assign
from onebasin.alignment.gains import has_gained, touched
from onebasin.alignment.outer_matching import match_outer, to_front
from onebasin.alignment.sign_matching import best_signs
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.symmetry.permutation import Permutation, joined_permutation, move_array
from onebasin.types import Params

Features: TypeAlias = Any
"""Arrays computed from params whose axes list units; draws lead."""


@runtime_checkable
class Matching(Protocol):
    """One meaning of "similar units": how features and targets are computed.

    A matching is a frozen value: two that were made with the same settings compare equal, and both
    pickle. Write your own as a frozen class with these five.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def symmetry(self, symmetry: Symmetry) -> Symmetry:
        """Which axes of the features list which units, given the symmetry of the params."""
        ...

    def features(self, params: Params) -> Features:
        """Features of params that lead with a draw axis; they lead with one as well."""
        ...

    def target(self, mean_features: Features) -> Features:
        """What draws are matched to, given the mean features of aligned draws."""
        ...

    def constant(self, mean_features: Features) -> float:
        """What the objective adds to each draw's inner product with the target; often 0."""
        ...


class Match(NamedTuple):
    """The best permutation found for each draw, and whether no group of it would move."""

    permutation: Permutation
    converged: Bool[np.ndarray, " draw"]


def match(
    symmetry: Symmetry,
    target: Features,
    features: Features,
    start: Permutation,
    max_sweeps: int = 100,
) -> Match:
    """Match draws to a target by coordinate descent over the groups, in the features' precision.

    The objective never decreases from `start`: what a group gains is summed in float64 over what it
    moves, so that nothing else can hide it. One pass is exact for one group.

    Raises: ValueError for non-finite features.
    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 1.
    """
    leaves = _trees.named_leaves(symmetry.unfold(features, 1))
    targets = _trees.named_leaves(symmetry.unfold(target))
    current: Permutation = jax.tree.map(np.array, start)  # a copy, which is written to
    num_draws = next(iter(leaves.values())).shape[0]
    exact = is_exact(symmetry)
    active = np.arange(num_draws)
    for _ in range(max_sweeps):
        moved = np.zeros(len(active), bool)
        subset = leaves if len(active) == num_draws else {n: x[active] for n, x in leaves.items()}
        for group in symmetry.sizes:
            proposed, gained = _improve_group(symmetry, group, targets, subset, current[active])
            if gained.any():
                _write(current, active[gained], proposed[gained])
            moved |= gained
        active = active[moved & (not exact)]
        if not len(active):
            break
    converged = np.ones(num_draws, bool)
    converged[active] = False
    return Match(current, converged)


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


def is_exact(symmetry: Symmetry) -> bool:
    """Whether one pass finds the optimum: one group, one sign, and no array lists units twice."""
    named = [[n for n in axes.names if n is not None] for axes in symmetry.leaves.values()]
    is_repeated = any(len(set(names)) < len(names) for names in named)
    return len(symmetry.sizes) <= 1 and len(symmetry.signs) <= 1 and not is_repeated


def propose(
    symmetry: Symmetry,
    group: str,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    current: Permutation,
) -> Permutation:
    """The best permutation of a group with all others as they are, by these leaves alone.

    It comes with those of its signs and of the groups that are nested in it.
    """
    if any(group in parents for parents in symmetry.nested.values()):
        return match_outer(symmetry, group, targets, leaves, current)
    places = [place for place in symmetry.places(group) if place.leaf in leaves]
    signed = best_signs(_similarities(places, symmetry, targets, leaves, current))
    units = assign(signed.similarity.reshape(-1, *signed.similarity.shape[-2:]))
    units = units.reshape(signed.similarity.shape[:-1])
    return symmetry.joined({group: units}, signed.at(units))


def _improve_group(
    symmetry: Symmetry,
    group: str,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    current: Permutation,
) -> tuple[Permutation, Bool[np.ndarray, " draw"]]:
    """A better permutation of a group, and of those nested in it, and which draws gain by it."""
    proposed = propose(symmetry, group, targets, leaves, current)
    moves = differs(proposed, current)
    gained = np.zeros(len(moves), bool)
    if moves.any():
        before = current[moves]
        after = updated(before, proposed[moves])
        moved = {name: leaf[moves] for name, leaf in touched(symmetry, proposed, leaves).items()}
        gained[moves] = has_gained(symmetry, targets, moved, before, after)
    return proposed, gained


def _similarities(
    places: Sequence[Place],
    symmetry: Symmetry,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    current: Permutation,
) -> dict[tuple[str, ...], Float[np.ndarray, "draw *around units units"]]:
    """Inner products of target units with draw units over all places, other axes being aligned.

    Of a nested group they are those inside of each unit that it is nested in. Places that take
    different signs are kept apart. Without a sign they are right up to a number for each draw unit,
    which every permutation takes once.
    """
    units: dict[tuple[str, ...], list[np.ndarray]] = {}
    target: dict[tuple[str, ...], list[np.ndarray]] = {}
    for place in places:
        names = list(symmetry.leaves[place.leaf].names)
        flips = symmetry.flips(place.leaf)
        others = [None if axis == place.axis else name for axis, name in enumerate(names)]
        others_flip = [(name, axis) for name, axis in flips if axis != place.axis]
        leaf = move_array(leaves[place.leaf], others, current, 1, others_flip)
        group = str(names[place.axis])
        axes = [*(names.index(parent) for parent in symmetry.nested.get(group, ())), place.axis]
        own = tuple(name for name, axis in flips if axis == place.axis)
        units.setdefault(own, []).append(to_front(np.asarray(leaf), axes, 1))
        one = np.asarray(targets[place.leaf], np.float64)
        if not own:
            # What all units share adds the same to every permutation, and would cost digits.
            one = one - one.mean(axis=place.axis, keepdims=True)
        target.setdefault(own, []).append(to_front(one.astype(leaf.dtype), axes, 0))
    return {
        own: _products(np.concatenate(target[own], axis=-1), np.concatenate(units[own], axis=-1))
        for own in units
    }


def _products(
    target: Float[np.ndarray, "*around units weights"],
    units: Float[np.ndarray, "draw *around units weights"],
) -> Float[np.ndarray, "draw *around units units"]:
    if target.ndim > 2:
        return target[None] @ np.swapaxes(units, -1, -2)
    # One wide product for all draws and places: far faster than a small one for each.
    wide = units.reshape(-1, units.shape[-1]) @ target.T
    return wide.reshape(*units.shape[:2], -1).transpose(0, 2, 1)


def objective(
    symmetry: Symmetry, target: Features, features: Features, permutation: Permutation
) -> Float[np.ndarray, " draw"]:
    """The inner product of the target with each draw's permuted features."""
    targets = _trees.named_leaves(symmetry.unfold(target))
    leaves = _trees.named_leaves(symmetry.unfold(features, 1))
    return _objective(symmetry, targets, leaves, permutation)


def _objective(
    symmetry: Symmetry,
    targets: dict[str, np.ndarray],
    leaves: dict[str, np.ndarray],
    permutation: Permutation,
) -> Float[np.ndarray, " draw"]:
    total = np.zeros(next(iter(leaves.values())).shape[0])
    for name, leaf in leaves.items():
        names, flips = symmetry.leaves[name].names, symmetry.flips(name)
        leaf = move_array(leaf, names, permutation, 1, flips)
        flat = np.asarray(leaf).reshape(leaf.shape[0], -1).astype(np.float64)
        total += flat @ np.asarray(targets[name], np.float64).reshape(-1)
    return total
