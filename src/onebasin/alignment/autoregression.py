"""The autocorrelation of draws: measured, fitted, and given to noise.

Chains may relabel their units at any draw, so the draws of one array entry need not be those of
one unit. What no relabelling changes is a sum over all units that may take a position. The sum of
independent units that share an autocorrelation has that autocorrelation too.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

_PerPosition: TypeAlias = Float[np.ndarray, "*positions"] | np.floating
"""NumPy makes a number of an array without axes, as a weight that is a scalar has them."""
_LARGEST_REFLECTION = 0.9999  # a chain that never moves has 1, which is not stationary
_LEAST_VARIANCE = 1e-4  # of innovations


class Autoregression(NamedTuple):
    r"""Stationary Gaussian processes of unit variance, one for each position.

    $x_t = \sum_{j \le p} \phi_{p,j} x_{t-j} + e_t$, kept as the reflection coefficients
    $\phi_{k,k}$ of the orders $k = 1 \dots p$ on the leading axis.
    """

    reflections: Float[np.ndarray, "order *positions"]

    @property
    def correlation_time(self) -> _PerPosition:
        r"""$1 + 2 \sum_k \rho_k$: so many draws tell as much of a mean as one independent draw."""
        coefficients, variance = self._white()
        for reflection in self.reflections:
            coefficients, variance = _next_order(coefficients, variance, reflection)
        return variance / (1 - coefficients.sum(axis=0)) ** 2

    def correlations(self, num_lags: int) -> Float[np.ndarray, "lag *positions"]:
        r"""$\rho_0 \dots \rho_{p}$ for a number of lags, $\rho_0 = 1$."""
        coefficients, variance = self._white()
        found = [variance]
        for lag in range(1, num_lags + 1):
            following = sum(c * found[lag - j] for j, c in enumerate(coefficients, 1))
            if lag <= len(self.reflections):
                reflection = self.reflections[lag - 1]
                following = following + reflection * variance
                coefficients, variance = _next_order(coefficients, variance, reflection)
            found.append(np.zeros_like(found[0]) + following)
        return np.stack(found)

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...]
    ) -> Float[np.ndarray, "chain draw *shape"]:
        """Independent chains that start in stationarity; positions broadcast to the shape.

        Source: Brockwell and Davis (1991), Time Series: Theory and Methods, section 8.6.
        """
        noise = rng.standard_normal(shape, np.float32)
        coefficients, variance = self._white()
        for draw in range(1, shape[1] if len(self.reflections) else 0):
            if draw <= len(self.reflections):
                reflection = self.reflections[draw - 1]
                coefficients, variance = _next_order(coefficients, variance, reflection)
            noise[:, draw] *= np.sqrt(variance)
            for lag, coefficient in enumerate(coefficients, 1):
                noise[:, draw] += coefficient * noise[:, draw - lag]
        return noise

    def _white(self) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients and the variance of the innovations at order 0."""
        positions = self.reflections.shape[1:]
        return np.zeros((0, *positions)), np.ones(positions)


def fit_autoregression(
    series: Float[np.ndarray, "chain draw *positions"], is_squared: bool = False
) -> Autoregression:
    r"""The autoregression of each position, by Yule and Walker, its order by Akaike's criterion.

    Chains share one mean: about a mean of its own a short chain looks less correlated than it is.
    With `is_squared` the series is a sum of squares of the process, whose autocorrelations are
    $\rho_k^2$; negative $\rho_k$ then count as positive.

    Source: Brockwell and Davis (1991), sections 8.1, 8.2 and 9.3.
    """
    num_chains, num_draws = series.shape[:2]
    most = min(int(10 * np.log10(num_draws)), num_draws // 3)
    found = _yule_walker(_autocorrelations(series, most), num_chains * num_draws)
    if not is_squared:
        return found
    # The root of the fitted autocorrelations: the root of the sample's would be mostly noise.
    return _yule_walker(np.sqrt(np.maximum(found.correlations(most), 0)))


def _autocorrelations(
    series: Float[np.ndarray, "chain draw *positions"], num_lags: int
) -> Float[np.ndarray, "lag *positions"]:
    centered = series - series.mean(axis=(0, 1), dtype=np.float64)
    num_draws = series.shape[1]
    products = np.stack(
        [
            np.mean(centered[:, : num_draws - lag] * centered[:, lag:], axis=(0, 1))
            for lag in range(num_lags + 1)
        ]
    )
    moves = np.ptp(series, axis=(0, 1)) > 0  # a variance of 0 is not one in rounding
    return np.where(moves, products / np.where(moves, products[0], 1.0), 0.0)


def _yule_walker(
    correlations: Float[np.ndarray, "lag *positions"], num_values: int | None = None
) -> Autoregression:
    """By Durbin's and Levinson's recursion; without `num_values` of the largest order.

    The recursion stops where it predicts all but a share of 1e-4: sample autocorrelations of chains
    that hardly move fit no process, and higher orders would explode.
    """
    positions = correlations.shape[1:]
    coefficients, variance = np.zeros((0, *positions)), np.ones(positions)
    reflections, criteria = [], [np.zeros(positions)]
    is_open = np.ones(positions, bool)
    for lag in range(1, len(correlations)):
        explained = (coefficients * correlations[lag - 1 : 0 : -1]).sum(axis=0)
        wanted = (correlations[lag] - explained) / variance
        reflection = np.clip(wanted, -_LARGEST_REFLECTION, _LARGEST_REFLECTION)
        is_open &= variance * (1 - reflection**2) >= _LEAST_VARIANCE
        reflection = np.where(is_open, reflection, 0.0)
        is_open &= reflection == wanted
        coefficients, variance = _next_order(coefficients, variance, reflection)
        reflections.append(reflection)
        criteria.append((num_values or 0) * np.log(variance) + 2 * lag)
    found = np.array(reflections).reshape(-1, *positions)
    if num_values is not None and len(found):
        order = np.argmin(criteria, axis=0)
        lags = np.arange(1, len(found) + 1).reshape(-1, *[1] * len(positions))
        found = np.where(lags <= order, found, 0.0)[: int(order.max(initial=0))]
    return Autoregression(found)


def _next_order(
    coefficients: Float[np.ndarray, "order *positions"],
    variance: _PerPosition,
    reflection: _PerPosition,
) -> tuple[Float[np.ndarray, "_ *positions"], _PerPosition]:
    """Coefficients and innovation variance of one order more (Durbin and Levinson)."""
    kept = coefficients - reflection * coefficients[::-1]
    return np.concatenate([kept, np.asarray(reflection)[None]]), variance * (1 - reflection**2)
