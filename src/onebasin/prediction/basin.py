"""basin_check: whether alignment brings draws of different chains into one basin."""

from collections.abc import Callable
from itertools import combinations
from typing import Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._arguments import check_count
from onebasin._stored_array import indexed_as_numpy
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import to
from onebasin.intervals import pair_interval, t_interval
from onebasin.prediction.connectivity import line, midpoint_barrier
from onebasin.prediction.kept_draws import evenly_spaced
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params

Verdict: TypeAlias = Literal["one basin", "not one basin", "cannot tell"]
"""Whether draws of different chains share one basin after alignment."""

Places: TypeAlias = Int[np.ndarray, "pairs 2"]
"""The chain and the draw of one network of each pair."""

_FRACTIONS = np.array([0.0, 0.5, 1.0])


class MeanBarrier(NamedTuple):
    """The midpoint barriers of pairs of networks, in nats.

    Args:
        mean: The mean over pairs.
        interval: The 95 % interval of the mean. None if there are too few chains for one.
        pairs: The barrier of each pair.
    """

    mean: float
    interval: tuple[float, float] | None
    pairs: Float[np.ndarray, " pairs"]


class BasinCheck(NamedTuple):
    """Barriers between draws, in nats, and what they say about alignment.

    Args:
        loss: The mean loss of the draws of different chains.
        unaligned: The barriers between these draws, before alignment.
        aligned: The barriers between the same draws, after alignment.
        matched: The barriers between the same draws, the second of each pair aligned to the first.
        within: The barriers between draws of one chain, half a chain apart, before alignment. None
            if chains have one draw.
        within_aligned: The barriers between these draws of one chain, after alignment.
        tolerance: The largest mean barrier that counts as none.

    Examples:
        >>> before = ob.prediction.MeanBarrier(2.0, (1.0, 3.0), np.full(24, 2.0))
        >>> after = ob.prediction.MeanBarrier(0.5, (0.4, 0.6), np.full(24, 0.5))
        >>> check = ob.prediction.BasinCheck(0.3, before, after, after, None, None, 0.05)
        >>> check.verdict, check.share_removed
        ('not one basin', 0.75)
    """

    loss: float
    unaligned: MeanBarrier
    aligned: MeanBarrier
    matched: MeanBarrier
    within: MeanBarrier | None
    within_aligned: MeanBarrier | None
    tolerance: float

    @property
    def share_removed(self) -> float | None:
        """The share of the mean barrier that alignment removes: 1 - aligned / unaligned.

        None if the mean barrier is at most the tolerance before alignment.
        """
        if self.unaligned.mean <= self.tolerance:
            return None
        return 1 - self.aligned.mean / self.unaligned.mean

    @property
    def verdict(self) -> Verdict:
        """What the interval of the aligned barrier shows.

        `one basin` if the whole interval is at most the tolerance, `not one basin` if the whole
        interval is above it, and otherwise `cannot tell`.
        """
        exceeds = _exceeds(self.aligned, self.tolerance)
        if exceeds is None:
            return "cannot tell"
        return "not one basin" if exceeds else "one basin"

    @property
    def words(self) -> str:
        """The share removed, the nats left, the verdict and the control, as sentences."""
        matched = f"Matched in pairs, the same draws have a barrier of {_nats(self.matched)}."
        return f"{self._effect}: {self._conclusion}. {matched} {self._control}".strip()

    @property
    def _effect(self) -> str:
        before, after = _nats(self.unaligned), _nats(self.aligned)
        if self.share_removed is None:
            return f"The barrier is {before} before alignment and {after} after"
        if self.share_removed < 0:
            return f"Alignment raises the barrier from {before} to {after}"
        return (
            f"Alignment removes {100 * self.share_removed:.0f} % of the barrier and leaves {after}"
        )

    @property
    def _conclusion(self) -> str:
        return {
            "one basin": "draws of different chains share one basin",
            "not one basin": "draws of different chains do not share one basin",
            "cannot tell": "the interval is too wide, or there are too few chains, to tell "
            "whether draws of different chains share one basin",
        }[self.verdict]

    @property
    def _control(self) -> str:
        if self.within is None or self.within_aligned is None:
            return ""
        words = (
            f"Draws of one chain, half a chain apart, have a barrier of {_nats(self.within)} "
            f"before alignment and {_nats(self.within_aligned)} after"
        )
        if self.verdict == "not one basin" and _exceeds(self.within_aligned, self.tolerance):
            return f"{words}: they do not share one basin either."
        return f"{words}."


