"""The autocorrelation of draws, fitted and given to noise."""

import numpy as np
import pytest

from onebasin.alignment.autoregression import Autoregression, fit_autoregression


def chains(*coefficients: float, seed: int = 0, shape=(4, 300, 40)) -> np.ndarray:
    """Autoregressive chains from a plain recursion, long after they have started."""
    noise = np.random.default_rng(seed).standard_normal((shape[0], shape[1] + 500, *shape[2:]))
    for draw in range(1, noise.shape[1]):
        for lag, coefficient in enumerate(coefficients, 1):
            if draw >= lag:
                noise[:, draw] += coefficient * noise[:, draw - lag]
    return noise[:, 500:]


# Of x_t = a x_{t-1} + b x_{t-2} + e_t: (1 + a - b)(1 + b) / ((1 - a - b)(1 - b)), by hand.
@pytest.mark.parametrize(
    ("coefficients", "time"),
    [((), 1), ((0.5,), 3), ((0.9,), 19), ((-0.6,), 0.25), ((1.3, -0.5), 2.8 * 0.5 / (0.2 * 1.5))],
)
def test_the_time_of_an_autoregression_is_found_again(coefficients, time) -> None:
    found = fit_autoregression(chains(*coefficients)).correlation_time
    assert np.median(found) == pytest.approx(time, rel=0.12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_squares_tell_the_autocorrelation_of_what_was_squared(correlation: float) -> None:
    squares = (chains(correlation, shape=(4, 300, 40, 8)) ** 2).sum(axis=-1)
    found = fit_autoregression(squares, is_squared=True).correlation_time
    assert np.median(found) == pytest.approx((1 + correlation) / (1 - correlation), rel=0.15)


def test_noise_has_the_autocorrelations_of_its_process_from_the_first_draw_on() -> None:
    process = Autoregression(np.array([[0.9, 0.5], [-0.3, 0.0]]))
    noise = process.sample(np.random.default_rng(0), (20_000, 6, 2))
    expected = process.correlations(5)
    found = (noise[:, :1] * noise).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=5 / np.sqrt(20_000) * 1.5)
    np.testing.assert_allclose((noise**2).mean(axis=0), 1, atol=5 * np.sqrt(2 / 20_000))
    np.testing.assert_allclose(expected[:, 1], 0.5 ** np.arange(6))


def test_a_weight_that_is_a_scalar_has_a_process_of_its_own() -> None:
    found = fit_autoregression(chains(0.9)[..., 0])
    assert found.correlation_time == pytest.approx(19, rel=0.5)
    noise = found.sample(np.random.default_rng(0), (200, 100))
    assert (noise[:, 1:] * noise[:, :-1]).mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("num_draws", [1, 2, 3, 5])
def test_chains_too_short_for_an_autocorrelation_have_none(num_draws: int) -> None:
    series = np.random.default_rng(0).standard_normal((50, num_draws, 2))
    found = fit_autoregression(series)
    assert (np.abs(found.reflections) < 0.5).all()
    assert found.sample(np.random.default_rng(0), (50, num_draws, 2)).shape == (50, num_draws, 2)


@pytest.mark.parametrize("is_squared", [False, True])
@pytest.mark.parametrize("kind", ["0.99", "0.999", "one way", "a wave"])
def test_noise_of_chains_that_hardly_mix_does_not_explode(kind: str, is_squared: bool) -> None:
    steps = np.random.default_rng(0).standard_normal((4, 300, 40))
    series = {
        "0.99": chains(0.99),
        "0.999": chains(0.999),
        "one way": np.abs(steps).cumsum(axis=1),
        "a wave": np.sin(0.1 * np.arange(300)[:, None] + steps[:, :1]),
    }[kind]
    process = fit_autoregression(series**2 if is_squared else series, is_squared)
    assert (process.correlation_time >= 0).all()
    noise = process.sample(np.random.default_rng(0), (200, 300, 40))
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.3)


def test_chains_that_stand_still_are_white_or_finite() -> None:
    still = np.broadcast_to(np.arange(3.0)[:, None, None], (3, 60, 2))
    for series in (still, np.zeros((3, 60, 2))):
        assert np.isfinite(fit_autoregression(series).correlation_time).all()
