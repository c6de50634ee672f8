"""Significance: which stds of aligned samples are smaller than alignment alone would make them."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.alignment.align import align
from onebasin.alignment.effective_size import LEAST_ESS, std_ess
from onebasin.alignment.matching import Matching
from onebasin.alignment.null import exchanged_axes, noise_like
from onebasin.alignment.reference import Reference
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Key, Params

_NUM_NULLS = 20
_LEAST_NULLS = 3
_LEAST_NULL_STDS = 20  # null stds for each rejection that chance may bring, at the level asked for


class Significance(eqx.Module):
    """How probable so small a std is for noise, for each weight.

    Args:
        p_values: The p-value of each weight, a rank among null stds. It is NaN if `ess` is below
            50, or `tested` is False.
        tested: Whether a unit that may move has the weight.
        ess: The effective sample size of each weight for its std, in draws.
        std: The std of each weight in the aligned samples, in the weight's unit.
        floor: The mean of the null stds of each weight's position.
        num_null_stds: How many null stds a p-value is a rank among.
    """

    p_values: Params
    tested: Params
    ess: Params
    std: Params
    floor: Params
    num_null_stds: int = eqx.field(static=True)

    @property
    def undecided_share(self) -> float:
        """The share of the tested weights whose effective sample size is too small for a p-value.

        It is NaN if no weight is tested.
        """
        ess = _trees.ravel_batch(self.ess, 0)[_trees.ravel_batch(self.tested, 0)]
        return float(np.mean(ess < LEAST_ESS)) if len(ess) else float("nan")

    @property
    def cannot_tell(self) -> str:
        """Why there is no answer for the weights together; empty if there is one."""
        ess = _trees.ravel_batch(self.ess, 0)[_trees.ravel_batch(self.tested, 0)]
        if not len(ess):
            return "Cannot tell: the symmetry moves no weight that varies."
        if self.undecided_share <= 0.5:
            return ""
        return (
            f"Cannot tell: {self.undecided_share:.0%} of the weights that may move have an "
            f"effective sample size below {LEAST_ESS} (median {np.median(ess):.0f}). "
            "Draw longer chains, or more of them."
        )

    def share(self, false_discovery_rate: float = 0.05) -> float:
        """`significant_share` of the p-values. If it is NaN, `cannot_tell` gives the reason.

        Raises: ValueError if the rate is not in (0, 1), or too small for the null stds.
        """
        least = _LEAST_NULL_STDS / max(self.num_null_stds, 1)
        if self.num_null_stds and 0 < false_discovery_rate < least:
            raise ValueError(
                f"false_discovery_rate must be at least 20 / {self.num_null_stds} null stds, "
                f"{least:.2g}. Got {false_discovery_rate}. "
                "Pass it to std_significance as level, which then takes more null draws."
            )
        share = significant_share(self.p_values, false_discovery_rate)
        return float("nan") if self.cannot_tell else share


def std_significance(
    samples: Samples,
    symmetry: Symmetry,
    matching: Matching | None = None,
    reference: Reference | None = None,
    *,
    key: Key,
    num_nulls: int | None = None,
    level: float = 0.05,
    progress: Callable[[int, int], None] | None = None,
) -> Significance:
    r"""How probable so small a std of each aligned weight is for noise.

    This aligns the samples, and `num_nulls` times as many draws of noise with the same
    autocorrelation (`null_draws`). A std $s$ is compared with the null stds of its position,
    $z = (s - \bar s') / d$, with $d$ their standard deviation, widened by
    $\sqrt{n' / n}$ if the weight's effective sample size $n$ is below that of the noise, $n'$.
    With $z'$ of all null stds of all positions, $p = (1 + \#\{z' \le z\}) / (1 + \#z')$.

    A small p says that units differ from noise, not that the weight is well determined. The null
    assumes weights that are independent of each other, with independent signs if they may flip:
    units with the same mean weights up to one sign are no noise.

    Args:
        samples: Draws that are not aligned yet, of chains in their own order, not shuffled.
        symmetry: Which units may move.
        matching: As in `align`.
        reference: As in `align`.
        key: Fixes the noise.
        num_nulls: How often noise is aligned. Default: 20, or more for a network so small that
            these have fewer than 20 / `level` stds.
        level: The smallest false discovery rate or p-value that is to be read off.
        progress: Called with the number of alignments of noise that are done, and their total.

    Raises: ValueError if `num_nulls` is too small for `level`, or as `align` and `null_draws` do.

    Examples:
        >>> found = ob.alignment.std_significance(samples, symmetry, key=key)
        >>> print(found.cannot_tell or f"{found.share():.0%} of stds are significant")
        Cannot tell: ... of the weights that may move have an effective sample size below 50 ...

    Source: Phipson and Smyth (2010), arXiv 1603.05766, for p. The pooled z is ours.
    """
    alignment = align(samples, symmetry, matching, reference)
    symmetry = alignment.symmetry  # without what a trial has dropped
    nulls = aligned_nulls(
        samples,
        symmetry,
        matching,
        reference,
        key=key,
        num_nulls=num_nulls,
        level=level,
        progress=progress,
    )
    return compare_with_nulls(alignment.apply(samples), nulls, symmetry, level)


def aligned_nulls(
    samples: Samples,
    symmetry: Symmetry,
    matching: Matching | None = None,
    reference: Reference | None = None,
    *,
    key: Key,
    num_nulls: int | None = None,
    level: float = 0.05,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Samples]:
    """`null_draws` of some samples, each aligned as the samples are: what alignment makes of noise.

    One is in memory at a time, beside the samples. What they share is computed once.

    Args:
        samples: Draws that are not aligned yet, of chains in their own order, not shuffled.
        symmetry: As in `align`, like the next two. They must be those of the samples' alignment.
        matching: As in `align`.
        reference: As in `align`.
        key: Fixes the noise.
        num_nulls: How often noise is aligned. Default: as in `std_significance`.
        level: As in `std_significance`.
        progress: Called with the number of alignments of noise that are done, and their total.

    Raises: ValueError as `align` and `null_draws` do.

    Examples:
        >>> nulls = ob.alignment.aligned_nulls(samples, symmetry, key=key, num_nulls=3)
        >>> [round(ob.alignment.rms(noise.std()), 1) for noise in nulls]
        [..., ..., ...]
    """
    number = num_null_draws(samples, symmetry, level) if num_nulls is None else num_nulls
    drawn = noise_like(samples, symmetry)
    for done, one in enumerate(jax.random.split(key, number), 1):
        noise = drawn(one)
        yield align(noise, symmetry, matching, reference).apply(noise)
        if progress is not None:
            progress(done, number)


def num_null_draws(
    samples: Samples, symmetry: Symmetry, level: float = 0.05, at_least: int = _NUM_NULLS
) -> int:
    """How often noise has to be aligned for p-values down to a level: more for few weights.

    Raises: ValueError for a level that is not in (0, 1).
    """
    _check_rate("level", level)
    weights = symmetry.of_weights
    pieces = _pieces(without_statistics(symmetry.arranged(samples.draw(0, 0))), weights)
    num_tested = sum(leaf.size for name, leaf in pieces.items() if exchanged_axes(weights, name))
    return max(at_least, math.ceil(_LEAST_NULL_STDS / level / max(num_tested, 1)))


def compare_with_nulls(
    aligned: Samples, aligned_nulls: Iterable[Samples], symmetry: Symmetry, level: float = 0.05
) -> Significance:
    """`std_significance` of samples and of `null_draws` that were aligned in any one way.

    Raises: ValueError if trees do not fit the symmetry, or there are too few null draws.
    """
    _check_rate("level", level)
    symmetry.check(aligned.params, 2)
    ess, std = std_ess(aligned), aligned.std()
    null_ess, null_stds = ess, list[Params]()
    for noise in aligned_nulls:
        symmetry.check(noise.params, 2)
        # The first is as good as any: it counts by its median over the units of a position.
        null_ess = null_ess if null_stds else std_ess(noise)
        null_stds.append(noise.std())
    if len(null_stds) < _LEAST_NULLS:
        raise ValueError(
            f"std_significance needs at least {_LEAST_NULLS} alignments of noise. "
            f"Got {len(null_stds)}. Leave num_nulls out to take as many as the level needs."
        )
    found = against_nulls(std, null_stds, ess, null_ess, symmetry)
    _check_pool(found.num_nulls, len(null_stds), level)
    return Significance(found.p_values, found.tested, ess, std, found.null_mean, found.num_nulls)


class AgainstNulls(NamedTuple):
    """Where a statistic of each weight stands among those of aligned noise.

    Args:
        p_values: The share of null statistics that are as small, once standardized by position. It
            is NaN for weights that are not tested or whose effective sample size is below 50.
        tested: Whether a unit that may move has the weight.
        null_mean: The mean of the null statistics of each weight's position.
        num_nulls: How many null statistics a p-value is a rank among.
    """

    p_values: Params
    tested: Params
    null_mean: Params
    num_nulls: int


def against_nulls(
    statistic: Params, nulls: Sequence[Params], ess: Params, null_ess: Params, symmetry: Symmetry
) -> AgainstNulls:
    """How probable so small a statistic of each weight is for noise, as in `std_significance`.

    Pass negatives to ask how probable so large a statistic is.
    """
    scores = _all_scores(statistic, ess, null_ess, nulls, symmetry)
    pool = np.sort(np.concatenate([score.null for score in scores.values()]))
    pieces = symmetry.unfold(statistic)
    whole = lambda leaves: symmetry.fold(
        _trees.rebuild({name: leaves(score) for name, score in scores.items()}, pieces), statistic
    )
    p_values = whole(lambda score: _p_values(score.observed, pool))
    return AgainstNulls(
        jax.tree.map(lambda p, size: np.where(size < LEAST_ESS, np.nan, p), p_values, ess),
        whole(lambda score: ~np.isnan(score.observed)),
        whole(lambda score: score.floor),
        len(pool),
    )


class _Scores(NamedTuple):
    """Standardized stds of one array, those of its null, and the mean null std."""

    observed: Float[np.ndarray, "*shape"]
    null: Float[np.ndarray, " null"]
    floor: Float[np.ndarray, "*shape"]


def _all_scores(
    std: Params, ess: Params, null_ess: Params, null_stds: Sequence[Params], symmetry: Symmetry
) -> dict[str, _Scores]:
    stds, sizes, null_sizes = (_pieces(tree, symmetry) for tree in (std, ess, null_ess))
    nulls = [_pieces(tree, symmetry) for tree in null_stds]
    return {
        name: _scores(
            stds[name],
            sizes[name],
            null_sizes[name],
            np.stack([null[name] for null in nulls]).astype(np.float64),
            exchanged_axes(symmetry, name),
        )
        for name in stds
    }


def _scores(
    std: Float[np.ndarray, "*shape"],
    ess: Float[np.ndarray, "*shape"],
    null_ess: Float[np.ndarray, "*shape"],
    nulls: Float[np.ndarray, "replicate *shape"],
    exchanged: tuple[int, ...],
) -> _Scores:
    """Of an array of which no axis is exchanged, observed scores are NaN and null ones none."""
    if not exchanged:
        return _Scores(np.full(std.shape, np.nan), np.zeros(0), np.asarray(nulls.mean(axis=0)))
    pooled = (0, *(axis + 1 for axis in exchanged))
    mean, variance = (
        f(nulls, axis=pooled, keepdims=True) for f in (np.mean, partial(np.var, ddof=1))
    )
    varies = variance[0] > 0
    # More autocorrelation than the noise has, once aligned, makes a std stray further.
    noise_size = np.median(null_ess, axis=exchanged, keepdims=True)
    widening = np.sqrt(np.maximum(1.0, noise_size / np.maximum(ess, 1.0)))
    scale = np.sqrt(np.where(varies, variance[0], 1.0)) * widening
    observed = np.where(varies, (std - mean[0]) / scale, np.nan)
    # Each null std is standardized by the others, as a std of samples is by all.
    count = nulls.size // mean.size
    away = nulls - mean
    rest = ((count - 1) * variance - away**2 * count / (count - 1)) / max(count - 2, 1)
    varies = np.broadcast_to(varies & (rest > 0) & (count > 2), nulls.shape)
    null = away[varies] * (count / (count - 1)) / np.sqrt(rest[varies])
    return _Scores(observed, null, np.broadcast_to(mean[0], std.shape))


def _p_values(
    observed: Float[np.ndarray, "*shape"], pool: Float[np.ndarray, " null"]
) -> Float[np.ndarray, "*shape"]:
    counts = np.searchsorted(pool, observed, side="right")
    return np.where(np.isnan(observed), np.nan, (1 + counts) / (1 + len(pool)))


def _pieces(tree: Params, symmetry: Symmetry) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(leaf) for name, leaf in _trees.named_leaves(symmetry.unfold(tree)).items()
    }


def _check_pool(num_stds: int, num_nulls: int, level: float) -> None:
    """Raise if p-values are too coarse, so that their steps would decide the result."""
    needed = math.ceil(_LEAST_NULL_STDS / level)
    if 0 < num_stds < needed:
        raise ValueError(
            f"p-values down to {level} need 20 / {level} = {needed} null stds. Got {num_stds} of "
            f"{num_nulls} alignments of noise. Take num_nulls={-(-needed * num_nulls // num_stds)}."
        )


def significant_share(p_values: Params, false_discovery_rate: float = 0.05) -> float:
    """The share of the weights with a p-value that are significant at a false discovery rate.

    Weights of a unit depend on each other. The procedure holds its rate under positive dependence.
    `Significance.share` also checks whether there are enough p-values.

    Args:
        p_values: A tree of p-values. Weights with NaN have none and are left out.
        false_discovery_rate: The expected share of false ones among the significant, in (0, 1).

    Returns:
        The share, or NaN if no weight has a p-value.

    Raises:
        ValueError: If the rate is outside (0, 1).

    Examples:
        >>> ob.alignment.significant_share({"w": np.array([0.001, 0.002, 0.8, np.nan])})
        0.6666666666666666

    Source: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57, section 3.1.
    """
    _check_rate("false_discovery_rate", false_discovery_rate)
    flat = _trees.ravel_batch(jax.tree.map(np.asarray, p_values), 0)
    tested = flat[~np.isnan(flat)]
    if not len(tested):
        return float("nan")
    return float((false_discovery_control(tested) <= false_discovery_rate).mean())


def _check_rate(name: str, rate: float) -> None:
    if not 0 < rate < 1:
        raise ValueError(f"{name} must lie in (0, 1). Got {rate}. For five per cent pass 0.05.")
