"""A method of one's own: its statistics over thinned steps become what it says they do."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob

pytestmark = pytest.mark.slow

KEY = jax.random.key(4)
NUM_CHAINS = 3  # does not divide the two devices of conftest.py
NUM_DRAWS = 5
THIN = 4


class State(NamedTuple):
    position: Any
    num_accepted: Any


def init(position, key) -> State:
    del key
    return State(position, jnp.zeros((), jnp.int32))


def step(state: State, key):
    """A random walk with Metropolis' rule for a standard normal, and statistics of every kind."""
    key_move, key_accept = jax.random.split(key)
    proposal = state.position + 1.5 * jax.random.normal(key_move, state.position.shape)
    log_ratio = 0.5 * (state.position**2 - proposal**2).sum()
    is_accepted = jnp.log(jax.random.uniform(key_accept)) < log_ratio
    position = jnp.where(is_accepted, proposal, state.position)
    num_accepted = state.num_accepted + is_accepted
    stats = {
        "is_accepted": is_accepted,
        "log_ratio": log_ratio,
        "num_accepted": num_accepted,
        "is_far": position[0] > 2,
    }
    return State(position, num_accepted), stats


STATS = ("is_accepted", "log_ratio", "num_accepted", "is_far")


def draw(thin: int, num_draws: int, reduce_stats=None, **options) -> ob.Samples:
    """No draw is thrown away: 20 steps of each chain, whatever they are thinned by."""
    method = ob.methods.Method(init, step, reduce_stats=reduce_stats or {})
    positions = jnp.linspace(-1, 1, 2 * NUM_CHAINS).reshape(NUM_CHAINS, 2)
    return ob.sample(method, positions, num_draws, thin=thin, **options, key=KEY)


def assert_equal_but_for_rounding(actual: np.ndarray, desired: np.ndarray) -> None:
    """Programs of other chunks may round otherwise. Booleans and whole numbers are equal."""
    np.testing.assert_allclose(actual, desired, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def steps() -> dict[str, np.ndarray]:
    """The statistics of every step, as (chain, draw, step since the draw before)."""
    stats = draw(1, NUM_DRAWS * THIN).stats
    return {name: stats[name].reshape(NUM_CHAINS, NUM_DRAWS, THIN) for name in STATS}


OPTIONS = [{"num_chunks": 1}, {"num_chunks": 2}, {"num_chunks": 5, "batch_size": 1}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_share_of_accepted_steps_is_that_of_all_steps(steps, options) -> None:
    thinned = draw(THIN, NUM_DRAWS, {"is_accepted": "mean"}, **options)
    shares = steps["is_accepted"].mean(axis=-1)
    assert len(np.unique(shares)) > 2
    np.testing.assert_array_equal(thinned.stats["is_accepted"], shares)
    assert thinned.stats["is_accepted"].dtype == np.float32


@pytest.mark.parametrize("reduction", ["mean", "sum", "min", "max", "any"])
def test_a_reduction_is_the_function_of_jax_numpy_of_its_name(steps, reduction: str) -> None:
    """Of booleans, whole numbers and floats: values and types."""
    thinned = draw(THIN, NUM_DRAWS, dict.fromkeys(STATS, reduction), num_chunks=2)
    for name in STATS:
        expected = getattr(jnp, reduction)(jnp.asarray(steps[name]), axis=-1)
        assert thinned.stats[name].dtype == expected.dtype, name
        np.testing.assert_allclose(thinned.stats[name], expected, rtol=1e-6, err_msg=name)


def test_a_statistic_that_is_not_named_is_that_of_the_draw(steps) -> None:
    thinned = draw(THIN, NUM_DRAWS, {"is_accepted": "mean"})
    for name in set(STATS) - {"is_accepted"}:
        assert_equal_but_for_rounding(thinned.stats[name], steps[name][..., -1])
    named = draw(THIN, NUM_DRAWS, dict.fromkeys(STATS, "last"))
    np.testing.assert_array_equal(named.stats["is_accepted"], steps["is_accepted"][..., -1])


def test_without_thinning_nothing_is_reduced_but_means_are_floats() -> None:
    plain = draw(1, 6)
    means = draw(1, 6, dict.fromkeys(STATS, "mean"))
    for name in STATS:
        assert_equal_but_for_rounding(means.stats[name], plain.stats[name].astype(np.float32))


def test_the_names_of_hmc_mean_nothing_in_another_method() -> None:
    """Booleans by the name of a rate, which were added up without a word."""

    def renamed(state, key):
        state, stats = step(state, key)
        return state, {"acceptance_rate": stats["is_accepted"], "diverging": stats["log_ratio"]}

    method, positions = ob.methods.Method(init, renamed), jnp.zeros((2, 2))
    every = ob.sample(method, positions, 8, key=KEY)
    thinned = ob.sample(method, positions, 2, thin=4, key=KEY)
    for name, values in thinned.stats.items():
        assert_equal_but_for_rounding(values, every.stats[name][:, 3::4])


def test_progress_tells_the_reduced_statistics_of_the_warm_up_too() -> None:
    chunks: list[ob.methods.Progress] = []
    method = ob.methods.Method(init, step, num_warmup=8, reduce_stats={"is_accepted": "sum"})
    ob.sample(method, jnp.zeros((1, 2)), 2, num_chunks=1, progress=chunks.append, key=KEY)
    alone = ob.sample(ob.methods.Method(init, step), jnp.zeros((1, 2)), 8, key=KEY)
    assert [chunk.phase for chunk in chunks[:2]] == ["compiling", "warmup"]
    assert chunks[1].stats["is_accepted"] == alone.stats["is_accepted"].sum() > 0


@pytest.mark.parametrize("name", ["is_acepted", "lp"])
def test_a_statistic_that_the_method_does_not_give_is_refused(name: str) -> None:
    message = rf"which are \['is_accepted', .*\]\. Got '{name}'\."
    with pytest.raises(ValueError, match=message):
        draw(THIN, NUM_DRAWS, {name: "mean"})
