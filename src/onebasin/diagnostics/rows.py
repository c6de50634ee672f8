"""Draws of every weight as one contiguous row, in which sorts and Fourier transforms are fast."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

_BLOCK_VALUES = 2**16
"""How many draws are computed with at once: 512 KiB in float64, which the cache of a core holds."""


def blocks(
    values: Float[np.ndarray, "chain draw weight"],
) -> list[Float[np.ndarray, "chain draw _"]]:
    """The same values, a few weights at a time. There is one block at least."""
    num_chains, num_draws, num_weights = values.shape
    size = max(1, _BLOCK_VALUES // (num_chains * num_draws))
    return [values[..., first : first + size] for first in range(0, max(1, num_weights), size)]


def finite_rows(
    values: Float[np.ndarray, "chain draw weight"],
) -> tuple[Float[np.ndarray, "weight chain draw"], Bool[np.ndarray, " weight"]]:
    """Rows in float64, and which of them are finite. The others become 0, so that nothing warns."""
    rows = np.ascontiguousarray(values.transpose(2, 0, 1), np.float64)
    is_finite = np.asarray(np.isfinite(rows).all(axis=(1, 2)))
    if not is_finite.all():
        rows = np.where(is_finite[:, None, None], rows, 0.0)
    return rows, is_finite


def moves(rows: Float[np.ndarray, "weight chain draw"]) -> Bool[np.ndarray, " weight"]:
    """Whether the draws of a weight are not all equal."""
    return np.asarray((rows != rows[:, :1, :1]).any(axis=(1, 2)))


def centered(
    rows: Float[np.ndarray, "weight chain draw"],
) -> Float[np.ndarray, "weight chain draw"]:
    """Draws less the mean of their weight."""
    return rows - rows.mean(axis=(1, 2), keepdims=True)


def halves(
    rows: Shaped[np.ndarray, "weight chain draw"],
) -> Shaped[np.ndarray, "weight half half_draw"]:
    """The first and the last half of each chain. Of an odd number of draws, the middle one goes."""
    num_weights, num_chains, num_draws = rows.shape
    half = num_draws // 2
    if num_draws % 2:
        rows = np.concatenate([rows[..., :half], rows[..., num_draws - half :]], axis=2)
    return rows.reshape(num_weights, 2 * num_chains, half)


def flat(rows: Shaped[np.ndarray, "weight chain draw"]) -> Shaped[np.ndarray, "weight draws"]:
    """All draws of a weight in one row."""
    num_weights, num_chains, num_draws = rows.shape
    return rows.reshape(num_weights, num_chains * num_draws)


def variance(squares: Float[np.ndarray, "weight chain draw"]) -> Float[np.ndarray, " weight"]:
    """The variance (ddof = 1) from squared distances from the mean; NaN of a single draw."""
    freedom = squares.shape[1] * squares.shape[2] - 1
    return squares.sum(axis=(1, 2)) / (freedom or np.nan)
