"""Exact methods leave their target as it is, and adapt their step size to the acceptance asked for.

Every test fails by chance for fewer than one key in a million (the keys are fixed all the same).
"""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.stats
from blackjax.adaptation.staged_adaptation import build_schedule
from blackjax.adaptation.step_size import dual_averaging_adaptation

from onebasin.methods import Method, adjusted_mclmc, hmc, nuts, sample

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6
NUM_CHAINS = 4000
CORRELATION = 0.95


def logdensity(params):
    """A correlated Gaussian, and a banana: b0 ~ N(0, 1), b1 | b0 ~ N(b0^2, .5^2)."""
    gauss, banana = params["gauss"], params["banana"]
    along = (gauss[1] - CORRELATION * gauss[0]) / np.sqrt(1 - CORRELATION**2).astype(np.float32)
    across = (banana[1] - banana[0] ** 2) / 0.5
    return -0.5 * (gauss[0] ** 2 + along**2 + banana[0] ** 2 + across**2)


def exact_draws(seed: int, num_draws: int):
    z = np.random.default_rng(seed).standard_normal((4, num_draws))
    gauss = [z[0], CORRELATION * z[0] + np.sqrt(1 - CORRELATION**2) * z[1]]
    banana = [z[2], z[2] ** 2 + 0.5 * z[3]]
    pairs = {"gauss": gauss, "banana": banana}
    return {name: jnp.asarray(np.stack(pair, 1), jnp.float32) for name, pair in pairs.items()}


def whitened(params) -> np.ndarray:
    """The independent standard normal numbers that exact draws are made of."""
    gauss, banana = (np.asarray(params[name], np.float64) for name in ("gauss", "banana"))
    along = (gauss[:, 1] - CORRELATION * gauss[:, 0]) / np.sqrt(1 - CORRELATION**2)
    across = (banana[:, 1] - banana[:, 0] ** 2) / 0.5
    return np.stack([gauss[:, 0], along, banana[:, 0], across], axis=1)


EXACT = {
    "hmc": hmc(logdensity, num_steps=4, step_size=0.35, num_warmup=0),
    "hmc with jitter": hmc(logdensity, num_steps=4, step_size=0.35, num_warmup=0, jitter=0.5),
    "nuts": nuts(logdensity, max_depth=3, step_size=0.35, num_warmup=0),
    "adjusted_mclmc": adjusted_mclmc(
        logdensity, step_size=0.8, num_warmup=0, momentum_decoherence_length=2.0
    ),
}


@pytest.mark.parametrize("method", EXACT.values(), ids=EXACT)
def test_exact_draws_stay_exact(method: Method) -> None:
    before = exact_draws(0, NUM_CHAINS)
    samples = sample(method, before, 3, num_chunks=1, batch_size=2000, key=jax.random.key(0))
    accepted = samples.stats["acceptance_rate"].mean()
    assert 0.5 < accepted < 0.95  # accepting everything would be wrong by much here
    after = jax.tree.map(lambda leaf: leaf[:, -1], samples.params)
    white = whitened(after)
    assert np.abs(white - whitened(before)).mean() > 0.5  # chains did move
    products = np.stack([white[:, i] * white[:, j] for i in range(4) for j in range(i)], axis=1)
    num_comparisons = 4 + products.shape[1]
    for column in white.T:
        p_value = scipy.stats.kstest(column, "norm").pvalue
        assert p_value > FAILURE_RATE / num_comparisons
    # Products of independent standard normal numbers have mean 0 and variance 1.
    scores = products.mean(axis=0) * np.sqrt(NUM_CHAINS)
    assert np.abs(scores).max() < oracles.z_bound(FAILURE_RATE, num_comparisons)


def test_lp_is_the_log_density_of_the_draw_beside_it() -> None:
    method = hmc(logdensity, num_steps=2, step_size=0.2, num_warmup=2)
    samples = sample(method, exact_draws(1, 2), 5, num_chunks=2, key=jax.random.key(1))
    expected = jax.vmap(jax.vmap(logdensity))(samples.params)
    np.testing.assert_allclose(samples.stats["lp"], expected, rtol=1e-5)


def test_jitter_makes_every_number_of_steps_equally_frequent() -> None:
    method = hmc(logdensity, num_steps=5, step_size=0.01, num_warmup=0, jitter=0.5)
    samples = sample(method, exact_draws(6, 4), 2000, num_chunks=1, key=jax.random.key(6))
    # From round(2.5) to round(7.5), which are 2 and 8.
    numbers, counts = np.unique(samples.stats["n_steps"], return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(2, 9))
    assert scipy.stats.chisquare(counts).pvalue > FAILURE_RATE


