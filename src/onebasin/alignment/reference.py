"""References: what draws are matched to, as frozen values that compare and pickle."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool

from onebasin import _trees
from onebasin._arguments import check_count
from onebasin.alignment.descent import Match, unmatched
from onebasin.alignment.iteration import Brought, match_to, match_to_mean
from onebasin.alignment.problem import Listener, Problem
from onebasin.alignment.universe import check_universe, match_pairs
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.types import Array, Params


@runtime_checkable
class Start(Protocol):
    """An earlier `Alignment` of the same samples."""

    @property
    def permutation(self) -> Permutation: ...  # noqa: D102
    @property
    def converged(self) -> Bool[Array, "chain draw"]: ...  # noqa: D102
    @property
    def symmetry(self) -> Symmetry: ...  # noqa: D102


@runtime_checkable
class Reference(Protocol):
    """What draws are matched to: `to_mean()`, `to_first()`, `to(params)` and others."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match the draws of a problem, which are those of the samples along one axis."""
        ...


def to(params: Params) -> "ToNetwork":
    """A given network as reference.

    Each draw is matched by itself, so that aligning few draws gives what aligning many does.

    Examples:
        >>> ob.align(samples, symmetry, reference=ob.to(params)).converged.shape
        (2, 10)
    """
    return ToNetwork(params)


def to_first() -> "ToFirst":
    """The first draw of the first chain as reference: the fastest, and the worst.

    Examples:
        >>> first = ob.align(samples, symmetry, reference=ob.to_first())
    """
    return ToFirst()


def to_densest() -> "ToDensest":
    """The draw of the largest log density as reference; `samples.stats["lp"]` must hold it.

    Examples:
        >>> densest = ob.align(samples, symmetry, reference=ob.alignment.to_densest())
    """
    return ToDensest()


def to_mean(
    *,
    start: Start | None = None,
    by_chain: bool = False,
    max_rounds: int = 200,
    tolerance: float = 1e-4,
) -> "ToMean":
    r"""The mean of the aligned draws as reference, recomputed until it settles.

    The first round matches all draws to the densest draw, or to the first if `lp` is not known.
    Each later round matches them to the mean features of the aligned draws. The mean objective
    never falls. With several hidden layers the optimum is local: compare objectives between
    settings.

    Args:
        start: An earlier alignment of the same samples, from whose permutations to begin.
        by_chain: Whether each chain is first brought to its own mean, and the chains' means to
            theirs: draws of one chain lie closer to each other than to those of other chains.
        max_rounds: The most rounds. A draw that moves in the last of them has not converged.
        tolerance: The iteration ends when a round raises the mean objective by no more than this
            share of what permutations can change of it; at 0, when no draw moves.

    Raises:
        ValueError: For `start` together with `by_chain`, a negative number of rounds, or a
            tolerance that is negative.

    Examples:
        >>> alignment = ob.align(samples, symmetry, reference=ob.to_mean(by_chain=True))
    """
    if start is not None and by_chain:
        raise ValueError(
            "start and by_chain both say where the mean begins. Got both. Leave one of them out."
        )
    check_count("max_rounds", max_rounds, 0)
    _check_tolerance(tolerance)
    return ToMean(start, by_chain, max_rounds, tolerance)


def to_universe(
    *, start: Start | None = None, max_steps: int = 100, tolerance: float = 1e-4
) -> "ToUniverse":
    r"""The mean of draws that are permuted to fit each other in all pairs at once.

    The permutations maximize $\sum_{i < j} \langle P_i F_i, P_j F_j \rangle$, which is what the
    iterated mean maximizes too: the squared norm of the mean, but for constants. The Frank-Wolfe
    algorithm searches over doubly stochastic matrices, so that the first steps commit no unit.
    Each matrix is then rounded to the nearest permutation, and `to_mean` continues from there,
    which never lowers the objective.

    TAKE_WHEN

    The result does not depend on the order of the draws, but for ties and rounding: the search
    begins by a match to the densest draw, or to that of the largest norm if `lp` is not known. It
    is a local optimum, even of one hidden layer.

    In memory are the features of all draws, and several copies of num_draws x the sum of squared
    group sizes. At most 256 draws are matched. `progress` is told of every step, and then of the
    rounds of the mean.

    Args:
        start: An earlier alignment of the same samples, from whose permutations to begin.
        max_steps: The most steps of the Frank-Wolfe algorithm.
        tolerance: The search ends when a step raises the sum over pairs by no more than this share
            of it. The iteration of the mean ends likewise, after 200 rounds at most.

    Raises:
        ValueError: For a negative number of steps or tolerance; and in `align` for nested groups,
            signs that flip some arrays of their units alone, more than 256 draws, or a matching
            whose target is not the mean features times numbers, as that of `gaussian_matching`.

    Examples:
        >>> alignment = ob.align(samples, symmetry, reference=ob.alignment.to_universe())

    Source: Crisostomi et al. (2024), arXiv 2405.17897, section 3 and algorithm 1. The start and
    the continuation by the mean are ours.
    """
    check_count("max_steps", max_steps, 0)
    _check_tolerance(tolerance)
    return ToUniverse(start, max_steps, tolerance)


