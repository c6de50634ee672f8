"""MCLMC and its adjusted form: their tuning is BlackJAX's, and the bias of the unadjusted one."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from arviz_stats.base import array_stats
from blackjax.adaptation.mclmc_adaptation import MCLMCAdaptationState, make_L_step_size_adaptation
from blackjax.adaptation.step_size import dual_averaging_adaptation
from blackjax.mcmc.integrators import IntegratorState
from blackjax.mcmc.mclmc import MCLMCInfo

from onebasin.methods import adjusted_mclmc, mclmc, sample

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6
COVARIANCE = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.3], [0.0, 0.3, 0.5]])
PRECISION = np.linalg.inv(COVARIANCE).astype(np.float32)
START = {"w": jnp.asarray([1.0, -0.5, 0.3])}
NUM_WEIGHTS = 3


def logdensity(params):
    """A correlated Gaussian of mean zero, whose axes have stds from .07 to 1.4."""
    return -0.5 * params["w"] @ jnp.asarray(PRECISION) @ params["w"]


def bounded_logdensity(params):
    """Uniform on a ball of radius 2: without a finite density outside of it."""
    square = (params["w"] ** 2).sum()
    return jnp.where(square < 4, 0.0 * square, jnp.nan)


def take_steps(method, num_steps: int):
    """The positions, statistics and states after each step of one chain, by hand."""
    step = jax.jit(method.step)
    state = method.init(START, key=jax.random.key(0))
    positions, stats, states = [], [], []
    for number in range(num_steps):
        state, told = step(state, key=jax.random.key(number))
        positions.append(np.asarray(state.position["w"], np.float64))
        stats.append({name: float(value) for name, value in told.items()})
        states.append(state)
    return np.array(positions), stats, states


def blackjax_step_size(changes: np.ndarray, aim: float) -> float:
    """What BlackJAX's own tuning makes of the same changes of energy."""
    replayed = jnp.asarray(changes, jnp.float32)

    def kernel(rng_key, state, logdensity_fn, inverse_mass_matrix, L, step_size):
        del rng_key, logdensity_fn, inverse_mass_matrix, L, step_size
        number = state.logdensity.astype(jnp.int32)
        info = MCLMCInfo(state.logdensity, 0.0, replayed[number], jnp.asarray(True))
        return state._replace(logdensity=state.logdensity + 1), info

    tune = make_L_step_size_adaptation(
        kernel, None, NUM_WEIGHTS, 1.0, 0.0, False, desired_energy_var=aim
    )
    zeros = jnp.zeros(NUM_WEIGHTS)
    state = IntegratorState(zeros, zeros, jnp.float32(0.0), zeros)
    begin = MCLMCAdaptationState(jnp.float32(1.0), jnp.float32(0.5), jnp.ones(NUM_WEIGHTS))
    return float(tune(state, begin, len(changes), jax.random.key(0))[1].step_size)


def test_step_sizes_of_mclmc_are_those_of_blackjax_for_the_same_energies() -> None:
    num_warmup, aim = 60, 1e-3
    method = mclmc(
        logdensity, num_steps=1, step_size=0.5, num_warmup=num_warmup, energy_variance=aim
    )
    _, stats, _ = take_steps(method, num_warmup + 2)
    changes = np.sqrt([NUM_WEIGHTS * told["energy_variance"] for told in stats])
    for number in (1, 2, 10, num_warmup):
        expected = blackjax_step_size(changes[:number], aim)
        assert stats[number]["step_size"] == pytest.approx(expected, rel=1e-4), number
    assert stats[-1]["step_size"] == stats[num_warmup]["step_size"]


