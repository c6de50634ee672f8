"""Schedules of step sizes and temperatures: their numbers, and what they refuse."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from onebasin.methods import (
    cyclical_step_size,
    cyclical_temperature,
    polynomial_decay,
    sample,
    sghmc,
    sgld,
)


def logdensity(params, key):
    del key
    return -0.5 * (params**2).sum()


def test_polynomial_decay_is_that_of_welling_and_teh() -> None:
    a, b, gamma = 0.3, 50.0, 0.7
    steps = np.array([0, 1, 50, 10_000])
    schedule = polynomial_decay(a * b**-gamma, delay=b, power=gamma)
    np.testing.assert_allclose(schedule(jnp.asarray(steps)), a * (b + steps) ** -gamma, rtol=1e-5)


def test_the_cyclical_step_size_is_equation_1_of_zhang_et_al() -> None:
    num_cycles, num_iterations, first = 4, 30, 0.2
    length = -(-num_iterations // num_cycles)
    k = np.arange(1, num_iterations + 1)
    expected = first / 2 * (np.cos(np.pi * np.mod(k - 1, length) / length) + 1)
    schedule = cyclical_step_size(first, length)
    np.testing.assert_allclose(schedule(jnp.asarray(k - 1)), expected, rtol=1e-5)


def test_every_cycle_explores_without_noise_before_it_samples() -> None:
    schedule = cyclical_temperature(5, exploration=0.6, temperature=0.5)
    np.testing.assert_array_equal(schedule(jnp.arange(10)), [0, 0, 0, 0.5, 0.5] * 2)


def test_without_exploration_all_of_a_cycle_samples() -> None:
    schedule = cyclical_temperature(5, exploration=0.0)
    np.testing.assert_array_equal(schedule(jnp.arange(6)), np.ones(6))


@pytest.mark.parametrize(
    ("make", "arguments"),
    [(polynomial_decay, (0.1,)), (cyclical_step_size, (0.1, 5)), (cyclical_temperature, (5,))],
)
def test_schedules_of_the_same_numbers_are_equal_and_pickle(make, arguments) -> None:
    schedule = make(*arguments)
    assert schedule == make(*arguments) == pickle.loads(pickle.dumps(schedule))
    assert hash(schedule) == hash(make(*arguments))
    assert schedule != make(arguments[0] + 1, *arguments[1:])


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_schedules_count_the_steps_of_the_warm_up_too(method) -> None:

    chosen = {"step_size": cyclical_step_size(0.1, 4), "temperature": cyclical_temperature(4)}
    made = method(logdensity, **chosen, num_warmup=3)
    stats = sample(made, jnp.ones((1, 2)), 5, key=jax.random.key(0)).stats
    steps = jnp.arange(3, 8)
    np.testing.assert_allclose(stats["step_size"][0], chosen["step_size"](steps), rtol=1e-5)
    np.testing.assert_array_equal(stats["temperature"][0], chosen["temperature"](steps))


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_schedules_of_optax_are_welcome(method) -> None:

    schedule = optax.linear_schedule(0.1, 0.0, 10)
    made = method(logdensity, step_size=schedule, num_warmup=0)
    state = made.init(jnp.ones(2), key=jax.random.key(0))
    for step_size in (0.1, 0.09):
        state, stats = made.step(state, key=jax.random.key(1))
        np.testing.assert_allclose(stats["step_size"], step_size, rtol=1e-6)


@pytest.mark.parametrize("method", [sgld, sghmc])
def test_at_temperature_0_two_keys_climb_alike(method) -> None:

    made = method(logdensity, step_size=0.1, temperature=0.0)
    state = made.init(jnp.ones(2), key=jax.random.key(0))
    first, second = (made.step(state, key=jax.random.key(seed))[0].position for seed in (1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first < 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: polynomial_decay(0.0), r"first must be positive\. Got 0\.0"),
        (lambda: polynomial_decay(0.1, delay=-1.0), r"delay must be positive\. Got -1"),
        (lambda: polynomial_decay(0.1, power=0.5), r"power must lie in \(0\.5, 1\]\. Got 0\.5"),
        (lambda: cyclical_step_size(np.inf, 5), r"first must be positive\. Got inf"),
        (lambda: cyclical_step_size(0.1, 1), r"cycle_length must be an int in the range \[2, inf"),
        (lambda: cyclical_temperature(1), r"cycle_length must be an int in the range \[2, inf"),
        (lambda: cyclical_temperature(5, exploration=1.0), r"exploration must lie in \[0, 1\)"),
        (lambda: cyclical_temperature(5, temperature=0.0), r"temperature must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["step_size", "temperature"])
def test_a_schedule_that_takes_no_step_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name} must be a function, called as {name}\(num_steps"):
        sgld(logdensity, **{"step_size": 0.1, name: lambda: 0.1})
