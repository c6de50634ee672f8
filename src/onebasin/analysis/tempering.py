"""Tempering: how much of a Gaussian's independent noise predictions can bear."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import equinox as eqx
import jax

from onebasin._types import Key, Params
from onebasin.analysis.predictive import Predictive
from onebasin.gaussian import DiagonalGaussian, LowRankGaussian

G = TypeVar("G", bound=DiagonalGaussian | LowRankGaussian)

SCALES: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""The factors that are tried; at 0 the Gaussian would have no density."""


def temper(gaussian: G, scale: float) -> G:
    """The same Gaussian with its std (the residual std, at low rank) times a factor."""
    std = jax.tree.map(lambda leaf: leaf * leaf.dtype.type(scale), gaussian.std)
    return eqx.tree_at(lambda g: g.std, gaussian, std)


def fit_temperature(
    gaussian: DiagonalGaussian | LowRankGaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    key: Key,
    num_draws: int = 100,
    scales: Sequence[float] = SCALES,
) -> float:
    """The factor on the std whose predictions lie closest to a reference in total variation.

    `predict` maps draws to predictions on inputs that were kept out of training and of the
    test; every factor is judged by the same noise. A std of samples ignores how weights depend
    on each other, so independent noise of that size breaks the function, and the factor falls
    below 1: the tempered std is one that predicts, no longer the spread of the samples.
    """
    return min(
        scales,
        key=lambda scale: predict(temper(gaussian, scale).sample(key, num_draws)).total_variation(
            reference  # pyright: ignore[reportArgumentType]
        ),
    )
