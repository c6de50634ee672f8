"""Tempering: how much of a Gaussian's independent noise predictions can bear."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian
from onebasin.gaussians.mixture import GaussianMixture
from onebasin.prediction.predictive import Predictive
from onebasin.types import Key, Params

Gaussian: TypeAlias = DiagonalGaussian | LowRankGaussian | GaussianMixture
G = TypeVar("G", bound=Gaussian)

SCALES: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""The factors that are tried; at 0 the Gaussian would have no density."""


def temper(gaussian: G, scale: float | Mapping[str, float]) -> G:
    """The same Gaussian with its std (the residual std, at low rank) times a factor.

    A mapping holds one factor for each array of weights by its path, such as `hidden_0/kernel`.
    Running statistics have no std to scale. The tempered std is one that predicts, no longer the
    spread of the samples, so it has no Monte Carlo error.

    Raises:
        ValueError: If a factor is negative or not finite, or a mapping does not name the arrays.

    Examples:
        >>> tempered = ob.prediction.temper(compact, 0.3)
        >>> bool(jnp.allclose(tempered.std["out"]["bias"], 0.3 * compact.std["out"]["bias"]))
        True
    """
    leaves, weights = map(_trees.named_leaves, (gaussian.std, without_statistics(gaussian.std)))
    scales = scale if isinstance(scale, Mapping) else dict.fromkeys(weights, scale)
    _check_scales(scales, weights)
    scaled = {name: leaf * leaf.dtype.type(scales[name]) for name, leaf in weights.items()}
    std = {**leaves, **scaled}
    no_error = {"mcse_std": None} if isinstance(gaussian, DiagonalGaussian) else {}
    return dataclasses.replace(gaussian, std=_trees.rebuild(std, gaussian.std), **no_error)


def _check_scales(scales: Mapping[str, float], weights: Mapping[str, Any]) -> None:
    if set(scales) != set(weights):
        raise ValueError(
            "scale must be one number, or one for each array of weights. "
            f"{_trees.difference(scales, weights)}"
        )
    for name, scale in scales.items():
        if not 0 <= scale < float("inf"):
            raise ValueError(f"scale must be in the range [0, inf). Got {scale} for {name}.")


def fit_temperature(
    gaussian: Gaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    num_draws: int = 100,
    scales: Sequence[float] = SCALES,
    *,
    key: Key,
) -> float:
    """The factor on the std with which a Gaussian predicts nearest to its samples.

    The factor whose draws have the least total variation from `reference`, among `scales`. A std
    of samples ignores how weights depend on each other. Independent noise of that size breaks the
    function, so the factor falls below 1.

    Args:
        gaussian: The Gaussian, a mixture too, whose std is to be scaled by `temper`.
        predict: From draws, whose leaves lead with the draw, to what they predict. Take inputs
            that were kept out of training and of the test, or those of `mixed_inputs`.
        reference: What the samples predict on the same inputs.
        num_draws: How many draws of the Gaussian judge a factor. Default: 100.
        scales: The factors that are tried, in [0, inf). Default: nine from .05 to 1.
        key: What the noise is drawn with, the same for every factor.

    Raises:
        TypeError: If the reference is a predictive of another type than `predict` gives.
        ValueError: If the reference is of other examples, or a factor is out of range.

    Examples:
        >>> predict = lambda draws: ob.predict(posterior, draws, data.validation.inputs)
        >>> reference = predict(samples.flatten())
        >>> fit = ob.prediction.fit_temperature
        >>> scale = fit(compact, predict, reference, num_draws=20, key=key)
        >>> tempered = ob.prediction.temper(compact, scale)
    """
    return min(
        scales,
        key=lambda scale: _distance(
            temper(gaussian, scale), predict, reference, num_draws, key=key
        ),
    )


def fit_temperatures(
    gaussian: Gaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    num_draws: int = 100,
    scales: Sequence[float] = SCALES,
    num_sweeps: int = 2,
    *,
    key: Key,
) -> dict[str, float]:
    """A factor on the std of each array of weights, by its path, as `temper` takes them.

    Begins with the common factor that is best for all arrays together, then improves array after
    array by the same total variation: coordinate descent, which ends in a local optimum.

    Args:
        gaussian: The Gaussian, a mixture too, whose std is to be scaled by `temper`.
        predict: From draws, whose leaves lead with the draw, to what they predict. Take inputs
            that were kept out of training and of the test, or those of `mixed_inputs`.
        reference: What the samples predict on the same inputs.
        num_draws: How many draws of the Gaussian judge a set of factors. Default: 100.
        scales: The factors that are tried, in [0, inf). Default: nine from .05 to 1.
        num_sweeps: How often each array is gone through. Each sweep predicts once for each array
            and factor. Default: 2.
        key: What the noise is drawn with, the same for all factors.

    Raises:
        TypeError: If the reference is a predictive of another type than `predict` gives.
        ValueError: If the reference is of other examples, or a factor is out of range.

    Examples:
        >>> predict = lambda draws: ob.predict(posterior, draws, data.validation.inputs)
        >>> reference, scales = predict(samples.flatten()), (0.1, 0.5)
        >>> fit = ob.prediction.fit_temperatures
        >>> factors = fit(compact, predict, reference, 8, scales, num_sweeps=1, key=key)
        >>> sorted(factors)
        ['hidden_0/bias', 'hidden_0/kernel', 'out/bias', 'out/kernel']
    """
    judged = lambda factors: _distance(
        temper(gaussian, factors), predict, reference, num_draws, key=key
    )
    common = fit_temperature(gaussian, predict, reference, num_draws, scales, key=key)
    factors = dict.fromkeys(_trees.named_leaves(without_statistics(gaussian.std)), common)
    least = judged(factors)
    for _ in range(num_sweeps):
        for name, before in list(factors.items()):
            tried = {s: judged(factors | {name: s}) for s in scales if s != before} | {
                before: least
            }
            factors[name] = min(scales, key=tried.__getitem__)
            least = tried[factors[name]]
    return factors


def _distance(
    gaussian: Gaussian,
    predict: Callable[[Params], Predictive],
    reference: Predictive,
    num_draws: int,
    *,
    key: Key,
) -> float:
    return predict(gaussian.sample(num_draws, key=key)).total_variation(reference)
