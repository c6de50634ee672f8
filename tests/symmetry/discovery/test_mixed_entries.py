"""Entries that are mixed or moved along an axis: inside of it nothing is permuted anew."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from proof import found_and_proved

from onebasin import Symmetry

pytestmark = pytest.mark.usefixtures("ranks_promote", "float64")


def found(apply: Callable, params: dict) -> Symmetry:
    """What is found of a function of params by their shapes, and proved."""
    return found_and_proved(lambda p, _: apply(p), params, ())


WITH_ANOTHER = {
    "running sums": lambda w: jnp.cumsum(w, 0),
    "running products backwards": lambda w: lax.cumprod(w, 0, reverse=True),
    "the reverse": lambda w: w[::-1],
    "sorted entries": lambda w: jnp.sort(w, axis=0),
    "all of the largest entries": lambda w: lax.top_k(w.T, 3)[0].T,
    "neighbours": lambda w: lax.reduce_window(w, -jnp.inf, lax.max, (2, 1), (1, 1), "SAME"),
    "entries rolled by one": lambda w: jnp.roll(w, 1, 0),
    "entries in a known order": lambda w: w[jnp.asarray([2, 0, 1])],
    "entries written in another order": lambda w: jnp.zeros((3, 4)).at[np.array([1, 2, 0])].max(w),
    "entries spread and cut": lambda w: lax.pad(w, w.dtype.type(0), [(0, 0, 1), (0, 0, 0)])[:3],
    "a discrete Fourier transform": lambda w: jnp.abs(jnp.fft.fft(w, axis=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_ANOTHER)
def test_units_that_meet_those_of_another_place_are_permuted_with_them(name: str) -> None:
    apply = lambda p: jnp.sum(jnp.tanh(p["w"] + jnp.square(WITH_ANOTHER[name](p["w"]))))
    symmetry = found(apply, {"w": (3, 4)})
    assert symmetry.sizes == {"w": 4}
    assert symmetry.nested == {}


def test_channels_of_a_kernel_are_those_of_the_places_that_it_is_slid_over() -> None:
    def apply(p):
        numbers = ("NWC", "WIO", "NWC")
        h = lax.conv_general_dilated(
            p["w"][None], p["w"][:, :, None], (1,), "SAME", dimension_numbers=numbers
        )
        return jnp.sum(jnp.tanh(h))

    symmetry = found(apply, {"w": (2, 4)})
    assert symmetry.sizes == {"w": 4}
    assert symmetry.nested == {}


def test_arrays_that_are_reshaped_in_two_ways_hold_nothing_nested() -> None:
    def apply(p):
        one, other = p["w"].reshape(12, 5), p["w"].transpose(1, 0, 2).reshape(12, 5)
        return jnp.sum(jnp.tanh(one * jnp.sin(other)))

    symmetry = found(apply, {"w": (4, 3, 5)})
    assert symmetry.sizes == {"w": 5}
    assert symmetry.nested == {}


def test_a_shape_that_does_not_fit_holds_nothing_nested() -> None:
    def apply(p):
        one, other = p["w"].reshape(3, 4, 5), p["w"].transpose(1, 0, 2)
        return jnp.sum(jnp.tanh(one * jnp.sin(other)))

    symmetry = found(apply, {"w": (4, 3, 5)})
    assert symmetry.sizes == {"w": 5}
    assert symmetry.nested == {}


def test_running_sums_of_equal_entries_are_not_equal() -> None:
    apply = lambda p: jnp.sum(p["w"] * jnp.cumsum(jnp.ones(4)))
    assert found(apply, {"w": (4,)}).sizes == {}
    apply = lambda p: jnp.sum(p["w"] * jnp.cumsum(jnp.broadcast_to(p["s"], (4,))))
    assert found(apply, {"w": (4,), "s": ()}).sizes == {}


def test_running_sums_over_segments_join_the_units_of_all() -> None:
    def apply(p):
        both = jnp.concatenate([p["v"], p["w"]], axis=0)
        return jnp.sum(jnp.tanh(jnp.cumsum(both, axis=0)))

    symmetry = found(apply, {"v": (2, 4), "w": (2, 4)})
    assert symmetry.sizes == {"v": 4}
    assert symmetry.axes["v"] == symmetry.axes["w"]
