"""The effective sample size for the mean of every weight, all weights at once.

arviz-stats takes a second for 600 weights, and networks have 100,000. Tests hold the two equal.
"""

import numpy as np
from jaxtyping import Float


def mean_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    """The effective sample size for the mean of each weight, each chain split in two.

    It is 0 if a weight never moves. Chains of fewer than 8 draws count as one draw each.

    Source: Vehtari et al. (2021), equations 10 to 13; the sum ends as Geyer (1992),
    Statistical Science 7, section 3.3, says.
    """
    moves = np.ptp(values, axis=(0, 1)) > 0
    half = values.shape[1] // 2
    if half < 4:
        return np.where(moves, float(len(values)), 0.0)
    chains = np.concatenate([values[:, :half], values[:, -half:]])
    covariances = _autocovariances(chains)
    within = covariances[0] * half / (half - 1)
    total = covariances[0] + chains.mean(axis=1).var(axis=0, ddof=1)
    correlations = 1 - (within - covariances) / np.where(moves, total, 1.0)
    correlations[0] = 1.0
    size = len(chains) * half
    time = np.maximum(_geyer_sum(correlations), 1 / np.log10(size))
    return np.where(moves, size / time, 0.0)


def _autocovariances(
    chains: Float[np.ndarray, "chain draw weight"],
) -> Float[np.ndarray, "lag weight"]:
    """The mean over chains of their autocovariances, each about its own mean."""
    num_draws = chains.shape[1]
    centered = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centered, 2 * num_draws, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    return np.fft.irfft(power, axis=0)[:num_draws] / num_draws


def _geyer_sum(correlations: Float[np.ndarray, "lag weight"]) -> Float[np.ndarray, " weight"]:
    r"""$-1 + 2 \sum_k P_k$ over the initial positive pairs of lags, made monotone."""
    most = (len(correlations) - 1) // 2 - 1
    pairs = correlations[0 : 2 * most : 2] + correlations[1 : 2 * most : 2]
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    monotone = np.minimum.accumulate(np.where(positive, pairs, np.inf), axis=0)
    end = positive.sum(axis=0)
    # The sum ends at the first pair that is not positive. Its even lag still counts if positive.
    last = np.take_along_axis(correlations, 2 * end[None], axis=0)[0]
    return -1 + 2 * np.where(positive, monotone, 0.0).sum(axis=0) + np.maximum(last, 0)
