"""Tempering: the std is scaled and nothing else, by the factor that predicts best."""

import jax
import numpy as np
import pytest

from onebasin.analysis.mixture import MixturePredictive
from onebasin.analysis.tempering import SCALES, fit_temperature, temper
from onebasin.gaussian import DiagonalGaussian, LowRankGaussian

MEAN = {"w": np.array([0.0, 1.0, 5.0], np.float32)}
STD = {"w": np.array([1.0, 1.0, 1.0], np.float32)}
FACTOR = {"w": np.ones((2, 3), np.float32)}


@pytest.mark.parametrize(
    "gaussian", [DiagonalGaussian(MEAN, STD), LowRankGaussian(MEAN, FACTOR, STD)]
)
def test_only_the_std_is_scaled(gaussian) -> None:
    tempered = temper(gaussian, 0.3)
    assert type(tempered) is type(gaussian)
    assert tempered.std["w"].dtype == np.float32
    np.testing.assert_allclose(tempered.std["w"], 0.3, rtol=1e-6)
    np.testing.assert_array_equal(tempered.mean["w"], MEAN["w"])
    if isinstance(gaussian, LowRankGaussian):
        np.testing.assert_array_equal(tempered.factor["w"], FACTOR["w"])


def test_a_factor_of_one_changes_nothing() -> None:
    tempered = temper(DiagonalGaussian(MEAN, STD), 1.0)
    np.testing.assert_array_equal(tempered.std["w"], STD["w"])


def predict(draws) -> MixturePredictive:
    """One example for each weight, which is observed with a little noise."""
    means = np.asarray(draws["w"], np.float64)
    return MixturePredictive(means, np.full(len(means), 0.1))


@pytest.mark.parametrize("truth", [0.05, 0.3, 1.0])
def test_the_factor_found_is_that_of_the_reference(key, truth: float) -> None:
    gaussian = DiagonalGaussian(MEAN, STD)
    reference = predict(temper(gaussian, truth).sample(jax.random.fold_in(key, 1), 400))
    assert truth in SCALES
    found = fit_temperature(gaussian, predict, reference, key, num_draws=400)
    assert found == truth
