r"""Universe: permutations that fit all pairs of draws at once, by the Frank-Wolfe algorithm.

The permutations of all draws together are to maximize the sum over pairs of inner products:

$$\max_P\ \sum_{i < j} \langle P_i F_i,\ P_j F_j \rangle
  = \tfrac12 \Big\| \sum_i P_i F_i \Big\|^2 - \tfrac12 \sum_i \| F_i \|^2.$$

The search runs over *soft* permutations $X_i$, which are means of permutations: doubly stochastic
matrices. Pairs of a draw with itself are left out. Permutations do not change them, but they would
make the objective of soft permutations convex in each group, so that every step would end at
permutations, and the search would be that of the iterated mean.

Source: Crisostomi et al. (2024), arXiv 2405.17897, section 3.
"""

from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._threads import map_in_threads
from onebasin.alignment.assignment import assign
from onebasin.alignment.descent import differs
from onebasin.alignment.matching import Features
from onebasin.alignment.problem import Listener, Problem, Round
from onebasin.alignment.sign_matching import best_signs
from onebasin.symmetry.permutation import Permutation

Soft: TypeAlias = dict[str, Float[np.ndarray, "draw units units"]]
"""For each group the soft permutations of all draws: a row for each unit of the universe."""

MOST_DRAWS = 256
"""The soft permutations of more draws would take too much memory and time."""

_SHARE_OF_START = 0.2
"""How much of the first soft permutations is the start. The rest is the mean of all permutations,
which leaves the choice of the first steps open."""


def match_pairs(
    problem: Problem, start: Permutation, max_steps: int, tolerance: float, progress: Listener
) -> Permutation:
    """Permutations of all draws that raise the sum over pairs of their inner products.

    Args:
        problem: The draws, which `check_universe` has let pass.
        start: The permutations from which the search begins.
        max_steps: The most steps.
        tolerance: The search ends when a step raises the sum by no more than this share of it.
        progress: Called after every step. A draw counts as moved if its gradient prefers another
            permutation than it did one step before.
    """
    pairs = _Pairs(problem)
    if not pairs.leaves:
        return start
    soft = pairs.softened(start)
    value, preferred = pairs.value(soft), start
    for number in range(1, max_steps + 1):
        before, previous = value, preferred
        preferred = pairs.nearest(pairs.gradient(soft))
        soft, value = pairs.best_between(soft, pairs.hard(preferred))
        if progress is not None:
            num_moved = int(differs(preferred, previous).sum())
            progress(Round(number, problem.num_draws, problem.num_draws, num_moved))
        if value - before <= tolerance * abs(value):
            break
    return pairs.nearest(soft)


def check_universe(problem: Problem, num_draws: int) -> None:
    """Raise ValueError for a number of draws, a symmetry or a matching without a universe."""
    symmetry = problem.matching.symmetry(problem.symmetry)
    if symmetry.nested:
        raise ValueError(
            "to_universe() needs groups that are not nested in others. "
            f"Got nested {symmetry.nested}. Take to_mean()."
        )
    for group in symmetry.sizes:
        signs = [sign for sign in symmetry.signs.values() if sign.group == group]
        if signs and (len(signs) > 1 or {*signs[0].places} != {*symmetry.places(group)}):
            raise ValueError(
                "to_universe() needs at most one sign a group, which flips all arrays of its "
                f"units. Got {len(signs)} of {group!r}: {[sign.places for sign in signs]}. Take "
                "to_mean(), or leave the signs out: symmetry.with_signs([])."
            )
    if num_draws > MOST_DRAWS:
        memory = 4e-9 * num_draws * sum(size**2 for size in symmetry.sizes.values())
        raise ValueError(
            f"to_universe() matches at most {MOST_DRAWS} draws, or chains with by_chain. Got "
            f"{num_draws}, of which each copy of the soft permutations takes {memory:.2g} GB. Take "
            "to_universe(by_chain=True) or to_mean(), or thin the draws."
        )
    _scales(problem)


def _scales(problem: Problem) -> Features:
    """The number that the matching's target has for each of the features.

    Raises: ValueError if the target is not the mean features, each times such a number.
    """
    features = problem.features_of(jax.tree.map(lambda leaf: leaf[0], problem.draws))
    scales = problem.matching.target(jax.tree.map(np.ones_like, features))
    targets = _trees.named_leaves(problem.matching.target(features))
    products = _trees.named_leaves(jax.tree.map(np.multiply, scales, features))
    is_scaled = all(np.allclose(targets[name], leaf, 1e-5, 0) for name, leaf in products.items())
    if not is_scaled or any((leaf < 0).any() for leaf in jax.tree.leaves(scales)):
        raise ValueError(
            "to_universe() needs a matching whose target is the mean features, each times a number "
            f"that is not negative. Got the matching {problem.matching.name!r}. Take "
            "weight_matching(), or to_mean()."
        )
    return scales


