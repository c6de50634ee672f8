"""Monte Carlo standard errors of the mean and the std of every weight, and what they promise."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats
from jaxtyping import Float

from onebasin._stored_array import indexed_as_numpy
from onebasin._threads import map_in_threads
from onebasin.diagnostics.effective_size import ess, mean_ess, square_ess
from onebasin.diagnostics.rows import blocks, centered, finite_rows, halves, moves, variance
from onebasin.samples import Samples
from onebasin.types import Params

_PART_VALUES = 2**24
"""How many draws are read from a store at once: 64 MiB in float32."""


class MonteCarloIntervals(NamedTuple):
    """Intervals for the mean and the std of each weight: the lower ends, then the upper ends.

    Examples:
        >>> errors = np.array([0.05]), np.array([0.04])
        >>> found = ob.diagnostics.mcse_intervals(np.zeros(1), np.ones(1), *errors)
        >>> found.std.round(2).tolist()
        [[0.94], [1.07]]
    """

    mean: Float[np.ndarray, "2 weight"]
    std: Float[np.ndarray, "2 weight"]


def mcse_mean(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The Monte Carlo standard error of the mean of each weight, in the weight's unit.

    $s / \sqrt S$ for the std $s$ (ddof = 1) and the effective sample size $S$ of `mean_ess`. It is
    NaN if a weight never moves or a draw is not finite.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> ob.diagnostics.mcse_mean(values).round(2)  # 1 / sqrt(2000) is .022
        array([0.02, 0.02, 0.02])

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 3.1.
    """
    squares = centered(finite_rows(values)[0]) ** 2
    return error_of_mean(variance(squares), mean_ess(values))