def test_jitter_keeps_trajectories_from_ending_where_they_began() -> None:
    # Leapfrog steps of size e turn a standard normal number by the angle acos(1 - e^2 / 2):
    # twelve of them are one full turn.
    step_size = float(np.sqrt(2 * (1 - np.cos(2 * np.pi / 12))))
    positions = {"w": jax.random.normal(jax.random.key(7), (2, 10))}

    def mean_move(jitter: float) -> float:
        method = hmc(
            lambda params: -0.5 * (params["w"] ** 2).sum(),
            num_steps=12,
            step_size=step_size,
            num_warmup=0,
            jitter=jitter,
        )
        draws = sample(method, positions, 100, num_chunks=1, key=jax.random.key(8)).params["w"]
        return float(np.abs(np.diff(draws, axis=1)).mean())

    assert mean_move(0.0) < 1e-4
    assert mean_move(0.5) > 0.5


@pytest.mark.parametrize("target", [0.6, 0.9])
def test_the_step_size_adapts_to_the_target_acceptance(target: float) -> None:
    # In 30 dimensions and few steps acceptance falls steadily with the step size.
    method = hmc(
        lambda params: -0.5 * (params["w"] ** 2).sum(),
        num_steps=3,
        num_warmup=6000,
        target_acceptance=target,
        adapt_mass=False,
    )
    positions = {"w": jax.random.normal(jax.random.key(2), (4, 30))}
    told = []
    samples = sample(
        method, positions, 500, num_chunks=3, progress=told.append, key=jax.random.key(3)
    )
    late_warm_up = [p for p in told if p.phase == "warmup"][-1]
    assert late_warm_up.stats["acceptance_rate"] == pytest.approx(target, abs=0.02)
    # Over 64 chains the acceptance of a chain's draws had a standard deviation of .018 at .6, where
    # it falls steeply with the step size: .1 is more than five of them.
    acceptance = samples.stats["acceptance_rate"].mean(axis=1)
    np.testing.assert_allclose(acceptance, target, atol=0.1)


@pytest.mark.parametrize("num_warmup", [1, 7, 30])
def test_short_warm_ups_adapt_without_harm(num_warmup: int) -> None:
    method = hmc(logdensity, num_steps=2, step_size=0.1, num_warmup=num_warmup, adapt_mass=True)
    step = jax.jit(method.step)
    state = method.init(
        jax.tree.map(lambda leaf: leaf[0], exact_draws(2, 1)), key=jax.random.key(0)
    )
    for number in range(num_warmup + 2):
        state, stats = step(state, key=jax.random.key(number))
    assert 0 < float(stats["step_size"]) < 5
    assert np.isfinite(np.asarray(state.inverse_mass)).all()
    assert (np.asarray(state.inverse_mass) > 0).all()


def test_divergent_trajectories_are_told_and_refused() -> None:
    method = hmc(logdensity, num_steps=20, step_size=5.0, num_warmup=0)
    positions = exact_draws(3, 2)
    samples = sample(method, positions, 3, num_chunks=1, key=jax.random.key(4))
    assert samples.stats["diverging"].all()
    assert (samples.stats["acceptance_rate"] < 1e-6).all()
    jax.tree.map(
        lambda draws, start: np.testing.assert_array_equal(draws[:, -1], start),
        samples.params,
        positions,
    )


def test_step_sizes_are_those_of_dual_averaging_begun_anew_behind_every_window() -> None:
    """The oracle averages the acceptance rates that were told, by BlackJAX's own adaptation."""
    num_warmup, target = 300, 0.8
    method = hmc(
        logdensity,
        num_steps=3,
        step_size=0.1,
        num_warmup=num_warmup,
        target_acceptance=target,
        adapt_mass=True,
    )
    step = jax.jit(method.step)
    state = method.init(
        jax.tree.map(lambda leaf: leaf[0], exact_draws(5, 1)), key=jax.random.key(0)
    )
    init, update, final = dual_averaging_adaptation(target)
    averaging, expected = init(0.1), 0.1
    schedule = np.asarray(build_schedule(num_warmup))
    assert schedule[:, 1].sum() >= 2  # windows end before the last step, or nothing is tried
    for number in range(num_warmup + 1):
        state, stats = step(state, key=jax.random.key(number))
        assert float(stats["step_size"]) == pytest.approx(float(expected), rel=1e-5), number
        if number < num_warmup:
            averaging = update(averaging, stats["acceptance_rate"])
            expected = np.exp(averaging.log_step_size)
            if schedule[number, 1] or number == num_warmup - 1:
                expected = final(averaging)
                averaging = init(expected)
