"""R-hat of every weight, all weights at once."""

import numpy as np
from jaxtyping import Float

from onebasin.diagnostics.ranks import folded_scores
from onebasin.diagnostics.rows import finite_rows, halves, moves

_LEAST_DRAWS = 4


def r_hat(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The rank-normalized R-hat of each weight, without unit. It is 1 if chains agree.

    $\hat R = \sqrt{(B / W + N - 1) / N}$ for halves of chains of $N$ draws. $B$ is $N$ times the
    variance of the means of halves, $W$ the mean of their variances. It is the larger of two: that
    of the normal scores of draws, and that of the normal scores of their distances from the median.

    It is infinite if draws differ between halves and in no half, and NaN if a weight never moves, a
    draw is not finite, or chains have fewer than 4 draws. A single chain has two halves, too.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> ob.diagnostics.r_hat(values).round(1)
        array([1., 1., 1.])

    Source: Vehtari et al. (2021), arXiv 1903.08008, equations 1 to 4 and 14, and section 4.2.
    """
    rows, is_finite = finite_rows(values)
    return np.where(is_finite, rhat_of_scores(*folded_scores(halves(rows))), np.nan)


def rhat_of_scores(*scores: Float[np.ndarray, "weight half draw"]) -> Float[np.ndarray, " weight"]:
    """The largest R-hat of several normal scores; NaN if none of them varies."""
    if scores[0].shape[2] < _LEAST_DRAWS // 2:
        return np.full(len(scores[0]), np.nan)
    return np.fmax.reduce([_rhat(each) for each in scores])


def _rhat(split: Float[np.ndarray, "weight half draw"]) -> Float[np.ndarray, " weight"]:
    length = split.shape[2]
    within = split.var(axis=2, ddof=1).mean(axis=1)
    between = length * split.mean(axis=2).var(axis=1, ddof=1)
    # If the draws of each half are all equal, their computed variance is a rounding error.
    ratio = np.where(moves(split), np.inf, np.nan)
    varies = (split != split[:, :, :1]).any(axis=(1, 2))
    np.divide(between, within, out=ratio, where=varies)
    return np.sqrt((ratio + length - 1) / length)
