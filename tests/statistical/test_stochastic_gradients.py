"""SGLD, SGHMC and SWAG on a Gaussian: draws have the biased covariance that theory gives.

All of them are linear in the params there. So the covariance of their draws is exact, at any step
size and with noise of the gradient. It is computed here in float64, by recursions of our own. Every
test fails by chance for fewer than one key in a million: Student's statistic of independent chains
stays within a quantile, corrected by Bonferroni for the number of comparisons.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg
import scipy.stats

from onebasin.methods import (
    cyclical_step_size,
    cyclical_temperature,
    sample,
    sghmc,
    sgld,
    swag,
)

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6
NUM_CHAINS = 64
KEY = jax.random.key(11)
MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 2.0]])
PRECISION = np.linalg.inv(COVARIANCE)
GRADIENT_STDS = np.array([1.0, 0.5, 2.0])
GRADIENT_COVARIANCE = np.diag(GRADIENT_STDS**2)
NONE = np.zeros((3, 3))
EYE = np.eye(3)


def exact(params, key):
    del key
    deviation = params - jnp.asarray(MEAN, float)
    return -0.5 * deviation @ jnp.asarray(PRECISION, float) @ deviation


def noisy(params, key):
    """An unbiased estimate whose gradient has the covariance above."""
    noise = jnp.asarray(GRADIENT_STDS, float) * jax.random.normal(key, (3,))
    return exact(params, key) + noise @ params


def draw(method, num_draws: int, thin: int = 1) -> np.ndarray:
    starts = jnp.tile(jnp.asarray(MEAN, jnp.float32)[None], (NUM_CHAINS, 1))
    options = {"thin": thin, "num_chunks": 1, "batch_size": NUM_CHAINS // 2}
    return sample(method, starts, num_draws, **options, key=KEY).params.astype(np.float64)


def assert_moments(draws: np.ndarray, covariance: np.ndarray) -> None:
    """Each chain gives one estimate of every moment; chains are independent."""
    rows, columns = np.triu_indices(3)
    centred = draws - MEAN
    moments = np.concatenate([centred, centred[..., rows] * centred[..., columns]], axis=-1)
    estimates = moments.mean(axis=1)
    truth = np.concatenate([np.zeros(3), covariance[rows, columns]])
    errors = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    # The error is small beside the variances, or the test would be about nothing.
    assert (errors < 0.03 * covariance.max()).all()
    bound = scipy.stats.t.isf(FAILURE_RATE / (2 * truth.size), len(estimates) - 1)
    assert np.abs((estimates.mean(axis=0) - truth) / errors).max() < bound


def langevin_covariance(step_size: float, temperature: float, noise: np.ndarray) -> np.ndarray:
    """Where w' = (I - eps Lambda) w + noise keeps its covariance."""
    return scipy.linalg.solve_discrete_lyapunov(
        EYE - step_size * PRECISION, step_size**2 * noise + 2 * step_size * temperature * EYE
    )


def hamiltonian_covariance(
    step_size: float, num_steps: int, friction: float, temperature: float, noise: np.ndarray
) -> np.ndarray:
    """Where drawing momenta and `num_steps` steps of (w, r) keep the covariance of w."""
    kept = (1 - step_size * friction) * EYE
    one_step = np.block(
        [[EYE, step_size * EYE], [-step_size * PRECISION, kept - step_size**2 * PRECISION]]
    )
    kick = np.zeros((6, 6))
    kick[3:, 3:] = 2 * step_size * friction * temperature * EYE + step_size**2 * noise
    total, power = np.zeros((6, 6)), np.eye(6)
    for _ in range(num_steps):
        total += power @ kick @ power.T
        power = one_step @ power
    drawn = total[:3, :3] + temperature * power[:3, 3:] @ power[:3, 3:].T
    return scipy.linalg.solve_discrete_lyapunov(power[:3, :3], drawn)


CASES = pytest.mark.parametrize(
    ("logdensity", "noise", "temperature"),
    [(exact, NONE, 1.0), (noisy, GRADIENT_COVARIANCE, 1.0), (noisy, GRADIENT_COVARIANCE, 0.3)],
    ids=["exact gradients", "noisy gradients", "noisy and cold"],
)


@CASES
def test_sgld_draws_have_the_covariance_of_its_own_chain(logdensity, noise, temperature) -> None:
    step_size = 0.2
    expected = langevin_covariance(step_size, temperature, noise)
    # The bias is there to be seen: the first weights' variances are off by more than a tenth.
    assert np.abs(np.diag(expected) / np.diag(COVARIANCE) / temperature - 1).max() > 0.1
    method = sgld(logdensity, step_size=step_size, temperature=temperature, num_warmup=300)
    assert_moments(draw(method, 1500, thin=4), expected)


