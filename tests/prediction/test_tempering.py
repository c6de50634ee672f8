"""Tempering: the std is scaled and nothing else, by the factor that predicts best."""

import jax
import numpy as np
import pytest

from onebasin.gaussians import DiagonalGaussian, GaussianMixture, LowRankGaussian
from onebasin.prediction import MixturePredictive, fit_temperature, fit_temperatures, temper
from onebasin.prediction.tempering import SCALES

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


def test_a_tempered_std_has_no_error_and_its_mean_keeps_it() -> None:
    tempered = temper(DiagonalGaussian(MEAN, STD, mcse_mean=STD, mcse_std=STD), 0.5)
    assert tempered.mcse_std is None
    np.testing.assert_array_equal(tempered.mcse_mean["w"], STD["w"])


def predict(draws) -> MixturePredictive:
    """One example for each weight, which is observed with a little noise."""
    means = np.asarray(draws["w"], np.float64)
    return MixturePredictive(means, np.full(len(means), 0.1))


@pytest.mark.parametrize("truth", [0.05, 0.3, 1.0])
def test_the_factor_found_is_that_of_the_reference(key, truth: float) -> None:
    gaussian = DiagonalGaussian(MEAN, STD)
    reference = predict(temper(gaussian, truth).sample(400, key=jax.random.fold_in(key, 1)))
    assert truth in SCALES
    found = fit_temperature(gaussian, predict, reference, num_draws=400, key=key)
    assert found == truth


LAYERS = {"first": {"w": np.zeros(3, np.float32)}, "second": np.zeros(2, np.float32)}
STDS = jax.tree.map(lambda leaf: leaf + np.float32(1), LAYERS)


def test_a_mapping_scales_each_array_by_its_own_factor() -> None:
    tempered = temper(DiagonalGaussian(LAYERS, STDS), {"first/w": 0.3, "second": 0.5})
    np.testing.assert_allclose(tempered.std["first"]["w"], 0.3, rtol=1e-6)
    np.testing.assert_array_equal(tempered.std["second"], np.full(2, 0.5, np.float32))
    assert tempered.std["second"].dtype == np.float32


def test_the_std_that_components_share_is_scaled_and_their_means_are_kept() -> None:
    means = jax.tree.map(lambda leaf: np.stack([leaf, leaf + 1]), LAYERS)
    mixture = GaussianMixture(means, jax.tree.map(lambda leaf: leaf[None], STDS))
    tempered = temper(mixture, 0.5)
    assert tempered.values_per_weight == mixture.values_per_weight
    np.testing.assert_array_equal(tempered.std["second"], np.full((1, 2), 0.5, np.float32))
    jax.tree.map(np.testing.assert_array_equal, tempered.mean, means)


def predict_layers(draws) -> MixturePredictive:
    """One example for each weight of the two arrays."""
    means = np.concatenate([draws["first"]["w"], draws["second"]], axis=1).astype(np.float64)
    return MixturePredictive(means, np.full(len(means), 0.1))


@pytest.mark.parametrize(("first", "second"), [(0.1, 0.8), (0.8, 0.3)])
def test_the_factors_found_are_those_of_the_reference(key, first: float, second: float) -> None:
    gaussian = DiagonalGaussian(LAYERS, STDS)
    planted = {"first/w": first, "second": second}
    reference = temper(gaussian, planted).sample(200, key=jax.random.fold_in(key, 1))
    found = fit_temperatures(
        gaussian, predict_layers, predict_layers(reference), 200, scales=(0.1, 0.3, 0.8), key=key
    )
    assert found == planted


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({"first/w": 0.3}, r"Missing: 'second'\."),
        ({"first/w": 0.3, "second": 0.5, "third": 1.0}, r"Unexpected: 'third'\."),
        (-0.5, r"range \[0, inf\)\. Got -0\.5 for first/w"),
        ({"first/w": 0.3, "second": np.inf}, r"range \[0, inf\)\. Got inf for second"),
    ],
)
def test_factors_that_fit_no_std_are_refused(scales, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        temper(DiagonalGaussian(LAYERS, STDS), scales)
