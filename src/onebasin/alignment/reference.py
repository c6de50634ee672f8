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
    num_draws: int | None = None,
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
        num_draws: Of how many draws the reference is the mean: evenly spaced ones, as many of every
            chain, rounded up. All draws are matched to it once, so that a round takes less time and
            only the last one is over all. Default: of all.
        max_rounds: The most rounds. A draw that moves in the last of them has not converged.
        tolerance: The iteration ends when a round raises the mean objective by no more than this
            share of what permutations can change of it; at 0, when no draw moves.

    Raises:
        ValueError: For `start` together with `by_chain` or `num_draws`, fewer draws than one, a
            negative number of rounds, or a tolerance that is negative.

    Examples:
        >>> alignment = ob.align(samples, symmetry, reference=ob.to_mean(by_chain=True))
    """
    others = {"by_chain": by_chain, "num_draws": num_draws is not None}
    for other in (name for name, is_given in others.items() if is_given and start is not None):
        raise ValueError(
            f"start and {other} both say where the mean begins. Got both. Leave one of them out."
        )
    if num_draws is not None:
        check_count("num_draws", num_draws, 1)
    check_count("max_rounds", max_rounds, 0)
    check_tolerance(tolerance)
    return ToMean(start, by_chain, num_draws, max_rounds, tolerance)


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
        densest = densest_draw(samples)
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
    num_draws: int | None = eqx.field(static=True)
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
        if self.num_draws is not None and self.num_draws < problem.num_draws:
            some = _evenly_spaced(samples, problem.draws, self.num_draws)
            mean = self._of_all(problem.of(some.flatten()), some, progress).network
            return match_to(problem, mean, progress)
        return self._of_all(problem, samples, progress)

    def _of_all(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        """Match every draw to the iterated mean of all."""
        if self.start is not None:
            given = flat_start(self.start, problem, samples)
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
        within, means = self.within_chains(problem, samples, progress)
        together = problem.of(_trees.stack(means))
        begin = match_to(together, means[0], progress).match
        between = self._iterated(together, begin, progress).match.permutation
        return by_way_of_chains(between, within, samples.num_draws)

    def within_chains(
        self, problem: Problem, samples: Samples, progress: Listener
    ) -> tuple[list[Permutation], list[Params]]:
        """The permutations of each chain's draws that take them to its mean, and the means."""
        within: list[Permutation] = []
        means: list[Params] = []
        for chain in range(samples.num_chains):
            alone = samples.select_chains(chain)
            own = problem.of(_trees.to_host(alone.flatten()))
            begin = self._from_one_draw(own, alone, progress).match
            brought = self._iterated(own, begin, progress)
            within.append(brought.match.permutation)
            means.append(brought.network)
        return within, means

    def _from_one_draw(self, problem: Problem, samples: Samples, progress: Listener) -> Brought:
        densest = densest_draw(samples)
        first = _trees.to_host(samples.draw(0, 0)) if densest is None else densest
        return match_to(problem, first, progress)

    def _iterated(self, problem: Problem, begin: Match, progress: Listener) -> Brought:
        return match_to_mean(problem, begin, self.max_rounds, self.tolerance, progress)


def check_tolerance(tolerance: float) -> None:
    """Raise ValueError for a tolerance that is negative or NaN."""
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be a number in the range [0, inf). Got {tolerance}.")


def by_way_of_chains(
    between: Permutation, within: list[Permutation], num_draws: int
) -> Permutation:
    """Permutations of all draws: those of each chain, and then that of the chain as a whole."""
    joined = _trees.concatenated(within)
    return jax.tree.map(lambda p: np.repeat(p, num_draws, axis=0), between) @ joined


def densest_draw(samples: Samples) -> Params | None:
    """The draw of the largest log density; None if no log density is known."""
    lp = samples.stats.get("lp")
    if lp is None or np.isnan(lp).all():
        return None
    return _trees.to_host(samples.draw(*divmod(int(np.nanargmax(lp)), samples.num_draws)))


def _evenly_spaced(samples: Samples, draws: Params, num_draws: int) -> Samples:
    """Some of the draws, at the same places of every chain, of all draws along one axis."""
    each = min(samples.num_draws, -(-num_draws // samples.num_chains))
    places = (np.arange(each) + 1) * samples.num_draws // each - 1
    shape = (samples.num_chains, samples.num_draws)
    params = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:])[:, places], draws)
    return Samples(params, {name: np.asarray(s)[:, places] for name, s in samples.stats.items()})


def flat_start(start: Start, problem: Problem, samples: Samples) -> Permutation:
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
