"""Loops: what is handed on, read and written from step to step."""

from collections.abc import Callable

import jax.numpy as jnp
import pytest
from jax import lax
from proof import flipped, found_and_proved

from onebasin import Symmetry

pytestmark = [pytest.mark.usefixtures("ranks_promote", "float64"), pytest.mark.slow]
DELAYS = (1, 2, 4, 7)


def found(apply: Callable, params: dict, x: tuple[int, ...] | None = None) -> Symmetry:
    """What is found of a function of params, and of an input if there is one, and proved."""
    with_input = apply if x is not None else lambda p, _: apply(p)
    return found_and_proved(with_input, params, x or ())


def delay_line(length: int):
    """The last of several states, each of which is the one before it a step ago."""

    def apply(p, x):
        step = lambda c, one: ((jnp.tanh(one * p["w"]), *c[:-1]), None)
        states, _ = lax.scan(step, (jnp.zeros_like(p["w"]),) * length, x)
        return jnp.sum(states[-1] * jnp.arange(4.0))

    return apply


@pytest.mark.parametrize("length", DELAYS)
def test_units_are_followed_through_any_number_of_states(length: int) -> None:
    assert found(delay_line(length), {"w": (4,)}, (9,)).sizes == {}


@pytest.mark.parametrize("length", DELAYS)
def test_a_while_loop_hands_on_its_states_as_a_scan_does(length: int) -> None:
    def apply(p):
        step = lambda _, c: (jnp.tanh(p["w"]), *c[:-1])
        states = lax.fori_loop(0, 9, step, (jnp.zeros_like(p["w"]),) * length)
        return jnp.sum(states[-1] * p["v"])

    symmetry = found(apply, {"w": (4,), "v": (4,)})
    assert symmetry.axes["v"] == symmetry.axes["w"]
    assert symmetry.sizes == {"v": 4}


def test_units_are_followed_from_axis_to_axis_of_one_state() -> None:
    def apply(p):
        turn = lambda c: jnp.moveaxis(c, 0, -1) + p["w"]
        state = lax.fori_loop(0, 5, lambda _, c: turn(c), jnp.zeros((3, 3, 3, 3), p["w"].dtype))
        return jnp.sum(jnp.tanh(state) * jnp.arange(3.0)[:, None, None, None])

    assert found(apply, {"w": (3,)}).sizes == {}


@pytest.mark.parametrize("reverse", [False, True])
def test_steps_that_read_and_hand_on_nothing_are_equal(reverse: bool) -> None:
    def apply(p):
        step = lambda *_: ((), jnp.tanh(p["w"]))
        stacked = lax.scan(step, (), None, length=3, reverse=reverse)[1]
        return jnp.sum(jnp.sin(p["v"][:, None] + stacked) * jnp.arange(3.0)[:, None])

    symmetry = found(apply, {"w": (4,), "v": (3,)})
    assert symmetry.sizes == {"w": 4}


def test_steps_over_joined_arrays_keep_the_units_of_each() -> None:
    def apply(p):
        both = jnp.concatenate([p["v"], p["w"]])
        read = lax.map(lambda one: jnp.tanh(one @ p["u"]), both)
        return jnp.sum(read[:3] * p["a"][:, None]) + jnp.sum(read[3:] ** 2 * p["b"][:, None])

    shapes = {"v": (3, 2), "w": (2, 2), "u": (2, 4), "a": (3,), "b": (2,)}
    symmetry = found(apply, shapes)
    assert symmetry.axes["a"].names[0] == symmetry.axes["v"].names[0] is not None
    assert symmetry.axes["b"].names[0] == symmetry.axes["w"].names[0] is not None


def test_a_state_keeps_the_order_of_joined_arrays_that_are_read() -> None:
    def apply(p):
        both = jnp.concatenate([p["v"], p["w"]])
        last, read = lax.scan(
            lambda c, one: (jnp.tanh(c + one),) * 2, jnp.zeros_like(both[0]), both
        )
        return jnp.sum(last) + jnp.sum(read * p["a"][:, None])

    symmetry = found(apply, {"v": (3, 2), "w": (4, 2), "a": (7,)})
    assert symmetry.sizes == {"v": 2}


def test_loops_in_loops_come_to_an_end() -> None:
    def apply(p):
        inner = lambda c, one: (jnp.tanh(c + one), c)
        outer = lambda c, _: (c + lax.scan(inner, p["w"][0], p["w"])[1], jnp.sum(c))
        return lax.scan(outer, p["w"], None, length=2)[1]

    symmetry = found(apply, {"w": (3, 4)})
    assert symmetry.sizes == {"w": 4}
    assert symmetry.nested == {}


def test_layers_in_a_stack_have_units_of_their_own() -> None:
    def apply(p, x):
        step = lambda h, one: (h + jnp.tanh(h @ one["u"]) @ one["v"], None)
        return lax.scan(step, x, {"u": p["u"], "v": p["v"]})[0]

    symmetry = found(apply, {"u": (3, 2, 4), "v": (3, 4, 2)}, (5, 2))
    (group,) = symmetry.sizes
    assert symmetry.around(group) == (3,)
    assert flipped(symmetry) == [["u", "v"]]


MIXED_WITH_OTHER_ROWS = {
    "the largest of each column": lambda row, whole: jnp.tanh(jnp.max(whole, axis=0)),
    "a sum over rows": lambda row, whole: row * jnp.tanh(jnp.sum(whole, axis=0)),
    "a product with other rows": lambda row, whole: jnp.tanh(whole @ row),
    "within a loop of its own": lambda row, whole: lax.scan(
        lambda c, one: (c, jnp.max(whole, axis=0) + one[0]), 0.0, jnp.ones((3, 1))
    )[1],
}


@pytest.mark.parametrize("body", MIXED_WITH_OTHER_ROWS.values(), ids=MIXED_WITH_OTHER_ROWS)
def test_a_step_that_reads_all_rows_keeps_their_columns_together(body: Callable) -> None:
    def apply(p):
        mapped = lax.map(lambda row: body(row, p["w"]), p["w"])
        return jnp.sum(jnp.sin(mapped)), jnp.sum(jnp.cos(jnp.sum(p["w"], axis=1)))

    symmetry = found(apply, {"w": (3, 4)})
    assert symmetry.sizes == {"w": 4, "w.2": 3}
    assert symmetry.nested == {}


def test_a_step_that_reads_its_own_row_alone_lets_its_columns_trade_places() -> None:
    def apply(p):
        mapped = lax.map(lambda row: jnp.max(row) * jnp.tanh(jnp.sum(p["v"])), p["w"])
        return jnp.sum(jnp.sin(mapped)), jnp.sum(jnp.cos(jnp.sum(p["w"], axis=1)))

    assert found(apply, {"w": (3, 4), "v": (5,)}).nested == {"w": ("w.2",)}


NUMBERS_OF_A_ROW = {
    "a branch": lambda row, top: lax.cond(jnp.sum(row) > 0, lambda: top * row, lambda: row**2),
    "a factor": lambda row, top: jnp.where(jnp.prod(row) > 0, jnp.tanh(top + row), row),
}


@pytest.mark.parametrize("body", NUMBERS_OF_A_ROW.values(), ids=NUMBERS_OF_A_ROW)
def test_a_number_that_a_step_makes_of_its_row_keeps_the_row_together(body: Callable) -> None:
    apply = lambda p: jnp.sum(lax.map(lambda row: body(row, jnp.max(p["w"], axis=0)), p["w"]))
    symmetry = found(apply, {"w": (3, 4)})
    assert symmetry.sizes == {"w": 4, "w.2": 3}
    assert symmetry.nested == {}