class ToNetwork(eqx.Module):
    """Match draws to a given network."""

    params: Params

    @property
    def name(self) -> str:
        """What reports call it."""
        return "network"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to the network.

        Raises:
            ValueError: If the network does not fit the symmetry.
        """
        network = problem.symmetry.arranged(self.params)
        problem.symmetry.check(network)
        return match_to(problem, _trees.to_host(network), progress)


class ToFirst(eqx.Module):
    """Match draws to the first one."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return "first"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to the first one."""
        return match_to(problem, _trees.to_host(samples.draw(0, 0)), progress)


class ToDensest(eqx.Module):
    """Match draws to the one of the largest log density."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return "densest"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to the densest one.

        Raises:
            ValueError: If no log density is known.
        """
        densest = _densest(samples)
        if densest is None:
            lp = samples.stats.get("lp")
            raise ValueError(
                'to_densest() needs the log density of every draw in samples.stats["lp"]. Got '
                f"{'NaN alone' if lp is not None else f'statistics {sorted(samples.stats)}'}. "
                "Add it, or take to_mean()."
            )
        return match_to(problem, densest, progress)


class ToMean(eqx.Module):
    """Match draws to their mean, which is recomputed until it settles."""

    start: Start | None
    by_chain: bool = eqx.field(static=True)
    max_rounds: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """What reports call it."""
        return "chains" if self.by_chain else "mean"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to the iterated mean.

        Raises:
            ValueError: If the start is no alignment of these samples.
        """
        if self.start is not None:
            given = _flat_start(self.start, problem, samples)
            begin = unmatched(given, problem.num_draws)
        elif self.by_chain:
            given = self.chain_by_chain(problem, samples, progress)
            begin = unmatched(given, problem.num_draws)
        else:
            begin = self._from_one_draw(problem, samples, progress).match
        return self._iterated(problem, begin, progress)

    def chain_by_chain(
        self, problem: Problem, samples: Samples, progress: Listener = None
    ) -> Permutation:
        """Permutations of all draws that take each by way of its chain's mean.

        Each chain is matched to its iterated mean, from its densest draw (or first), and the means
        of the chains to theirs, from the first.
        """
        within: list[Permutation] = []
        means: list[Params] = []
        for chain in range(samples.num_chains):
            alone = samples.select_chains(chain)
            own = problem.of(_trees.to_host(alone.flatten()))
            begin = self._from_one_draw(own, alone, progress).match
            brought = self._iterated(own, begin, progress)
            within.append(brought.match.permutation)
            means.append(brought.network)
        together = problem.of(_trees.stack(means))
        begin = match_to(together, means[0], progress).match
        between = self._iterated(together, begin, progress).match.permutation
        joined = jax.tree.map(lambda *parts: np.concatenate(parts), *within)
        return jax.tree.map(lambda p: np.repeat(p, samples.num_draws, axis=0), between) @ joined

    def _from_one_draw(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        densest = _densest(samples)
        first = _trees.to_host(samples.draw(0, 0)) if densest is None else densest
        return match_to(problem, first, progress)

    def _iterated(self, problem: Problem, begin: Match, progress: Listener) -> Brought:
        return match_to_mean(problem, begin, self.max_rounds, self.tolerance, progress)


class ToUniverse(eqx.Module):
    """Match draws to each other in all pairs at once, and then to their mean."""

    start: Start | None
    max_steps: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        """What reports call it."""
        return "universe"

    def bring(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to all others, and then to the iterated mean.

        Raises:
            ValueError: If the start is no alignment of these samples, or if no universe is found
                of such draws, their symmetry or their matching.
        """
        check_universe(problem)
        if self.start is not None:
            given = _flat_start(self.start, problem, samples)
        else:
            one = _densest(samples)
            one = _largest(problem) if one is None else one
            given = match_to(problem, one, progress).match.permutation
        found = match_pairs(problem, given, self.max_steps, self.tolerance, progress)
        begin = unmatched(found, problem.num_draws)
        return match_to_mean(problem, begin, 200, self.tolerance, progress)


def _check_tolerance(tolerance: float) -> None:
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be a number in the range [0, inf). Got {tolerance}.")


def _largest(problem: Problem) -> Params:
    """The draw whose weights have the largest norm."""
    squares = [
        np.square(leaf.reshape(problem.num_draws, -1), dtype=np.float64).sum(axis=1)
        for leaf in jax.tree.leaves(problem.draws)
    ]
    number = int(np.sum(squares, axis=0).argmax())
    return jax.tree.map(lambda leaf: leaf[number], problem.draws)


def _densest(samples: Samples) -> Params | None:
    """The draw of the largest log density; None if no log density is known."""
    lp = samples.stats.get("lp")
    if lp is None or np.isnan(lp).all():
        return None
    return _trees.to_host(samples.draw(*divmod(int(np.nanargmax(lp)), samples.num_draws)))


def _flat_start(start: Start, problem: Problem, samples: Samples) -> Permutation:
    """The permutations of an earlier alignment, draws along one axis."""
    shape = (samples.num_chains, samples.num_draws)
    if start.symmetry != problem.symmetry:
        raise ValueError(
            "start must be an alignment under the same symmetry, with the units "
            f"{problem.symmetry.sizes}. Got {start.symmetry.sizes}. Was it made for another "
            "network?"
        )
    if start.converged.shape != shape:
        raise ValueError(
            f"start must be an alignment of these samples, of (chain, draw) {shape}. "
            f"Got {tuple(start.converged.shape)}. Align these samples first."
        )
    return jax.tree.map(lambda p: np.asarray(p).reshape(-1, *p.shape[2:]), start.permutation)
