"""Problem: the draws of an alignment and their matching, worked on in chunks and threads."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from onebasin import _trees
from onebasin._threads import map_in_threads
from onebasin.alignment.descent import Match, differs
from onebasin.alignment.goal import Goal
from onebasin.alignment.matching import Features, Matching
from onebasin.alignment.similarity import Draws
from onebasin.alignment.starts import Effort
from onebasin.alignment.sums import permuted_sum
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Array, Params

Rule: TypeAlias = Callable[[Draws, Permutation], Match]
"""How draws are matched, from the permutations at which the search for each begins."""

Listener: TypeAlias = Callable[["Round"], None] | None
"""What is called with a `Round` after each chunk of draws, or None."""

_NUM_CHUNKS = 8
_LEAST_CHUNK_BYTES, _MOST_CHUNK_BYTES = 2**18, 2**25


class Round(NamedTuple):
    """How far a round of alignment is, after a chunk of draws.

    Args:
        number: The number of the round. Round 0 matches all draws to the first reference, later
            ones match them to their mean.
        num_matched: How many draws this round has matched so far.
        num_draws: How many draws there are.
        num_moved: How many of the matched draws got another permutation than they had.

    Examples:
        >>> numbers = []
        >>> _ = ob.align(samples, symmetry, progress=lambda now: numbers.append(now.number))
        >>> numbers[0]
        0
    """

    number: int
    num_matched: int
    num_draws: int
    num_moved: int


@dataclasses.dataclass(frozen=True)
class Problem:
    """Draws to be matched, and what matching them means; the work runs in chunks and threads."""

    symmetry: Symmetry
    matching: Matching
    draws: Params
    effort: Effort = "normal"

    @property
    def num_draws(self) -> int:
        """The number of draws."""
        return jax.tree.leaves(self.draws)[0].shape[0]

    @property
    def identity(self) -> Permutation:
        """The permutation of every draw that moves nothing."""
        return self.symmetry.identity(self.num_draws)

    def of(self, draws: Params) -> "Problem":
        """The same problem for other draws."""
        return dataclasses.replace(self, draws=draws)

    def features(self, rows: Any) -> Features:
        """The features of some draws."""
        return self._features_of(jax.tree.map(lambda leaf: leaf[rows], self.draws))

    def features_of(self, params: Params) -> Features:
        """The features of one network."""
        single = self._features_of(jax.tree.map(lambda leaf: leaf[None], params))
        return jax.tree.map(lambda leaf: np.asarray(leaf[0]), single)

    def matched(
        self, target: Features, start: Permutation, rule: Rule, number: int, progress: Listener
    ) -> tuple[Match, Bool[np.ndarray, " draw"]]:
        """Match every draw to a target.

        Args:
            target: What the matching makes of the features of the reference.
            start: The permutation at which the search for each draw begins.
            rule: How a chunk of draws is matched, such as `match`.
            number: The number of this round, from 0.
            progress: Called with a `Round` after each chunk, if it is not None.

        Returns:
            The match of each draw, and which of them got another permutation than `start`.
        """
        goal = Goal(self.matching.symmetry(self.symmetry), target)

        def one(rows: slice) -> tuple[Match, Bool[np.ndarray, " draw"]]:
            first = start[rows]
            found = rule(Draws(goal, self.features(rows)), first)
            has_moved = differs(found.permutation, first) if first.units else ~found.converged
            return found, has_moved

        parts: list[tuple[Match, Bool[np.ndarray, " draw"]]] = []
        num_matched = num_moved = 0
        for part in map_in_threads(one, self._chunks()):
            parts.append(part)
            num_matched, num_moved = num_matched + len(part[1]), num_moved + int(part[1].sum())
            if progress is not None:
                progress(Round(number, num_matched, self.num_draws, num_moved))
        return _trees.concatenated(parts)

    def objective(
        self, mean_features: Features, permutation: Permutation
    ) -> Float[np.ndarray, " draw"]:
        """The inner product of the target with every permuted draw, given the mean features."""
        target = self.matching.target(mean_features)
        goal = Goal(self.matching.symmetry(self.symmetry), target)

        def one(rows: slice) -> Float[np.ndarray, " draw"]:
            return Draws(goal, self.features(rows)).objective(permutation[rows])

        return np.concatenate([*map_in_threads(one, self._chunks())])

    def sum_features(self, permutation: Permutation) -> Features:
        """The sum over draws of their permuted features, in float64."""
        return self._sum(self.features, self.matching.symmetry(self.symmetry), permutation)

    def moved_sum(
        self,
        total: Features,
        moved: Bool[np.ndarray, " draw"],
        before: Permutation,
        after: Permutation,
    ) -> Features:
        """The sum of permuted features after some draws have moved.

        If less than half of them have, it changes by their difference alone.

        Args:
            total: The sum as it was.
            moved: Which draws have moved.
            before: The permutation of every draw as it was.
            after: The permutation of every draw as it is.
        """
        if not moved.any():
            return total
        if 2 * moved.sum() > len(moved):
            return self.sum_features(after)
        symmetry = self.matching.symmetry(self.symmetry)
        few = lambda rows: self.features(np.arange(self.num_draws)[rows][moved[rows]])
        gained = self._sum(few, symmetry, after, moved)
        lost = self._sum(few, symmetry, before, moved)
        # Of a scalar weight the sum would be a number; it stays an array.
        return jax.tree.map(lambda t, a, b: np.asarray(t + a - b), total, gained, lost)

    def mean_features(self, total: Features) -> Features:
        """The mean of the draws' permuted features, given their sum."""
        return jax.tree.map(lambda leaf: np.asarray(leaf / self.num_draws), total)

    def mean(self, permutation: Permutation, total: Features) -> Params:
        """The mean network of the permuted draws, given the sum of their permuted features."""
        if not self._weights_are_features():
            rows_of = lambda rows: jax.tree.map(lambda leaf: leaf[rows], self.draws)
            total = self._sum(rows_of, self.symmetry, permutation)

        def mean(leaf: np.ndarray, draws: np.ndarray) -> np.ndarray:
            return np.asarray(leaf / self.num_draws, np.result_type(draws.dtype, np.float32))

        return jax.tree.map(mean, total, self.draws)

    def _weights_are_features(self) -> bool:
        """Whether the features are the weights as they are, and nothing else has to be summed."""
        one = jax.tree.map(lambda leaf: leaf[:1], self.draws)
        features = self._features_of(one)
        if jax.tree.structure(features) != jax.tree.structure(one):
            return False
        return all(map(operator.is_, jax.tree.leaves(features), jax.tree.leaves(one)))

    def _sum(
        self,
        read: Callable[[Any], Any],
        symmetry: Symmetry,
        permutation: Permutation,
        taken: Bool[np.ndarray, " draw"] | None = None,
    ) -> Any:
        """The sum over draws of what is read of them, permuted, in float64 and chunk by chunk."""

        def one(rows: slice) -> Any:
            some = permutation[rows]
            some = some if taken is None else some[taken[rows]]
            return permuted_sum(read(rows), symmetry, some)

        total: Any = None
        for part in map_in_threads(one, self._chunks()):
            add = lambda whole, leaf: np.add(whole, leaf, out=whole)
            total = part if total is None else jax.tree.map(add, total, part)
        return total

    def _features_of(self, draws: Params) -> Features:
        return jax.tree.map(_in_float32, self.matching.features(jax.tree.map(_widened, draws)))

    def _chunks(self) -> list[slice]:
        """Slices of the draws, the same on every machine: sums are taken chunk by chunk."""
        leaves = jax.tree.leaves(self.draws)
        per_draw = sum(leaf.nbytes for leaf in leaves) // self.num_draws + 1
        per_draw += sum(8 * size**2 for size in self.symmetry.sizes.values())
        most, least = _MOST_CHUNK_BYTES // per_draw, _LEAST_CHUNK_BYTES // per_draw
        size = max(1, min(most, max(least, self.num_draws // _NUM_CHUNKS)))
        return [slice(first, first + size) for first in range(0, self.num_draws, size)]


def _widened(leaf: Array) -> np.ndarray:
    """Half precision in float32: sums and squares of it are too coarse to tell units apart."""
    leaf = np.asarray(leaf)
    is_half = jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize < 4
    return leaf.astype(np.float32) if is_half else leaf


def _in_float32(feature: Array) -> np.ndarray:
    """A feature in float32 or finer; integers travel with their units and say nothing of them."""
    feature = _widened(feature)
    if np.issubdtype(feature.dtype, np.floating):
        return feature
    return np.zeros(feature.shape, np.float32)
