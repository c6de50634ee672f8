"""Intervals of a mean: how far it would move with other seeds, or with other test examples."""

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

_RESAMPLES = 1000


def t_interval(
    values: Float[np.ndarray, "repeats *shape"], level: float = 0.95
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    r"""The lower and upper end of Student's interval of the mean over independent repeats.

    $\bar x \pm t_{n-1} s / \sqrt n$, with the mean $\bar x$ and the std $s$ (ddof = 1) of the $n$
    `values` along their first axis, and the quantile $t_{n-1}$ of Student's distribution at
    (1 + `level`) / 2. Both ends are NaN if there is a single repeat.

    It assumes that repeats, such as seeds, are independent and roughly normal. It is too narrow for
    pairs that share members (`pair_interval`), and can leave the range of a bounded statistic.

    Source: Student (1908), The probable error of a mean.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    if count < 2:
        unknown = np.full(values.shape[1:], np.nan)
        return unknown, unknown
    half = stats.t.ppf(0.5 + level / 2, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
    mean = values.mean(axis=0)
    return np.asarray(mean - half), np.asarray(mean + half)


def pair_interval(
    values: Float[np.ndarray, " pairs"],
    members: Int[np.ndarray, "pairs 2"],
    level: float = 0.95,
) -> tuple[float, float]:
    r"""The lower and upper end of the jackknife interval of the mean over pairs that share members.

    $\bar x \pm t_{n-1} \sqrt{\tfrac{n-1}{n} \sum_c (\bar x_{-c} - m)^2}$, with the mean $\bar x$ of
    the `values`, the mean $\bar x_{-c}$ of the pairs without member $c$, the mean $m$ of these $n$
    means, and the quantile $t_{n-1}$ of Student's distribution at (1 + `level`) / 2. Both ends are
    NaN if some member is in all pairs, as with two members.

    It assumes that the $n$ members, such as chains, are independent and that each is in about as
    many pairs. Pairs may share members. It is too wide if most of the variance is that of single
    pairs and not of members.

    Args:
        values: A quantity of each pair, such as a barrier. Its unit is that of the interval.
        members: The numbers of the two members of each pair.
        level: The probability that the interval is to hold, in (0, 1).

    Source: Arvesen (1969), Jackknifing U-statistics, Annals of Mathematical Statistics 40; that the
    variance is too large on average: Efron and Stein (1981), The jackknife estimate of variance.
    """
    values = np.asarray(values, np.float64)
    each = np.unique(members)
    others = [values[(members != member).all(axis=1)] for member in each]
    if any(len(rest) == 0 for rest in others):
        return float("nan"), float("nan")
    means = np.array([rest.mean() for rest in others])
    std_error = np.sqrt((len(each) - 1) * means.var())
    half = float(stats.t.ppf(0.5 + level / 2, len(each) - 1) * std_error)
    return float(values.mean()) - half, float(values.mean()) + half


def bootstrap_interval(
    values: Float[np.ndarray, "examples *shape"], seed: int = 0, level: float = 0.95
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The lower and upper end of the bootstrap interval of the mean over test examples.

    The examples along the first axis of `values` are resampled 1,000 times with replacement. The
    ends are the quantiles (1 - `level`) / 2 and (1 + `level`) / 2 of the means. It says how far the
    mean would move with other test examples from the same source, not with other trainings.

    Args:
        values: A quantity of each example, such as its log likelihood. Other axes are kept.
        seed: The seed of the resamples. Equal seeds resample the same examples.
        level: The probability that the interval is to hold, in (0, 1).

    Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13, for
    percentile intervals.
    """
    values = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), _RESAMPLES)
    means = np.tensordot(weights / len(values), values, axes=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.asarray(low), np.asarray(high)
