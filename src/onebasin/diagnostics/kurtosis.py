"""The excess kurtosis of every weight, and whether a Gaussian would have it."""

import numpy as np
from jaxtyping import Float

from onebasin.diagnostics.effective_size import ess
from onebasin.diagnostics.rows import centered, finite_rows, halves, moves


def excess_kurtosis(
    values: Float[np.ndarray, "chain draw weight"],
) -> tuple[Float[np.ndarray, " weight"], Float[np.ndarray, " weight"]]:
    r"""The excess kurtosis $g$ of each weight, without unit, and its z-score under a Gaussian.

    $g = \overline{y^4} - 3$ for the draws $y = (w - \bar w) / s$, with the std $s$ (ddof = 0). It
    is 0 for a Gaussian, and positive if tails are heavy. It is also the mean of the Hermite
    polynomial $H_4(y) = y^4 - 6 y^2 + 3$, the part of $y^4$ that the mean and the variance do not
    determine. $z = g / \sqrt{24 / S}$, in which $S$ is the effective sample size of $H_4(y)$.

    If draws are of a Gaussian process with autocorrelations $\rho_t$, those of $H_4(y)$ are
    $\rho_t^4$, and $z$ is standard normal in long chains. Kurtosis converges slowly: of 1,000 to
    4,000 draws, $z$ is above 3 in .2 to .7 % of weights, not in .13 %, and almost never below -3.

    Both are NaN if a weight never moves or a draw is not finite. Chains of fewer than 8 draws count
    as one draw each.

    Examples:
        >>> draws = np.random.default_rng(0).standard_t(5, (4, 500, 3))  # heavy tails
        >>> kurtosis, z = ob.diagnostics.excess_kurtosis(draws)
        >>> bool((z > 3).all())
        True

    Source: Lomnicki (1961), Metrika 4, pages 37 to 62, for the variance
    $24 \sum_t \rho_t^4 / n$; Lobato and Velasco (2004), Econometric Theory 20, pages 671 to 689,
    for the test with estimated autocorrelations.
    """
    rows, is_finite = finite_rows(values)
    squares = centered(rows) ** 2
    known = is_finite & moves(rows)
    g, z = kurtosis_of_squares(squares)
    return np.where(known, g, np.nan), np.where(known, z, np.nan)


def kurtosis_of_squares(
    squares: Float[np.ndarray, "weight chain draw"],
) -> tuple[Float[np.ndarray, " weight"], Float[np.ndarray, " weight"]]:
    """The excess kurtosis and its z-score from squared distances from the mean."""
    second = squares.mean(axis=(1, 2), keepdims=True)
    scaled = squares / np.where(second > 0, second, 1.0)
    hermite = scaled * (scaled - 6)
    g = hermite.mean(axis=(1, 2)) + 3
    return g, g * np.sqrt(ess(halves(hermite)) / 24)
