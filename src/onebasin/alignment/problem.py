"""Problem: the draws of an alignment and their matching, worked on in chunks and threads."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from onebasin._threads import map_in_threads
from onebasin.alignment.matching import Features, Match, Matching, differs, objective
from onebasin.samples import mean_of
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.types import Array, Params

Rule: TypeAlias = Callable[[Symmetry, Features, Features, Permutation], Match]
"""How draws are matched: from a symmetry, a target, their features and where they start."""

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

    @property
    def num_draws(self) -> int:
        """The number of draws."""
        return jax.tree.leaves(self.draws)[0].shape[0]

    @property
    def identity(self) -> Permutation:
        """The permutation of every draw that moves nothing."""
        return self.symmetry.identity(self.num_draws)

    def rows(self, rows: Any) -> "Problem":
        """The same problem for some draws alone."""
        return dataclasses.replace(self, draws=jax.tree.map(lambda leaf: leaf[rows], self.draws))

    def of(self, draws: Params) -> "Problem":
        """The same problem for other draws."""
        return dataclasses.replace(self, draws=draws)

    def features_of(self, params: Params) -> Features:
        """The features of one network."""
        single = self._features_of(jax.tree.map(lambda leaf: leaf[None], params))
        return jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), single)

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
        symmetry = self.matching.symmetry(self.symmetry)

        def one(rows: slice) -> tuple[Match, Bool[np.ndarray, " draw"]]:
            first = start[rows]
            found = rule(symmetry, target, self._features(rows), first)
            has_moved = differs(found.permutation, first) if first.units else ~found.converged
            return found, has_moved

        def on_part(part: tuple[Match, Bool[np.ndarray, " draw"]]) -> None:
            nonlocal num_matched, num_moved
            num_matched, num_moved = num_matched + len(part[1]), num_moved + int(part[1].sum())
            if progress is not None:
                progress(Round(number, num_matched, self.num_draws, num_moved))

        num_matched = num_moved = 0
        parts = self._over_chunks(one, on_part)
        return jax.tree.map(lambda *some: np.concatenate(some), *parts)

    def objective(
        self, mean_features: Features, permutation: Permutation
    ) -> Float[np.ndarray, " draw"]:
        """The objective of every permuted draw, given the features it was matched to."""
        symmetry = self.matching.symmetry(self.symmetry)
        target = self.matching.target(mean_features)

        def one(rows: slice) -> Float[np.ndarray, " draw"]:
            return objective(symmetry, target, self._features(rows), permutation[rows])

        values = np.concatenate(self._over_chunks(one))
        return values + self.matching.constant(mean_features)

    def sum_features(self, permutation: Permutation) -> Features:
        """The sum over draws of their permuted features, in float64."""
        symmetry = self.matching.symmetry(self.symmetry)

        def one(rows: slice) -> Features:
            moved = permute(self._features(rows), symmetry, permutation[rows])
            return jax.tree.map(lambda leaf: leaf.sum(axis=0, dtype=np.float64), moved)

        return jax.tree.map(lambda *parts: np.sum(parts, axis=0), *self._over_chunks(one))

    def moved_sum(
        self,
        total: Features,
        moved: Bool[np.ndarray, " draw"],
        before: Permutation,
        after: Permutation,
    ) -> Features:
        """The sum of permuted features after some draws have moved, by their difference alone.

        Args:
            total: The sum as it was.
            moved: Which draws have moved.
            before: The permutation of every draw as it was.
            after: The permutation of every draw as it is.
        """
        if not moved.any():
            return total
        few = self.rows(moved)
        gained = few.sum_features(after[moved])
        lost = few.sum_features(before[moved])
        return jax.tree.map(lambda t, a, b: t + a - b, total, gained, lost)

    def mean_features(self, total: Features) -> Features:
        """The mean of the draws' permuted features, given their sum."""
        # A scalar weight's mean is a number; keep it an array.
        return jax.tree.map(lambda leaf: np.asarray(leaf / self.num_draws), total)

    def mean(self, found: Match) -> Params:
        """The mean network of the matched draws."""
        aligned = permute(self.draws, self.symmetry, found.permutation)
        return jax.tree.map(mean_of, aligned)

    def _features(self, rows: slice) -> Features:
        return self._features_of(jax.tree.map(lambda leaf: leaf[rows], self.draws))

    def _features_of(self, draws: Params) -> Features:
        return jax.tree.map(_in_float32, self.matching.features(jax.tree.map(_widened, draws)))

    def _over_chunks(
        self, function: Callable[[slice], Any], on_part: Callable[[Any], None] = lambda part: None
    ) -> list[Any]:
        """Results chunk by chunk. `on_part` is called with each in their order."""
        parts: list[Any] = []
        for part in map_in_threads(function, self._chunks()):
            parts.append(part)
            on_part(part)
        return parts

    def _chunks(self) -> Iterator[slice]:
        """Slices of the draws, the same on every machine: sums are taken chunk by chunk."""
        total = sum(leaf.nbytes for leaf in jax.tree.leaves(self.draws))
        chunk_bytes = min(max(total // _NUM_CHUNKS, _LEAST_CHUNK_BYTES), _MOST_CHUNK_BYTES)
        size = max(1, chunk_bytes * self.num_draws // max(1, total))
        return (slice(first, first + size) for first in range(0, self.num_draws, size))


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
