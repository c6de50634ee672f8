"""Intervals: how far a mean would move on other seeds or other test examples."""

import numpy as np
from jaxtyping import Float
from scipy import stats

_RESAMPLES = 1000


def t_interval(
    values: Float[np.ndarray, "repeats *shape"], level: float = 0.95
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Student's interval of the mean over independent repeats (seeds, members).

    Assumes repeats that are independent and roughly normal; NaN for a single one.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    if count < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing
    half = stats.t.ppf(0.5 + level / 2, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
    mean = values.mean(axis=0)
    return np.asarray(mean - half), np.asarray(mean + half)


def bootstrap_interval(
    values: Float[np.ndarray, "examples *shape"], seed: int = 0, level: float = 0.95
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The percentile interval of the mean over test examples, by 1,000 resamples.

    It speaks of other test examples from the same source, not of other trainings.

    Source: Efron (1979), with the percentiles of the resampled means.
    """
    values = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), _RESAMPLES)
    means = np.tensordot(weights / len(values), values, axes=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.asarray(low), np.asarray(high)