def mcse_std(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    r"""The Monte Carlo standard error of the std of each weight, in the weight's unit.

    $\tfrac12 \sqrt{(m_4 - m_2^2) / (m_2 S)}$ for the mean $m_k$ of $(w - \bar w)^k$ and the
    effective sample size $S$ of $(w - \bar w)^2$ (`square_ess`). It is NaN if a weight never moves
    or a draw is not finite.

    `mcse(method="sd")` of arviz-stats 0.8 has the effective sample size of $w$ in the place of $S$,
    which is smaller if draws are positively correlated: its errors are too large. Later versions
    have $S$.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> ob.diagnostics.mcse_std(values).round(2)  # 1 / sqrt(4000) is .016
        array([0.02, 0.02, 0.02])

    Source: Kenney and Keeping (1951), Mathematics of Statistics, part 2, page 141, with $S$ for the
    number of draws, as `mcse_sd` of the R package posterior has it.
    """
    squares = centered(finite_rows(values)[0]) ** 2
    return error_of_std(squares, square_ess(values))


def mcse_intervals(
    mean: Float[np.ndarray, " weight"],
    std: Float[np.ndarray, " weight"],
    mcse_mean: Float[np.ndarray, " weight"],
    mcse_std: Float[np.ndarray, " weight"],
    level: float = 0.9,
) -> MonteCarloIntervals:
    r"""Intervals that hold the true mean and std of each weight with the probability `level`.

    $\bar w \pm t\, e$ for the mean and $\tilde s \exp(\pm t\, e / s)$ for the std $s$, each with
    its own Monte Carlo standard error $e$. Both differ from the plain $\pm 1.645\, e$ (for 90 %),
    which holds the std in only 85 to 88 % of cases at an effective sample size $S$ of 100:

    - $t$ is a quantile of Student's distribution, because $e$ is estimated too. Its degrees of
      freedom are 2 divided by the relative variance of $e^2$. For Gaussian chains that is about
      $8 / S$ for the mean and $16 / S$ for the std: the relative variance of $S$ itself is 7 to 10
      divided by $S$, and the variance and the fourth moment add the rest. By $e$, these are
      $(s / e)^2 / 4$ and $(s / e)^2 / 16$ degrees of freedom.
    - $s$ and $e$ of the std are large together, but $\log s$ and $e / s$ are nearly independent.
    - $s^2$ is too small by the variance of the mean: $\tilde s = s / \sqrt{1 - 1 / S}$.

    With Gaussian autoregressive chains, intervals of 90 % hold the truth in 88 to 92 % of cases if
    $S$ is at least 100 and each chain has at least 50 draws. Halves of shorter chains show too few
    lags, so that their $S$ is too large.

    Args:
        mean: The mean of each weight.
        std: Its std.
        mcse_mean: The Monte Carlo standard error of the mean.
        mcse_std: That of the std.
        level: The probability, in (0, 1). Default: .9.

    Raises:
        ValueError: If `level` is not in (0, 1).

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> found = ob.diagnostics.per_weight(values)
        >>> of = found.mean, found.std, found.mcse_mean, found.mcse_std
        >>> low, high = ob.diagnostics.mcse_intervals(*of, level=0.999).std
        >>> bool(((low < 1) & (1 < high)).all())
        True

    Source: Satterthwaite (1946), Biometrics Bulletin 2, pages 110 to 114, for degrees of freedom
    from a relative variance. The relative variance of $S$ was measured.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1). Got {level}. For 90 per cent pass 0.9.")
    quantile = lambda freedom: scipy.stats.t.ppf((1 + level) / 2, freedom)
    ends = np.array([-1.0, 1.0])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_mean, of_std = mcse_mean / std, mcse_std / std
        centre = std / np.sqrt(1 - of_mean**2)
        return MonteCarloIntervals(
            mean + ends * quantile(of_mean**-2 / 4) * mcse_mean,
            centre * np.exp(ends * quantile(of_std**-2 / 16) * of_std),
        )


def error_of_mean(
    variance: Float[np.ndarray, " weight"], size: Float[np.ndarray, " weight"]
) -> Float[np.ndarray, " weight"]:
    """The standard error of the mean from the variance and the effective sample size."""
    return np.sqrt(variance / np.where(size > 0, size, np.nan))


def error_of_std(
    squares: Float[np.ndarray, "weight chain draw"], size: Float[np.ndarray, " weight"]
) -> Float[np.ndarray, " weight"]:
    """The standard error of the std from squared distances from the mean, and the ESS of these."""
    second = squares.mean(axis=(1, 2))
    fourth = np.einsum("wcd,wcd->w", squares, squares) / (squares.shape[1] * squares.shape[2])
    # Of a weight with two values the difference is 0, but for rounding.
    of_variance = np.maximum(fourth - second**2, 0)
    scale = 4 * second * size
    return np.sqrt(of_variance / np.where(scale > 0, scale, np.nan))


def monte_carlo_errors(samples: Samples) -> tuple[Params, Params]:
    """`mcse_mean` and `mcse_std` of every weight, as trees shaped like the mean of the samples.

    Stored samples are read a number of weights at a time, each with all of its draws.
    """
    leaves, structure = jax.tree.flatten(samples.params)
    of_means, of_stds = zip(*map(_errors_of_leaf, leaves), strict=True)
    return jax.tree.unflatten(structure, of_means), jax.tree.unflatten(structure, of_stds)


def _errors_of_leaf(leaf: Any) -> Float[np.ndarray, "2 *shape"]:
    num_chains, num_draws, *shape = leaf.shape
    dtype = np.result_type(leaf.dtype, np.float32)
    errors = np.empty((2, *shape), dtype)
    for part in _parts(shape, _PART_VALUES // (num_chains * num_draws)):
        values = np.asarray(indexed_as_numpy(leaf)[slice(None), slice(None), *part])
        flat = values.reshape(num_chains, num_draws, math.prod(values.shape[2:]))
        found = list(map_in_threads(_errors_of_block, blocks(flat.astype(dtype, copy=False))))
        errors[(slice(None), *part)] = np.concatenate(found, axis=1).reshape(2, *values.shape[2:])
    return errors


def _errors_of_block(
    values: Float[np.ndarray, "chain draw weight"],
) -> Float[np.ndarray, "2 weight"]:
    rows, is_finite = finite_rows(values)
    squares = centered(rows) ** 2
    of_mean = error_of_mean(variance(squares), ess(halves(rows)))
    of_std = error_of_std(squares, ess(halves(squares)))
    return np.where(is_finite & moves(rows), np.stack([of_mean, of_std]), np.nan)


def _parts(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Indices of the parts of an array that have at most so many entries, or one."""
    if not shape:
        yield ()
        return
    rows = most // max(1, math.prod(shape[1:]))
    if rows > 0 or len(shape) == 1:
        step = max(1, rows)
        yield from ((slice(first, first + step),) for first in range(0, shape[0], step))
        return
    for row in range(shape[0]):
        yield from ((slice(row, row + 1), *part) for part in _parts(shape[1:], most))
