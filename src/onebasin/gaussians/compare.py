"""Distances between two Gaussians, weight by weight, and summaries of them over all weights."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy import stats

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.types import Array, Params


def kl_divergence(p: DiagonalGaussian, q: DiagonalGaussian) -> Params:
    r"""The divergence $\mathrm{KL}(p \| q)$ of each weight, in nats, as a tree like the params.

    $\log(\sigma_q / \sigma_p) + (\sigma_p^2 + (\mu_p - \mu_q)^2) / (2 \sigma_q^2) - 1/2$ with the
    means $\mu$ and stds $\sigma$ of `p` and `q`. It is 0 if both are the same point mass, and
    infinite if only one of them is a point mass or they are two different ones. Running statistics
    are left out.

    Both Gaussians must be aligned with each other (`bring_to`): otherwise the divergence of a
    weight is one between two different weights.

    Examples:
        >>> p = ob.DiagonalGaussian({"w": jnp.array([0.0, 0.0])}, {"w": jnp.ones(2)})
        >>> q = ob.DiagonalGaussian({"w": jnp.array([0.0, 1.0])}, {"w": jnp.ones(2)})
        >>> ob.gaussians.kl_divergence(p, q)["w"]
        array([0. , 0.5])

    Source: Kullback and Leibler (1951), On information and sufficiency, for two Gaussians.
    """
    return _of_weights(_kl, p, q)


def _kl(mean: Array, std: Array, other_mean: Array, other_std: Array) -> Float[np.ndarray, "..."]:
    mean, std, other_mean, other_std = _in_float64(mean, std, other_mean, other_std)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (std**2 + (mean - other_mean) ** 2) / (2 * other_std**2)
        divergence = np.log(other_std) - np.log(std) + squares - 0.5
    same = (std == 0) & (other_std == 0) & (mean == other_mean)
    return np.where(same, 0.0, np.where(np.isnan(divergence), np.inf, divergence))


def wasserstein2(p: DiagonalGaussian, q: DiagonalGaussian) -> Params:
    r"""The 2-Wasserstein distance of each weight, in the weight's unit, as a tree like the params.

    $\sqrt{(\mu_p - \mu_q)^2 + (\sigma_p - \sigma_q)^2}$ with the means $\mu$ and stds $\sigma$ of
    `p` and `q`. It is finite for point masses too. Running statistics are left out.

    Both Gaussians must be aligned with each other (`bring_to`), as for `kl_divergence`.

    Examples:
        >>> p = ob.DiagonalGaussian({"w": jnp.array([0.0])}, {"w": jnp.array([1.0])})
        >>> q = ob.DiagonalGaussian({"w": jnp.array([3.0])}, {"w": jnp.array([5.0])})
        >>> ob.gaussians.wasserstein2(p, q)["w"]
        array([5.])

    Source: Givens and Shortt (1984), A class of Wasserstein metrics for probability distributions,
    for Gaussians in one dimension.
    """
    return _of_weights(_wasserstein2, p, q)


def _wasserstein2(mean: Array, std: Array, other_mean: Array, other_std: Array) -> np.ndarray:
    mean, std, other_mean, other_std = _in_float64(mean, std, other_mean, other_std)
    return np.asarray(np.hypot(mean - other_mean, std - other_std))


def _of_weights(
    distance: Callable[..., np.ndarray], p: DiagonalGaussian, q: DiagonalGaussian
) -> Params:
    """A distance of means and stds, `distance(mean_p, std_p, mean_q, std_q)`, of each weight."""
    return jax.tree.map(distance, *map(without_statistics, (p.mean, p.std, q.mean, q.std)))


def _in_float64(*leaves: Array) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float64) for leaf in leaves]


def mean_over_weights(tree: Params) -> float:
    """The mean of a per-weight quantity over all weights of all arrays.

    Every weight counts once. Running statistics are left out.

    Examples:
        >>> ob.gaussians.mean_over_weights({"kernel": np.ones((1, 2)), "bias": np.array([4.0])})
        2.0
    """
    return float(_flat(tree).mean())


def median_over_weights(tree: Params) -> float:
    """The median of a per-weight quantity over all weights of all arrays.

    Every weight counts once. Running statistics are left out.

    Examples:
        >>> ob.gaussians.median_over_weights({"kernel": np.ones((1, 2)), "bias": np.array([4.0])})
        1.0
    """
    return float(np.median(_flat(tree)))


def _flat(tree: Params) -> Float[np.ndarray, " weights"]:
    """All weights in one row, in float64."""
    return _trees.ravel_batch(without_statistics(tree), 0).astype(np.float64)


def rank_correlation(a: Float[Array, " values"], b: Float[Array, " values"]) -> float:
    """Spearman's rank correlation of two rows of values, in [-1, 1]; NaN if one does not vary."""
    if np.ptp(np.asarray(a)) == 0 or np.ptp(np.asarray(b)) == 0:
        return float("nan")
    result: Any = stats.spearmanr(a, b)
    return float(result.statistic)
