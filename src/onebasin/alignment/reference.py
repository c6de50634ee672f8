"""References: what draws are brought to, and the iteration that makes it their mean."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Bool, Float
from threadpoolctl import ThreadpoolController

from onebasin import _trees
from onebasin._types import Params, Permutation
from onebasin.alignment.layers import layer_by_layer
from onebasin.alignment.matching import Features, Match, Matching, match, objective
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import permute

Reference: TypeAlias = Literal["first", "densest", "mean", "chains"] | Params
"""A rule that picks what draws are aligned to, or the params of a network."""

_CHUNK_BYTES = 32 * 2**20


def starting_point(samples: Samples, symmetry: Symmetry, reference: Reference) -> Params:
    """The network that draws are matched to first: given, the densest draw, or the first.

    Raises: ValueError for an unknown rule, a network that does not fit, or `densest` without lp.
    """
    if not isinstance(reference, str):
        symmetry.check(reference)
        return _trees.to_host(reference)
    if reference not in ("first", "densest", "mean", "chains"):
        raise ValueError(
            'reference must be "first", "densest", "mean", "chains" or the params of a network. '
            f"Got {reference!r}."
        )
    if "lp" in samples.stats and reference != "first":
        flat = int(np.nanargmax(samples.stats["lp"]))
        return _trees.to_host(samples.draw(flat // samples.num_draws, flat % samples.num_draws))
    if reference == "densest":
        raise ValueError(
            'reference="densest" needs the log density of every draw in samples.stats["lp"]. '
            f'Got statistics {sorted(samples.stats)}. Add it, or take reference="mean".'
        )
    return _trees.to_host(samples.draw(0, 0))


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of the process. Looking for them takes longer than matching 100 draws."""
    return ThreadpoolController()


class Rounds(NamedTuple):
    """When an iteration ends, and who is told of each of its rounds."""

    max_rounds: int
    tolerance: float
    progress: Callable[[int, int], None] | None = None


def match_to(problem: "Problem", network: Params) -> tuple[Match, Features]:
    """Match all draws to a network; gives the match and the network's features.

    Where several groups are matched, each draw takes the better of two local optima: from where
    it is, and from a start layer by layer.
    """
    features = problem.features_of(network)
    target = problem.matching.target(features)
    found = problem.match(target, problem.identity)
    if len(problem.symmetry.sizes) > 1:
        other = problem.match(target, problem.layer_by_layer(target))
        found = problem.better(features, found, other)
    return found, features


def match_to_mean(
    problem: "Problem", start: Permutation, rounds: Rounds
) -> tuple[Match, Features, Params]:
    """Match all draws to their mean features, from a start and until they move no more.

    Gives the match, the mean features of the matched draws and their mean network.
    """
    found = Match(start, np.ones(problem.num_draws, bool))
    total, moved = problem.sum_features(start), np.ones(problem.num_draws, bool)
    for round_ in range(rounds.max_rounds):
        features = problem.mean_features(total)
        previous, before = found.permutation, total
        found = problem.match(problem.matching.target(features), previous)
        moved = np.zeros(problem.num_draws, bool)
        for group, p in previous.items():
            moved |= (found.permutation[group] != p).reshape(len(p), -1).any(axis=-1)
        total = problem.moved_sum(total, moved, previous, found.permutation)
        if rounds.progress is not None:
            rounds.progress(round_ + 1, int(moved.sum()))
        reached, left = (problem.mean_objective(features, t) for t in (total, before))
        if not moved.any() or reached - left <= rounds.tolerance * abs(reached):
            break
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
        single = self.matching.features(jax.tree.map(lambda leaf: leaf[None], params))
        return jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), single)

    def match(self, target: Features, start: Permutation) -> Match:
        """Match every draw to a target."""
        symmetry = self.matching.symmetry(self.symmetry)

        def one(rows: slice) -> Match:
            first = {group: p[rows] for group, p in start.items()}
            return match(symmetry, target, self._features(rows), first)

        return jax.tree.map(lambda *parts: np.concatenate(parts), *self._over_chunks(one))

    def layer_by_layer(self, target: Features) -> Permutation:
        """Where matching may start: permutations found group after group."""
        symmetry = self.matching.symmetry(self.symmetry)
        parts = self._over_chunks(
            lambda rows: layer_by_layer(symmetry, target, self._features(rows))
        )
        return jax.tree.map(lambda *some: np.concatenate(some), *parts)

    def better(self, mean_features: Features, one: Match, other: Match) -> Match:
        """The better of two matches to the same features, draw by draw."""
        values = (self.objective(mean_features, match.permutation) for match in (one, other))
        is_other = np.less(*values)

        def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.where(is_other.reshape(-1, *[1] * (a.ndim - 1)), b, a)

        return jax.tree.map(choose, one, other)

    def objective(
        self, mean_features: Features, permutation: Permutation
    ) -> Float[np.ndarray, " draw"]:
        """The objective of every permuted draw, given the features it was matched to."""
        symmetry = self.matching.symmetry(self.symmetry)
        target = self.matching.target(mean_features)

        def one(rows: slice) -> Float[np.ndarray, " draw"]:
            here = {group: p[rows] for group, p in permutation.items()}
            return objective(symmetry, target, self._features(rows), here)

        values = np.concatenate(self._over_chunks(one))
        return values + self.matching.constant(mean_features)

    def mean_objective(self, mean_features: Features, total: Features) -> float:
        """The mean objective of permuted draws, given the sum of their features."""
        inner = _trees.inner(self.matching.target(mean_features), total) / self.num_draws
        return inner + self.matching.constant(mean_features)

    def sum_features(self, permutation: Permutation) -> Features:
        """The sum over draws of their permuted features, in float64."""
        symmetry = self.matching.symmetry(self.symmetry)

        def one(rows: slice) -> Features:
            here = {group: p[rows] for group, p in permutation.items()}
            moved = permute(symmetry, here, self._features(rows))
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
        gained = few.sum_features({group: p[moved] for group, p in after.items()})
        lost = few.sum_features({group: p[moved] for group, p in before.items()})
        return jax.tree.map(lambda t, a, b: t + a - b, total, gained, lost)

    def mean_features(self, total: Features) -> Features:
        """The mean of the draws' permuted features, given their sum."""
        # A scalar weight's mean is a number; keep it an array.
        return jax.tree.map(lambda leaf: np.asarray(leaf / self.num_draws), total)

    def mean(self, found: Match) -> Params:
        """The mean network of the matched draws."""
        aligned = permute(self.symmetry, found.permutation, self.draws)
        return jax.tree.map(
            lambda leaf: np.asarray(np.mean(leaf, axis=0, dtype=np.float64), leaf.dtype), aligned
        )

    def _features(self, rows: slice) -> Features:
        return self.matching.features(jax.tree.map(lambda leaf: leaf[rows], self.draws))

    def _over_chunks(self, function: Callable[[slice], Any]) -> list[Any]:
        """Results chunk by chunk; BLAS and the solver leave other threads free to run."""
        # BLAS threads of its own in every thread would only get in each other's way.
        with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(function, self._chunks()))

    def _chunks(self) -> Iterator[slice]:
        draw_bytes = sum(leaf[0].nbytes for leaf in jax.tree.leaves(self.draws))
        size = max(1, _CHUNK_BYTES // max(1, draw_bytes))
        size = min(size, max(1, -(-self.num_draws // (os.cpu_count() or 1))))
        return (slice(first, first + size) for first in range(0, self.num_draws, size))
