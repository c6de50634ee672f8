"""Statistics of every weight, with their Monte Carlo errors, for a block of weights at once."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from onebasin.diagnostics.effective_size import ess, ess_of_tails
from onebasin.diagnostics.kurtosis import kurtosis_of_squares
from onebasin.diagnostics.monte_carlo import error_of_mean, error_of_std
from onebasin.diagnostics.ranks import folded_scores
from onebasin.diagnostics.rhat import rhat_of_scores
from onebasin.diagnostics.rows import blocks, centered, finite_rows, halves, moves, variance


class WeightStatistics(NamedTuple):
    """Statistics of every weight, as `per_weight` computes them. Each is an array over weights.

    `mean`, `std` (ddof = 1) and their Monte Carlo standard errors `mcse_mean` and `mcse_std` are in
    the unit of the weight. The bulk and tail effective sample sizes `ess_bulk` and `ess_tail`, and
    that for the std, `ess_std`, are in draws of all chains. `r_hat`, the excess kurtosis `kurtosis`
    and its z-score `kurtosis_z` have no unit.

    Examples:
        >>> ob.diagnostics.WeightStatistics._fields[:4]
        ('mean', 'std', 'mcse_mean', 'mcse_std')
    """

    mean: Float[np.ndarray, " weight"]
    std: Float[np.ndarray, " weight"]
    mcse_mean: Float[np.ndarray, " weight"]
    mcse_std: Float[np.ndarray, " weight"]
    ess_bulk: Float[np.ndarray, " weight"]
    ess_tail: Float[np.ndarray, " weight"]
    ess_std: Float[np.ndarray, " weight"]
    r_hat: Float[np.ndarray, " weight"]
    kurtosis: Float[np.ndarray, " weight"]
    kurtosis_z: Float[np.ndarray, " weight"]


def per_weight(values: Float[np.ndarray, "chain draw weight"]) -> WeightStatistics:
    """Statistics of every weight, computed in float64.

    They are those of `mcse_mean`, `mcse_std`, `bulk_ess`, `tail_ess`, `r_hat` and
    `excess_kurtosis`, which have the equations and the sources. Computed together they take less
    time, because draws are sorted once. `ess_std` is the smaller of `mean_ess` and `square_ess`,
    and at most the number of draws. 1,000 draws of a weight take about a fifth of a millisecond.

    If a weight never moves, its std and its effective sample sizes are 0, and its errors, R-hat and
    kurtosis are NaN. If a draw of a weight is not finite, all its statistics are NaN.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))
        >>> found = ob.diagnostics.per_weight(values)
        >>> found.std.round(1), found.r_hat.round(1)
        (array([1., 1., 1.]), array([1., 1., 1.]))
    """
    parts = map(_of_block, blocks(values))
    return WeightStatistics(*map(np.concatenate, zip(*parts, strict=True)))


def _of_block(values: Float[np.ndarray, "chain draw weight"]) -> WeightStatistics:
    rows, is_finite = finite_rows(values)
    moved = moves(rows)
    squares = centered(rows) ** 2
    spread = variance(squares)
    scores, folded = folded_scores(halves(rows))
    kurtosis, kurtosis_z = kurtosis_of_squares(squares)
    of_mean, of_squares = ess(halves(rows)), ess(halves(squares))
    found = WeightStatistics(
        mean=rows.mean(axis=(1, 2)),
        std=np.sqrt(spread),
        mcse_mean=error_of_mean(spread, of_mean),
        mcse_std=error_of_std(squares, of_squares),
        ess_bulk=ess(scores),
        ess_tail=ess_of_tails(rows),
        ess_std=np.minimum(np.minimum(of_mean, of_squares), values.shape[0] * values.shape[1]),
        r_hat=rhat_of_scores(scores, folded),
        kurtosis=kurtosis,
        kurtosis_z=kurtosis_z,
    )
    if_still = {"mean": found.mean, "std": 0.0, "ess_bulk": 0.0, "ess_tail": 0.0, "ess_std": 0.0}
    return WeightStatistics(
        *(
            np.where(is_finite, np.where(moved, x, if_still.get(name, np.nan)), np.nan)
            for name, x in found._asdict().items()
        )
    )