def test_the_length_of_mclmc_is_the_root_of_the_summed_variances() -> None:
    num_warmup = 60
    method = mclmc(logdensity, num_steps=1, num_warmup=num_warmup)
    positions, stats, _ = take_steps(method, num_warmup + 1)
    second_half = positions[num_warmup // 2 : num_warmup]
    expected = np.sqrt(second_half.var(axis=0, ddof=1).sum())
    assert stats[-1]["momentum_decoherence_length"] == pytest.approx(expected, rel=1e-5)
    assert stats[-2]["momentum_decoherence_length"] == pytest.approx(np.sqrt(NUM_WEIGHTS))


def test_the_length_of_adjusted_mclmc_is_a_multiple_of_that_of_its_second_third() -> None:
    positions, stats, _ = take_steps(adjusted_mclmc(logdensity, num_warmup=60), 41)
    expected = 1.3 * np.sqrt(positions[20:40].var(axis=0, ddof=1).sum())
    assert stats[40]["momentum_decoherence_length"] == pytest.approx(expected, rel=1e-5)
    assert stats[39]["momentum_decoherence_length"] == pytest.approx(np.sqrt(NUM_WEIGHTS))


def test_step_sizes_of_adjusted_mclmc_are_those_of_dual_averaging_begun_anew() -> None:
    num_warmup = 60
    method = adjusted_mclmc(logdensity, step_size=0.3, num_warmup=num_warmup)
    _, stats, _ = take_steps(method, num_warmup + 2)
    init, update, final = dual_averaging_adaptation(0.9)
    averaging, expected = init(0.3), 0.3
    for number, told in enumerate(stats):
        assert told["step_size"] == pytest.approx(float(expected), rel=1e-5), number
        if number < num_warmup:
            averaging = update(averaging, told["acceptance_rate"])
            expected = np.exp(averaging.log_step_size)
            if number + 1 in (40, num_warmup):
                expected = final(averaging)
                averaging = init(expected)


def test_the_mean_number_of_steps_is_the_length_over_the_step_size() -> None:
    def mean_steps(max_steps: int) -> tuple[float, float]:
        method = adjusted_mclmc(
            logdensity,
            max_steps=max_steps,
            step_size=0.05,
            num_warmup=0,
            momentum_decoherence_length=0.5,
        )
        positions = {"w": jnp.zeros((4, NUM_WEIGHTS))}
        samples = sample(method, positions, 2000, num_chunks=1, key=jax.random.key(1))
        steps = samples.stats["n_steps"] / 2  # two gradients a step
        return float(steps.mean()), float(steps.std() / np.sqrt(steps.size))

    for max_steps, expected in ((100, 10.0), (4, 4.0)):
        mean, error = mean_steps(max_steps)
        assert abs(mean - expected) < oracles.z_bound(FAILURE_RATE, 1) * error


def covariance_of(energy_variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of the means and the covariance's entries, and their Monte Carlo errors."""
    method = mclmc(logdensity, num_steps=10, num_warmup=300, energy_variance=energy_variance)
    positions = {"w": jax.random.normal(jax.random.key(2), (4, NUM_WEIGHTS))}
    samples = sample(method, positions, 3000, num_chunks=1, key=jax.random.key(3))
    rows, columns = np.triu_indices(NUM_WEIGHTS)
    draws = np.asarray(samples.params["w"], np.float64)
    values = np.concatenate([draws, draws[..., rows] * draws[..., columns]], axis=-1)
    ess = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    return values.mean(axis=(0, 1)), values.std(axis=(0, 1)) / np.sqrt(ess)


def test_mclmc_recovers_a_gaussian_at_a_small_energy_error_but_not_at_a_large_one() -> None:
    rows, columns = np.triu_indices(NUM_WEIGHTS)
    stds = np.sqrt(np.diag(COVARIANCE))
    truth = np.concatenate([np.zeros(NUM_WEIGHTS), COVARIANCE[rows, columns]])
    scale = np.concatenate([stds, stds[rows] * stds[columns]])
    bound = oracles.z_bound(FAILURE_RATE, truth.size)
    means, errors = covariance_of(1e-5)
    assert (errors < 0.05 * scale).all()
    assert (np.abs(means - truth) < 0.02 * scale + bound * errors).all()  # a bias of 2 %
    means, errors = covariance_of(1.0)
    variances = NUM_WEIGHTS + np.flatnonzero(rows == columns)
    assert (means[variances] + bound * errors[variances] < 0.8 * truth[variances]).all()


def test_the_energy_error_of_mclmc_comes_near_its_aim() -> None:
    aim = 1e-2
    method = mclmc(logdensity, num_warmup=200, energy_variance=aim)
    positions = {"w": jax.random.normal(jax.random.key(4), (8, NUM_WEIGHTS))}
    samples = sample(method, positions, 1000, num_chunks=1, key=jax.random.key(5))
    # Tuning leaves the step size uncertain by some percent, and its sixth power by some tenths.
    ratio = samples.stats["energy_variance"].mean() / aim
    assert 0.5 < ratio < 2


def test_steps_of_mclmc_that_are_not_finite_are_undone_and_told() -> None:
    method = mclmc(bounded_logdensity, num_steps=3, step_size=1.0, num_warmup=20)
    positions, stats, states = take_steps(method, 40)
    assert np.isfinite(positions).all()
    assert (np.linalg.norm(positions, axis=1) < 2).all()
    assert any(told["diverging"] for told in stats)
    assert not all(told["diverging"] for told in stats)
    assert 0 < float(states[-1].step_size) < 1


def test_steps_of_adjusted_mclmc_that_are_not_finite_are_refused_and_told() -> None:
    method = adjusted_mclmc(bounded_logdensity, step_size=10.0, num_warmup=0)
    positions, stats, _ = take_steps(method, 3)
    np.testing.assert_allclose(positions, np.tile(START["w"], (3, 1)), rtol=1e-6)
    assert all(told["diverging"] and told["acceptance_rate"] == 0 for told in stats)
