"""SWAG: its Gaussian has the moments of the iterates, and its draws come after them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from onebasin.methods import sample, swag

KEY = jax.random.key(3)
NUM_BURN_IN, NUM_COLLECTED, EVERY = 7, 20, 3
NUM_TRAINING = NUM_BURN_IN + NUM_COLLECTED * EVERY


def logdensity(params, key):
    noise = jax.random.normal(key, params["w"].shape)
    return -0.5 * ((params["w"] - 100.0 + noise) ** 2).sum() - 0.5 * params["b"] ** 2


def make(**changes):
    chosen = {
        "num_burn_in": NUM_BURN_IN,
        "num_collected": NUM_COLLECTED,
        "collect_every": EVERY,
        "optimizer": optax.sgd(0.1, momentum=0.5),
    }
    return swag(logdensity, **chosen | changes)


def trained(method, num_steps: int):
    """Every iterate, and the state at the end."""
    state = method.init({"w": jnp.zeros(4), "b": jnp.ones(())}, key=KEY)
    step = jax.jit(lambda state, key: method.step(state, key=key))
    iterates = []
    for key in jax.random.split(KEY, num_steps):
        state, _ = step(state, key)
        iterates.append(jax.tree.map(np.asarray, state.position))
    return iterates, state


def test_the_gaussian_has_the_mean_and_the_std_of_the_collected_iterates() -> None:
    method = make()
    iterates, state = trained(method, NUM_TRAINING)
    collected = iterates[NUM_BURN_IN + EVERY - 1 :: EVERY]
    assert len(collected) == NUM_COLLECTED
    gaussian = method.gaussian(state)
    for name in ("w", "b"):
        values = np.array([iterate[name] for iterate in collected], np.float64)
        np.testing.assert_allclose(gaussian.mean[name], values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(gaussian.std[name], values.std(axis=0), rtol=1e-3)


def test_the_warm_up_ends_when_the_last_iterate_is_collected() -> None:
    assert make().num_warmup == NUM_TRAINING


def test_draws_change_neither_the_moments_nor_the_optimizer() -> None:
    method = make()
    _, before = trained(method, NUM_TRAINING)
    _, after = trained(method, NUM_TRAINING + 2)
    left, right = ((state.mean, state.variance, state.optimizer_state) for state in (before, after))
    jax.tree.map(np.testing.assert_array_equal, left, right)


def test_lp_of_a_draw_is_that_of_the_draw() -> None:
    exact = lambda params, key: -0.5 * (params**2).sum()
    method = swag(exact, optimizer=optax.sgd(0.3), num_burn_in=0, num_collected=4)
    samples = sample(method, jnp.ones((1, 3)), 5, key=KEY)
    np.testing.assert_allclose(
        samples.stats["lp"], -0.5 * (samples.params**2).sum(-1), rtol=1e-5, atol=1e-7
    )


def test_running_statistics_stay_a_point() -> None:
    params = {"weights": {"w": jnp.ones((1, 2))}, "statistics": {"var": jnp.ones((1, 2))}}

    def moving(params, key):
        return params["statistics"]["var"].sum() + (params["weights"]["w"] ** 2).sum()

    method = swag(moving, optimizer=optax.sgd(0.1), num_burn_in=0, num_collected=3)
    state = sample(method, params, 1, key=KEY).last_state
    std = method.gaussian(jax.tree.map(lambda leaf: leaf[0], state)).std
    np.testing.assert_array_equal(std["statistics"]["var"], 0)
    assert (std["weights"]["w"] > 0).all()


def test_a_log_density_without_a_key_is_refused() -> None:
    with pytest.raises(TypeError, match=r"logdensity must be a function, called as"):
        swag(lambda params: 0.0, optimizer=optax.sgd(0.1))