class _Pairs:
    """The features of all draws, and how similar all pairs of them are under soft permutations."""

    def __init__(self, problem: Problem):
        self.symmetry = problem.matching.symmetry(problem.symmetry)
        rooted = jax.tree.map(
            lambda leaf, scale: leaf * np.sqrt(scale, dtype=np.float32),
            problem.features(slice(None)),
            _scales(problem),
        )
        leaves = _trees.named_leaves(self.symmetry.unfold(rooted, 1))
        listed = {
            name: tuple(str(one) if one in self.symmetry.sizes else None for one in axes.names)
            for name, axes in self.symmetry.leaves.items()
        }
        self.names = {name: names for name, names in listed.items() if any(names)}
        self.leaves = {name: self._centred(name, leaves[name]) for name in self.names}

    def _centred(
        self, name: str, leaf: Float[np.ndarray, "draw *shape"]
    ) -> Float[np.ndarray, "draw *shape"]:
        """An array less what all units share, which no soft permutation changes."""
        if self.symmetry.flips(name):
            return leaf
        listed = [1 + axis for axis, group in enumerate(self.names[name]) if group is not None]
        mean = leaf.mean(axis=tuple(listed), keepdims=True, dtype=np.float64)
        return (leaf - mean).astype(np.float32)

    def hard(self, permutation: Permutation) -> Soft:
        """The matrices of permutations, with the signs of their units."""
        soft: Soft = {}
        for group, size in self.symmetry.sizes.items():
            units = np.asarray(permutation.units[group])
            soft[group] = np.zeros((*units.shape, size), np.float32)
            ones = np.ones(units.shape, np.float32)
            for name in self._signs(group):
                ones *= permutation.signs[name]
            np.put_along_axis(soft[group], units[..., None], ones[..., None], axis=-1)
        return soft

    def softened(self, permutation: Permutation) -> Soft:
        """Permutations, each in a mean with all others. Where units flip, that of all is zero."""
        return {
            group: _SHARE_OF_START * matrices
            + (0 if self._signs(group) else (1 - _SHARE_OF_START) / matrices.shape[-1])
            for group, matrices in self.hard(permutation).items()
        }

    def nearest(self, matrices: Soft) -> Permutation:
        """The permutations of the largest inner products with some matrices."""
        units, signs = {}, {}
        for group, given in matrices.items():
            signed = best_signs({self._signs(group): given})
            rows = map_in_threads(lambda one: assign(one[None]), signed.similarity)
            units[group] = np.concatenate([*rows])
            signs |= signed.at(units[group])
        return self.symmetry.joined(units, signs)

    def value(self, soft: Soft) -> float:
        """The sum over pairs of their inner products, less what all units share."""
        total = 0.0
        for name in self.leaves:
            moved = self._moved(name, soft).reshape(len(self.leaves[name]), -1)
            whole = moved.sum(axis=0, dtype=np.float64)
            total += (whole @ whole - np.vecdot(moved, moved).sum(dtype=np.float64)) / 2
        return float(total)

    def gradient(self, soft: Soft) -> Soft:
        """The derivative of the value by each soft permutation."""
        gradient = {group: np.zeros_like(matrices) for group, matrices in soft.items()}
        for name, names in self.names.items():
            moved = self._moved(name, soft)
            others = moved.sum(axis=0, dtype=np.float64).astype(np.float32) - moved
            for axis, group in enumerate(names):
                if group is not None:
                    own = _rows(self._moved(name, soft, but=axis), 1 + axis)
                    gradient[group] += _rows(others, 1 + axis) @ np.swapaxes(own, 1, 2)
        return gradient

    def best_between(self, soft: Soft, goal: Soft) -> tuple[Soft, float]:
        """The soft permutations of the largest value on the line to others, and that value.

        Features are polynomials on this line, of the degree of how many axes list units, and the
        value is one of twice that degree. So some values determine it.
        """
        degree = 2 * max(sum(name is not None for name in names) for names in self.names.values())
        steps = (1 - np.cos(np.pi * np.arange(degree + 1) / degree)) / 2
        values = [self.value(_between(soft, goal, step)) for step in steps]
        polynomial = np.polynomial.Polynomial.fit(steps, values, degree, domain=[0, 1])
        turns = polynomial.deriv().roots().real
        tried = np.array([0.0, 1.0, *turns[(turns > 0) & (turns < 1)]])
        best = _between(soft, goal, tried[polynomial(tried).argmax()])
        return best, self.value(best)

    def _signs(self, group: str) -> tuple[str, ...]:
        return tuple(name for name, of in self.symmetry.sign_groups.items() if of == group)

    def _moved(
        self, name: str, soft: Soft, but: int | None = None
    ) -> Float[np.ndarray, "draw *shape"]:
        """An array of every draw under its soft permutations, except along one axis."""
        leaf = self.leaves[name]
        for axis, group in enumerate(self.names[name]):
            if group is not None and axis != but:
                rows = soft[group] @ _rows(leaf, 1 + axis)
                shape = np.moveaxis(leaf, 1 + axis, 1).shape
                leaf = np.moveaxis(rows.reshape(shape), 1, 1 + axis)
        return leaf


def _rows(leaf: Float[np.ndarray, "draw *shape"], axis: int) -> Float[np.ndarray, "draw units _"]:
    """A matrix for each draw, with a row for each unit of an axis."""
    return np.moveaxis(leaf, axis, 1).reshape(len(leaf), leaf.shape[axis], -1)


def _between(soft: Soft, goal: Soft, step: float) -> Soft:
    """The soft permutations at a share of the way to others."""
    return {
        group: matrices + np.float32(step) * (goal[group] - matrices)
        for group, matrices in soft.items()
    }
