"""States of BlackJAX become Samples; which axis is which is said, or refused."""

from typing import NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob
from onebasin.interchange import from_blackjax

pytestmark = pytest.mark.slow


def logdensity(params) -> jax.Array:
    return -(params["w"] ** 2).sum() / 2 - (params["b"] ** 2).sum() / 2


FIRST = {"w": jnp.ones((2, 3)), "b": jnp.ones(2)}


@pytest.fixture(scope="module")
def one_chain():
    """The states and infos of one chain: 5 draws by NUTS."""
    nuts = blackjax.nuts(logdensity, 0.5, jnp.ones(8))

    def run(key):
        step = lambda state, key: (lambda new: (new[0], new))(nuts.step(key, state))
        return jax.lax.scan(step, nuts.init(FIRST), jax.random.split(key, 5))[1]

    return run


def test_one_axis_of_log_densities_is_that_of_draws(one_chain) -> None:
    states, infos = one_chain(jax.random.key(0))
    samples = from_blackjax(states, infos)
    assert samples.params["w"].shape == (1, 5, 2, 3)
    np.testing.assert_array_equal(samples.params["b"][0], states.position["b"])
    found = {
        "lp": states.logdensity, "diverging": infos.is_divergent, "energy": infos.energy,
        "acceptance_rate": infos.acceptance_rate, "n_steps": infos.num_integration_steps,
        "tree_depth": infos.num_trajectory_expansions,
    }  # fmt: skip
    assert set(samples.stats) == set(found)
    for name, values in found.items():
        np.testing.assert_array_equal(samples.stats[name], values[None])


def test_two_axes_must_be_said_and_give_the_same_draws_in_both_orders(one_chain) -> None:
    states, infos = jax.vmap(one_chain)(jax.random.split(jax.random.key(0), 5))
    with pytest.raises(ValueError, match=r'Got no axes, and log densities of 2 axes.*"draw chain"'):
        from_blackjax(states)
    samples = from_blackjax(states, infos, axes="chain draw")
    turned = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), (states, infos))
    again = from_blackjax(*turned, axes="draw chain")
    jax.tree.map(np.testing.assert_array_equal, samples.params, again.params)
    jax.tree.map(np.testing.assert_array_equal, dict(samples.stats), dict(again.stats))
    np.testing.assert_array_equal(samples.params["w"], states.position["w"])


def test_states_of_mclmc_are_taken(key) -> None:
    mclmc = blackjax.mclmc(logdensity, L=1.0, step_size=0.1)
    first = mclmc.init(FIRST, key)
    step = lambda state, key: (lambda new: (new[0], new))(mclmc.step(key, state))
    states, infos = jax.lax.scan(step, first, jax.random.split(key, 4))[1]
    samples = from_blackjax(states, infos)
    np.testing.assert_array_equal(samples.stats["lp"][0], states.logdensity)
    np.testing.assert_array_equal(samples.stats["energy_error"][0], infos.energy_change)


def test_positions_alone_need_their_axes_said() -> None:
    positions = {"w": np.zeros((4, 3, 2)), "b": np.zeros((4, 3))}
    with pytest.raises(ValueError, match="Got no axes, and no log densities"):
        from_blackjax(positions)
    assert from_blackjax(positions, axes="draw chain").num_draws == 4
    assert from_blackjax(positions, axes="draw").params["w"].shape == (1, 4, 3, 2)


class State(NamedTuple):
    position: dict
    logdensity: np.ndarray


class Info(NamedTuple):
    is_divergent: np.ndarray


@pytest.mark.parametrize(
    ("states", "infos", "axes", "said"),
    [
        (
            State({"w": np.zeros((5, 2))}, np.zeros(5)),
            None,
            "chain draw",
            "log densities of 1 axes",
        ),
        (State({"w": np.zeros((5, 2))}, np.zeros(5)), None, "sample", "Got axes='sample'"),
        (State({"w": np.zeros((4, 2))}, np.zeros(5)), None, None, r"\(5,\) in 'lp' and \(4,\)"),
        (State({"w": np.zeros((5, 2))}, np.zeros(5)), Info(np.zeros(4)), None, "in 'diverging'"),
        (State({"w": np.zeros(2)}, np.zeros(())), None, None, "log densities of 0 axes"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(states, infos, axes, said) -> None:
    with pytest.raises(ValueError, match=said) as error:
        from_blackjax(states, infos, axes=axes)
    assert "\n" not in str(error.value)


def test_a_summary_of_one_basin_takes_them(one_chain) -> None:
    states, _ = one_chain(jax.random.key(0))
    axes = {"w": ob.Axes(None, "units"), "b": ob.Axes(None)}
    samples = from_blackjax(states)
    symmetry = ob.Symmetry.of(axes, samples.draw(0, 0))
    assert ob.align(samples, symmetry).apply(samples).num_draws == 5
