"""References: what draws are brought to, and the iteration that makes it their mean."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from onebasin import _trees
from onebasin._threads import map_in_threads
from onebasin._types import Array, Params
from onebasin.alignment.gains import movable_part
from onebasin.alignment.layers import match_from_both_starts
from onebasin.alignment.matching import Features, Match, Matching, differs, match, objective
from onebasin.samples import Samples, mean_of
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute

Reference: TypeAlias = Literal["first", "densest", "mean", "chains"] | Params
"""A rule that picks what draws are aligned to, or the params of a network."""

Rule: TypeAlias = Callable[[Symmetry, Features, Features, Permutation], Match]
"""How draws are matched: from a symmetry, a target, their features and where they start."""

_NUM_CHUNKS = 8
_LEAST_CHUNK_BYTES, _MOST_CHUNK_BYTES = 2**18, 2**25


def starting_point(samples: Samples, symmetry: Symmetry, reference: Reference) -> Params:
    """The network that draws are matched to first: given, the densest draw, or the first.

    Raises: ValueError for an unknown rule, a network that does not fit, or `densest` without lp.
    """
    if not isinstance(reference, str):
        network = symmetry.arranged(reference)
        symmetry.check(network)
        return _trees.to_host(network)
    if reference not in ("first", "densest", "mean", "chains"):
        raise ValueError(
            'reference must be "first", "densest", "mean", "chains" or the params of a network. '
            f"Got {reference!r}."
        )
    lp = samples.stats.get("lp")
    if lp is not None and reference != "first" and not np.isnan(lp).all():
        flat = int(np.nanargmax(lp))
        return _trees.to_host(samples.draw(flat // samples.num_draws, flat % samples.num_draws))
    if reference == "densest":
        raise ValueError(
            'reference="densest" needs the log density of every draw in samples.stats["lp"]. Got '
            f"{'NaN alone' if lp is not None else f'statistics {sorted(samples.stats)}'}. "
            'Add it, or take reference="mean".'
        )
    return _trees.to_host(samples.draw(0, 0))


class Round(NamedTuple):
    """How far a round of alignment is, as `align` tells it after every chunk of draws.

    Round 0 matches all draws to the first reference; later ones match them to their mean. Of
    `num_draws` draws `num_matched` are matched in this round, and `num_moved` of those got another
    permutation than they had.
    """

    number: int
    num_matched: int
    num_draws: int
    num_moved: int


class Rounds(NamedTuple):
    """When an iteration ends, and who is told of each of its rounds."""

    max_rounds: int
    tolerance: float
    progress: Callable[[Round], None] | None = None


def match_to(problem: "Problem", network: Params, rounds: Rounds) -> tuple[Match, Features]:
    """Match all draws to a network; gives the match and the network's features.

    Where one pass is not exact, each draw takes the better of two local optima: from where it is,
    and from a start layer by layer.
    """
    features = problem.features_of(network)
    target = problem.matching.target(features)
    found, _ = problem.matched(target, problem.identity, match_from_both_starts, 0, rounds)
    return found, features


def match_to_mean(
    problem: "Problem", start: Permutation, rounds: Rounds
) -> tuple[Match, Features, Params]:
    """Match all draws to their mean features, from a start and until they move no more.

    Gives the match, the mean features of the matched draws and their mean network.
    """
    found = Match(start, np.ones(problem.num_draws, bool))
    total, moved = problem.sum_features(start), np.ones(problem.num_draws, bool)
    for number in range(1, rounds.max_rounds + 1):
        target = problem.matching.target(problem.mean_features(total))
        previous, before = found.permutation, total
        found, moved = problem.matched(target, previous, match, number, rounds)
        total = problem.moved_sum(total, moved, previous, found.permutation)
        if not moved.any():
            break
        part = movable_part(problem.matching.symmetry(problem.symmetry), target)
        if part(jax.tree.map(np.subtract, total, before)) <= rounds.tolerance * abs(part(total)):
            break
    else:
        found = found._replace(converged=found.converged & ~moved)
    return found, problem.mean_features(total), problem.mean(found)


class Problem(NamedTuple):
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
        return self._replace(draws=jax.tree.map(lambda leaf: leaf[rows], self.draws))

    def features_of(self, params: Params) -> Features:
        """The features of one network."""
        single = self._features_of(jax.tree.map(lambda leaf: leaf[None], params))
        return jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), single)

    def matched(
        self, target: Features, start: Permutation, rule: Rule, number: int, rounds: Rounds
    ) -> tuple[Match, Bool[np.ndarray, " draw"]]:
        """Match every draw to a target by a rule; gives the matches and which draws moved."""
        symmetry = self.matching.symmetry(self.symmetry)

        def one(rows: slice) -> tuple[Match, Bool[np.ndarray, " draw"]]:
            first = start[rows]
            found = rule(symmetry, target, self._features(rows), first)
            has_moved = differs(found.permutation, first) if first.units else ~found.converged
            return found, has_moved

        def told(part: tuple[Match, Bool[np.ndarray, " draw"]]) -> None:
            nonlocal num_matched, num_moved
            num_matched, num_moved = num_matched + len(part[1]), num_moved + int(part[1].sum())
            if rounds.progress is not None:
                rounds.progress(Round(number, num_matched, self.num_draws, num_moved))

        num_matched = num_moved = 0
        parts = self._over_chunks(one, told)
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
        """A sum of permuted features after some draws have moved: only their share is renewed."""
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
        self, function: Callable[[slice], Any], told: Callable[[Any], None] = lambda part: None
    ) -> list[Any]:
        """Results chunk by chunk, each of which is told as soon as those before it are."""
        parts: list[Any] = []
        for part in map_in_threads(function, self._chunks()):
            parts.append(part)
            told(part)
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
