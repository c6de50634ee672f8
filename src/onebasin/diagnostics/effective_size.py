"""Effective sample sizes of every weight, all weights at once.

arviz-stats takes a second for 600 weights, and networks have 100,000. Tests hold the two equal.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import next_fast_len

from onebasin.diagnostics.ranks import normal_scores
from onebasin.diagnostics.rows import centered, finite_rows, flat, halves, moves

TAILS = (0.05, 0.95)
"""The quantiles whose effective sample sizes `tail_ess` takes."""

LEAST_DRAWS = 8
"""If a chain has fewer draws, its halves have too few lags for Geyer's sum."""


def mean_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The effective sample size for the mean of each weight, in draws of all chains together.

    $S = MN / \tau$ for $M$ half chains of $N$ draws, $\tau = -1 + 2 \sum_k (\hat\rho_{2k} +
    \hat\rho_{2k+1})$ and $\hat\rho_t = 1 - (W - \overline{\gamma_t}) / \widehat{\mathrm{var}}^+$.
    $\gamma_t$ is the autocovariance of a half at lag $t$, $W$ the mean variance within halves, and
    $\widehat{\mathrm{var}}^+$ the variance that halves have together.

    It is 0 if a weight never moves, because nothing shows how its chains mix, and NaN if a draw is
    not finite. Chains of fewer than 8 draws count as one draw each.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> ob.diagnostics.mean_ess(values).round(-3)
        array([2000., 2000., 2000.])

    Source: Vehtari et al. (2021), arXiv 1903.08008, equations 10 to 13; the sum ends as Geyer
    (1992), Statistical Science 7, section 3.3, says.
    """
    rows, is_finite = finite_rows(values)
    return _known(ess(halves(rows)), rows, is_finite)


def square_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The effective sample size of $(w - \bar w)^2$ of each weight $w$: that for its variance.

    Weights that never move, draws that are not finite and short chains count as in `mean_ess`.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> ob.diagnostics.square_ess(values).round(-3)
        array([2000., 2000., 2000.])

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 3.1, for the function $(w - \bar w)^2$.
    """
    rows, is_finite = finite_rows(values)
    return _known(ess(halves(centered(rows) ** 2)), rows, is_finite)


def bulk_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    """The bulk effective sample size of each weight: that of the normal scores of its ranks.

    It exists for weights without a finite variance too. Weights that never move, draws that are not
    finite and short chains count as in `mean_ess`.

    Examples:
        >>> values = np.random.default_rng(0).standard_cauchy((4, 500, 3))
        >>> ob.diagnostics.bulk_ess(values).round(-3)
        array([2000., 2000., 2000.])

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 4.1 and equation 14.
    """
    rows, is_finite = finite_rows(values)
    return _known(ess(normal_scores(halves(rows))), rows, is_finite)


def tail_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The tail effective sample size of each weight.

    It is the smaller of those of $I(w \le q_{.05})$ and $I(w \le q_{.95})$, in which $q$ are
    quantiles of all draws. Weights that never move, draws that are not finite and short chains
    count as in `mean_ess`.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> bool((ob.diagnostics.tail_ess(values) > 1000).all())
        True

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 4.3.
    """
    rows, is_finite = finite_rows(values)
    return _known(ess_of_tails(rows), rows, is_finite)


def _known(
    sizes: Float[np.ndarray, " weight"],
    rows: Float[np.ndarray, "weight chain draw"],
    is_finite: Bool[np.ndarray, " weight"],
) -> Float[np.ndarray, " weight"]:
    """Effective sample sizes; 0 if a weight never moves, NaN if a draw is not finite."""
    return np.where(is_finite, np.where(moves(rows), sizes, 0.0), np.nan)


def ess_of_tails(rows: Float[np.ndarray, "weight chain draw"]) -> Float[np.ndarray, " weight"]:
    """The smaller effective sample size of the two tails."""
    draws = flat(rows)
    # w <= quantile if and only if w <= the order statistic at or below the quantile.
    places = [int((draws.shape[1] - 1) * tail) for tail in TAILS]
    low, high = np.partition(draws, places, axis=1)[:, places].T[:, :, None, None]
    below = [halves(rows <= quantile).astype(np.float64) for quantile in (low, high)]
    return np.minimum(*map(ess, below))


def ess(split: Float[np.ndarray, "weight half draw"]) -> Float[np.ndarray, " weight"]:
    """The effective sample size for the mean of each weight, from halves of chains.

    Draws that are all equal count in full, as in arviz-stats. If chains are short, each counts as
    one draw.
    """
    num_halves, length = split.shape[1:]
    if length < LEAST_DRAWS // 2:
        return np.full(len(split), num_halves / 2)
    size = num_halves * length
    varies = moves(split)
    covariances = _autocovariances(split)
    variance = covariances[:, :1] + split.mean(axis=2).var(axis=1, ddof=1, keepdims=True)
    within = covariances[:, :1] * length / (length - 1)
    correlations = 1 - (within - covariances) / np.where(varies[:, None], variance, 1.0)
    correlations[:, 0] = 1.0
    time = np.maximum(_geyer_sum(correlations), 1 / np.log10(size))
    return np.where(varies, size / time, float(size))


def _autocovariances(
    split: Float[np.ndarray, "weight half draw"],
) -> Float[np.ndarray, "weight lag"]:
    """The mean over halves of their autocovariances, each about its own mean."""
    num_halves, length = split.shape[1:]
    num_lags: int = next_fast_len(2 * length - 1, real=True)  # pyright: ignore
    padded = np.zeros((*split.shape[:2], num_lags))
    np.subtract(split, split.mean(axis=2, keepdims=True), out=padded[..., :length])
    parts = np.fft.rfft(padded, axis=2).view(np.float64)
    power = np.einsum("whf,whf->wf", parts, parts)
    sums = np.fft.irfft(power[:, ::2] + power[:, 1::2], num_lags, axis=1)[:, :length]
    return sums / (num_halves * length)


def _geyer_sum(correlations: Float[np.ndarray, "weight lag"]) -> Float[np.ndarray, " weight"]:
    r"""$-1 + 2 \sum_k P_k$ over the initial positive pairs of lags, made monotone."""
    most = (correlations.shape[1] - 1) // 2 - 1
    even, odd = correlations[:, 0 : 2 * most + 1 : 2], correlations[:, 1 : 2 * most + 2 : 2]
    pairs = even + odd
    positive = np.logical_and.accumulate(pairs[:, :most] > 0, axis=1)
    monotone = np.minimum.accumulate(np.where(positive, pairs[:, :most], np.inf), axis=1)
    # Of the pair at which the sum ends, the even lag counts as in arviz-stats.
    end = positive.sum(axis=1)[:, None]
    last, last_pair = (np.take_along_axis(x, end, axis=1)[:, 0] for x in (even, pairs))
    last = np.where((last > 0) | (last_pair >= 0), last, 0.0)
    return -1 + 2 * np.where(positive, monotone, 0.0).sum(axis=1) + last