def basin_check(
    samples: Samples,
    alignment: Alignment,
    loss: Callable[[Params], Float[np.ndarray, " network"]],
    *,
    matching: Matching | None = None,
    num_pairs: int = 24,
    tolerance: float = 0.05,
) -> BasinCheck:
    r"""Measure whether alignment brings draws of different chains into one basin, in nats.

    Networks share a basin if the loss does not rise between them. The barrier of draws $a$ and $b$
    is $L(\tfrac{a + b}{2}) - \tfrac12 [L(a) + L(b)]$. Evenly spaced draws of different chains are
    paired; no draw is in two pairs. Their barriers are measured unaligned, aligned, and with $b$
    matched to $a$ alone. As a control, draws of one chain are paired that are half a chain apart.
    Their barrier before alignment is high if chains permute units. Their barrier after alignment
    says what alignment leaves without a change of chain.

    Only the straight line and its middle are looked at: networks with a barrier can still be
    connected by a curve. A barrier can be below 0, because the mean of two draws is less noisy than
    each. Networks of different functions can then lack a barrier as well.

    Intervals assume that chains are independent. Between chains they are `pair_interval`, because
    pairs share chains; there are none for two chains. Within chains they are Student's over the
    means of chains.

    Args:
        samples: The draws, before alignment, of at least two chains.
        alignment: The alignment of these draws.
        loss: The loss $L$ of each network, such as the mean NLL of test examples in nats. It is
            called with networks that are stacked along the first axis of every leaf.
        matching: How the draws of a pair are matched to each other. Default: `weight_matching()`.
        num_pairs: The number of pairs, both of different chains and of one chain. There are fewer
            if chains have too few draws.
        tolerance: The largest mean barrier that counts as none, in nats. At the default of 0.05 the
            probability of a target falls by 5 % (geometric mean over examples).

    Raises:
        ValueError: If there is one chain only, if the alignment is of other samples, or if
            `num_pairs` is below 1.

    Examples:
        >>> def loss(networks):
        ...     predictive = ob.predict(posterior, networks, data.test.inputs)
        ...     log_probs = predictive.draw_log_probs[:, np.arange(50), data.test.targets]
        ...     return -log_probs.mean(axis=1)
        >>> check = ob.prediction.basin_check(samples, alignment, loss)
        >>> check.verdict  # two chains are too few
        'cannot tell'

    Source: Entezari et al. (2021), arXiv 2110.06296, equation 1, at 1/2; the control is ours.
    """
    check_count("num_pairs", num_pairs, 1)
    if samples.num_chains < 2:
        raise ValueError(
            "A barrier between chains needs at least 2 chains. Got 1. Sample more chains."
        )
    samples = Samples(alignment.symmetry.arranged(samples.params), samples.stats)
    first, second = _between(samples, num_pairs)
    a, b = _at(samples, first), _at(samples, second)
    aligned = alignment.apply(samples)
    chains = np.stack([first[:, 0], second[:, 0]], axis=1)
    ends = _losses(loss, a), _losses(loss, b)

    def barrier(one: Params, other: Params) -> MeanBarrier:
        values = _barriers(loss, one, other, ends)
        return mean_barrier(values, pair_interval(values, chains))

    return BasinCheck(
        loss=float(np.mean(ends)),
        unaligned=barrier(a, b),
        aligned=barrier(_at(aligned, first), _at(aligned, second)),
        matched=barrier(a, _matched(a, b, alignment.symmetry, matching)),
        within=_within(samples, loss, num_pairs),
        within_aligned=_within(aligned, loss, num_pairs),
        tolerance=tolerance,
    )


def mean_barrier(values: Float[np.ndarray, " pairs"], interval: tuple[float, float]) -> MeanBarrier:
    """The mean of barriers and its interval, whose ends are NaN if there is none."""
    is_known = bool(np.isfinite(interval).all())
    return MeanBarrier(float(values.mean()), interval if is_known else None, values)


