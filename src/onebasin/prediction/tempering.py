"""Tempering: how much of a Gaussian's independent noise predictions can bear."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import equinox as eqx

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin._types import Key, Params
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.prediction.categorical import Predictive

Gaussian: TypeAlias = DiagonalGaussian | LowRankGaussian | GaussianMixture
G = TypeVar("G", bound=Gaussian)

SCALES: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""The factors that are tried; at 0 the Gaussian would have no density."""


def temper(gaussian: G, scale: float | Mapping[str, float]) -> G:
    """The same Gaussian with its std (the residual std, at low rank) times a factor.

    A mapping holds one factor for each array of weights by its path, such as `hidden_0/kernel`.
    Running statistics have no std to scale.
    """
    leaves, weights = map(_trees.named_leaves, (gaussian.std, without_statistics(gaussian.std)))
    scales = scale if isinstance(scale, Mapping) else dict.fromkeys(weights, scale)
    scaled = {name: leaf * leaf.dtype.type(scales[name]) for name, leaf in weights.items()}
    std = {**leaves, **scaled}
    return eqx.tree_at(lambda g: g.std, gaussian, _trees.rebuild(std, gaussian.std))


def fit_temperature(
    gaussian: Gaussian,
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
        key=lambda scale: _distance(temper(gaussian, scale), predict, reference, key, num_draws),
    )


def fit_temperatures(
    gaussian: Gaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    key: Key,
    num_draws: int = 100,
    scales: Sequence[float] = SCALES,
    num_sweeps: int = 2,
) -> dict[str, float]:
    """A factor on the std of each array: from the best common one, array after array is improved.

    Judged as by `fit_temperature`; coordinate descent finds a local optimum.
    """
    judged = lambda factors: _distance(
        temper(gaussian, factors), predict, reference, key, num_draws
    )
    common = fit_temperature(gaussian, predict, reference, key, num_draws, scales)
    found = dict.fromkeys(_trees.named_leaves(without_statistics(gaussian.std)), common)
    least = judged(found)
    for _ in range(num_sweeps):
        for name, before in list(found.items()):
            tried = {s: judged(found | {name: s}) for s in scales if s != before} | {before: least}
            found[name] = min(scales, key=tried.__getitem__)
            least = tried[found[name]]
    return found


def _distance(
    gaussian: Gaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    key: Key,
    num_draws: int,
) -> float:
    predictive = predict(gaussian.sample(key, num_draws))
    return predictive.total_variation(reference)  # pyright: ignore[reportArgumentType]