def test_the_covariance_of_sgld_solves_the_equation_of_its_docstring() -> None:
    step_size, temperature = 0.15, 0.3
    sigma = langevin_covariance(step_size, temperature, GRADIENT_COVARIANCE)
    left = PRECISION @ sigma + sigma @ PRECISION - step_size * PRECISION @ sigma @ PRECISION
    right = 2 * temperature * EYE + step_size * GRADIENT_COVARIANCE
    np.testing.assert_allclose(left, right, atol=1e-12)
    sigma = langevin_covariance(step_size, temperature, NONE)
    expected = temperature * np.linalg.inv(PRECISION - step_size / 2 * PRECISION @ PRECISION)
    np.testing.assert_allclose(sigma, expected, atol=1e-12)


@CASES
@pytest.mark.parametrize(("num_steps", "friction"), [(10, 1.0), (3, 0.0)])
def test_sghmc_draws_have_the_covariance_of_its_own_chain(
    logdensity, noise, temperature, num_steps: int, friction: float
) -> None:
    step_size = 0.3
    expected = hamiltonian_covariance(step_size, num_steps, friction, temperature, noise)
    method = sghmc(
        logdensity,
        step_size=step_size,
        num_steps=num_steps,
        friction=friction,
        temperature=temperature,
        num_warmup=100,
    )
    assert_moments(draw(method, 1500), expected)


def test_the_covariance_of_sghmc_comes_near_the_posterior_as_steps_become_small() -> None:
    """With noisy gradients: the bias of long trajectories falls with the step size."""
    biases = [
        np.abs(hamiltonian_covariance(e, 1000, 1.0, 1.0, GRADIENT_COVARIANCE) - COVARIANCE).max()
        for e in (0.04, 0.02, 0.01)
    ]
    assert biases[0] > 1.9 * biases[1] > 3.6 * biases[2]
    assert biases[2] < 0.06


def test_noise_of_the_gradient_heats_long_trajectories_as_the_docstring_of_sghmc_says() -> None:
    step_size, friction = 0.01, 2.0
    warm = hamiltonian_covariance(step_size, 5000, friction, 1.0, EYE)
    expected = (1 + step_size / (2 * friction)) * hamiltonian_covariance(
        step_size, 5000, friction, 1.0, NONE
    )
    np.testing.assert_allclose(warm, expected, rtol=1e-6, atol=1e-9)


def test_the_last_draws_of_cycles_have_the_covariance_of_a_whole_cycle() -> None:
    first, length, exploration = 0.3, 40, 0.5
    covariance = EYE
    for step in range(50 * length):
        at = step % length
        step_size = first / 2 * (np.cos(np.pi * at / length) + 1)
        temperature = float(at >= exploration * length)
        along = EYE - step_size * PRECISION
        covariance = along @ covariance @ along.T + 2 * step_size * temperature * EYE
    method = sgld(
        exact,
        step_size=cyclical_step_size(first, length),
        temperature=cyclical_temperature(length, exploration=exploration),
        num_warmup=5 * length,
    )
    assert_moments(draw(method, 500, thin=length), covariance)


def test_swag_finds_the_spread_of_stochastic_gradient_ascent() -> None:
    """Its variance is that of the stationary distribution less that of the mean of iterates."""
    rate, num_collected = 0.2, 1000
    along = EYE - rate * PRECISION
    sigma = scipy.linalg.solve_discrete_lyapunov(along, rate**2 * GRADIENT_COVARIANCE)
    lagged, of_mean = sigma, num_collected * sigma
    for lag in range(1, num_collected):
        lagged = along @ lagged
        of_mean = of_mean + (num_collected - lag) * (lagged + lagged.T)
    expected = np.diag(sigma - of_mean / num_collected**2)
    method = swag(noisy, optimizer=optax.sgd(rate), num_burn_in=200, num_collected=num_collected)
    starts = jnp.tile(jnp.asarray(MEAN, jnp.float32)[None], (NUM_CHAINS, 1))
    state = sample(method, starts, 1, num_chunks=1, batch_size=32, key=KEY).last_state
    gaussian = jax.vmap(method.gaussian)(state)
    estimates = np.concatenate([gaussian.mean, np.asarray(gaussian.std) ** 2], axis=1)
    truth = np.concatenate([MEAN, expected])
    errors = estimates.std(axis=0, ddof=1) / np.sqrt(NUM_CHAINS)
    assert (errors[3:] < 0.05 * expected).all()
    bound = scipy.stats.t.isf(FAILURE_RATE / (2 * truth.size), NUM_CHAINS - 1)
    assert np.abs((estimates.mean(axis=0) - truth) / errors).max() < bound