def _exceeds(barrier: MeanBarrier, tolerance: float) -> bool | None:
    """Whether the whole interval is above the tolerance. None if the tolerance is inside it."""
    if barrier.interval is None:
        return None
    low, high = barrier.interval
    return low > tolerance if low > tolerance or high <= tolerance else None


def _nats(barrier: MeanBarrier) -> str:
    if barrier.interval is None:
        return f"{barrier.mean:z.2f} nats"
    low, high = barrier.interval
    return f"{barrier.mean:z.2f} nats [{low:z.2f}, {high:z.2f}]"


def _between(samples: Samples, num_pairs: int) -> tuple[Places, Places]:
    """Places of draws of different chains. Each chain is in about as many pairs."""
    num_chains, num_draws = samples.num_chains, samples.num_draws
    # Neighbours on a ring first, so that few pairs of many chains are spread over all chains.
    distance = lambda pair: min(pair[1] - pair[0], num_chains - pair[1] + pair[0])
    all_pairs = np.array(sorted(combinations(range(num_chains), 2), key=distance))
    chains = all_pairs[np.arange(num_pairs) % len(all_pairs)]
    while np.bincount(chains.ravel()).max() > num_draws:
        chains = chains[:-1]
    draws = np.zeros_like(chains)
    for chain in np.unique(chains):
        count = int((chains == chain).sum())
        draws[chains == chain] = evenly_spaced(num_draws, count)
    return np.stack([chains[:, 0], draws[:, 0]], 1), np.stack([chains[:, 1], draws[:, 1]], 1)


def _within(
    samples: Samples, loss: Callable[[Params], np.ndarray], num_pairs: int
) -> MeanBarrier | None:
    """The barriers between draws of one chain, half a chain apart. None if it has one draw."""
    half, num_chains = samples.num_draws // 2, samples.num_chains
    if half == 0:
        return None
    count = min(half, -(-num_pairs // num_chains))
    chains = np.repeat(np.arange(num_chains), count)
    draws = np.tile(evenly_spaced(half, count), num_chains)
    a, b = (_at(samples, np.stack([chains, rows], 1)) for rows in (draws, draws + half))
    values = _barriers(loss, a, b, (_losses(loss, a), _losses(loss, b)))
    low, high = t_interval(values.reshape(num_chains, count).mean(axis=1))
    return mean_barrier(values, (float(low), float(high)))


def _at(samples: Samples, places: Places) -> Params:
    """The draws at some places, along one axis."""
    chains, draws = places.T
    return jax.tree.map(lambda leaf: indexed_as_numpy(leaf)[chains, draws], samples.params)


def _matched(a: Params, b: Params, symmetry: Symmetry, matching: Matching | None) -> Params:
    """Each network of `b`, aligned to the one of `a` in its place."""

    def one(n: int) -> Params:
        alone = Samples(jax.tree.map(lambda leaf: leaf[n][None, None], b))
        network = jax.tree.map(lambda leaf: leaf[n], a)
        return align(alone, symmetry, matching, to(network)).apply(alone).draw(0, 0)

    return _trees.stack([one(n) for n in range(len(jax.tree.leaves(a)[0]))])


def _barriers(
    loss: Callable[[Params], np.ndarray],
    a: Params,
    b: Params,
    ends: tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]],
) -> Float[np.ndarray, " pairs"]:
    """The midpoint barriers of pairs of networks whose losses are known."""
    halfway = jax.tree.map(lambda leaf: leaf[0], line(a, b, _FRACTIONS[1:2]))
    along = np.stack([ends[0], _losses(loss, halfway), ends[1]], axis=1)
    return midpoint_barrier(along, _FRACTIONS)


def _losses(loss: Callable[[Params], np.ndarray], networks: Params) -> Float[np.ndarray, " pairs"]:
    """The loss of each network.

    Raises: ValueError if there is not one number for each.
    """
    count = len(jax.tree.leaves(networks)[0])
    values = np.asarray(loss(networks), np.float64)
    if values.shape != (count,):
        raise ValueError(
            f"loss must give one number for each network, of shape ({count},). Got shape "
            f"{values.shape}. Average over examples alone."
        )
    return values
