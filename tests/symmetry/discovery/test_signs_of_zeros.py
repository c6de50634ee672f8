"""Zeros have any sign: states that begin at 0 and padding with 0 keep no unit from flipping."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest
from proof import flipped, found_and_proved

pytestmark = [pytest.mark.usefixtures("ranks_promote"), pytest.mark.slow]
SEQUENCE = (5, 4, 2)
Cell = Callable[[dict, jax.Array, jax.Array], jax.Array]


def elman(p, h, one):
    return jnp.tanh(one @ p["w"] + h @ p["u"])


def gated(p, h, one):
    z, new = jnp.split(one @ p["w"] + h @ p["u"], 2, axis=-1)
    return h + jax.nn.sigmoid(z) * (jnp.tanh(new) - h)


def scaled(p, h, one):
    h = h / jnp.sqrt((h**2).sum(-1, keepdims=True) + 0.1)
    return jnp.tanh(one @ p["w"] + (0.5 * h) @ p["u"])


def joined(p, h, one):
    weights = jnp.concatenate([p["w"], p["u"]])
    return jnp.tanh(jnp.concatenate([one, h], -1) @ weights)


def rectified(p, h, one):
    return jax.nn.relu(one @ p["w"] + h @ p["u"])


CELLS = {"elman": (elman, 3), "gated": (gated, 6), "scaled": (scaled, 3), "joined": (joined, 3)}


def unrolled(cell: Cell, start: float) -> Callable:
    """A recurrent network without a loop of JAX."""

    def apply(p, x):
        h, states = jnp.full((4, 3), start, x.dtype), []
        for one in x:
            h = cell(p, h, one)
            states.append(h)
        return jnp.stack(states) @ p["o"]

    return apply


@pytest.mark.parametrize("name", CELLS)
def test_units_of_an_unrolled_recurrence_flip_if_it_begins_at_zero(name: str) -> None:
    cell, width = CELLS[name]
    params = {"w": (2, width), "u": (3, width), "o": (3, 2)}
    symmetry = found_and_proved(unrolled(cell, 0.0), params, SEQUENCE)
    assert flipped(symmetry) == [["o", "u", "w"]]
    assert found_and_proved(unrolled(cell, 1.0), params, SEQUENCE).signs == {}


def test_units_that_are_not_odd_do_not_flip_though_they_begin_at_zero() -> None:
    params = {"w": (2, 3), "u": (3, 3), "o": (3, 2)}
    symmetry = found_and_proved(unrolled(rectified, 0.0), params, SEQUENCE)
    assert list(symmetry.sizes.values()) == [3]
    assert symmetry.signs == {}


def test_weights_that_are_multiplied_with_zeros_alone_are_not_used() -> None:
    apply = lambda p, x: (jnp.tanh(x @ p["w"]) + jnp.zeros((4, 5)) @ p["u"]) @ p["o"]
    symmetry = found_and_proved(apply, {"w": (2, 3), "u": (5, 3), "o": (3, 2)}, (4, 2))
    assert list(symmetry.sizes.values()) == [3]
    assert symmetry.frozen["u, axis 0"] == "not used"


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_padding_with_zeros_lets_channels_flip_and_other_padding_does_not(start: float) -> None:
    def apply(p, x):
        h = jnp.tanh(x @ p["w"])
        h = jnp.pad(h, ((0, 0), (1, 2), (0, 0)), constant_values=start)
        h = sum(h[:, at : at + 6] @ p["v"][at] for at in range(3))
        return jnp.tanh(h) @ p["o"]

    symmetry = found_and_proved(apply, {"w": (2, 4), "v": (3, 4, 5), "o": (5, 2)}, (2, 6, 2))
    assert sorted(symmetry.sizes.values()) == [4, 5]
    assert flipped(symmetry) == ([["o", "v"], ["v", "w"]] if start == 0 else [["o", "v"]])


def test_a_state_of_zeros_may_be_joined_with_inputs() -> None:
    def apply(p, x):
        h, c = jnp.zeros((4, 3)), jnp.zeros((4, 3))
        for one in x:
            gates = jnp.concatenate([one, h], -1) @ p["w"] + p["b"]
            i, f, g, o = jnp.split(gates, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return h @ p["o"]

    symmetry = found_and_proved(apply, {"w": (5, 12), "b": (12,), "o": (3, 2)}, SEQUENCE)
    assert flipped(symmetry) == [["b", "o", "w"]]


def test_channels_beside_which_zeros_are_put_flip() -> None:
    def apply(p, x):
        h = jnp.tanh(x @ p["w"])
        return jnp.tanh(jnp.pad(h, ((0, 0), (0, 2))) + x @ p["v"]) @ p["o"]

    symmetry = found_and_proved(apply, {"w": (2, 3), "v": (2, 5), "o": (5, 2)}, (4, 2))
    assert sorted(symmetry.sizes.values()) == [2, 3]
    assert flipped(symmetry) == [["o", "v"], ["o", "v", "w"]]


MADE_OF_ZEROS = {
    "a number added": lambda h: h + 1,
    "numbers added": lambda h: h + jnp.linspace(1, 2, 5),
    "equal numbers added": lambda h: h + jnp.ones((4, 5)),
    "an even function": jnp.cos,
    "an exponential": jnp.exp,
    "a choice by sign": lambda h: jnp.where(h > 0, h, 1.0),
    "a choice by being 0": lambda h: jnp.where(h == 0, h + 2, h),
    "truth values": lambda h: 1 - (h != 0).astype(h.dtype),
    "a quotient": lambda h: h / (1 + h),
    "the largest": lambda h: jnp.maximum(h, 0.5),
    "padding with ones": lambda h: jnp.pad(h, ((0, 1), (0, 0)), constant_values=1.0)[1:],
    "a state of a loop": lambda h: jax.lax.fori_loop(0, 2, lambda _, h: h + 1, h),
    "a row written": lambda h: h.at[:, 4].set(1.0),
    "a call": jax.jit(lambda h: h - 1),
}


@pytest.mark.parametrize("name", MADE_OF_ZEROS)
@pytest.mark.parametrize("zeros_first", [False, True])
def test_no_sign_is_invented_where_zeros_become_something_else(name, zeros_first) -> None:
    def apply(p, x):
        parts = [jnp.tanh(x @ p["w"]), jnp.zeros((4, 2))]
        h = MADE_OF_ZEROS[name](jnp.concatenate(parts[::-1] if zeros_first else parts, -1))
        return jnp.tanh(h @ p["v"]) @ p["o"]

    symmetry = found_and_proved(apply, {"w": (2, 3), "v": (5, 3), "o": (3, 2)}, (4, 2))
    assert ["o", "v"] in flipped(symmetry)
