"""Complex weights have symmetries and signs as real ones do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from proof import flipped, found_and_proved

import onebasin as ob

pytestmark = pytest.mark.usefixtures("ranks_promote")


def test_channels_flip_on_both_sides_of_a_fourier_layer() -> None:
    def apply(p, x):
        modes = jnp.einsum("bki,kio->bko", jnp.fft.rfft(jnp.tanh(x @ p["e"]), axis=1), p["w"])
        return jnp.tanh(jnp.fft.irfft(modes, n=6, axis=1)) @ p["o"]

    weight = jax.ShapeDtypeStruct((4, 3, 5), "complex64")
    symmetry = found_and_proved(apply, {"e": (2, 3), "w": weight, "o": (5, 2)}, (2, 6, 2))
    assert sorted(symmetry.sizes.values()) == [3, 5]
    assert flipped(symmetry) == [["e", "w"], ["o", "w"]]


def test_sizes_of_complex_units_forget_signs_and_real_parts_do_not() -> None:
    weights = {"w": (2, 3), "v": (2, 3), "o": (3, 2)}
    joined = lambda p, x: jax.lax.complex(x @ p["w"], x @ p["v"])
    size = found_and_proved(lambda p, x: jnp.abs(joined(p, x)) @ p["o"], weights, (4, 2))
    assert flipped(size) == [["v", "w"]]
    real = lambda p, x: (jnp.tanh(joined(p, x)).imag) @ p["o"]
    assert flipped(found_and_proved(real, weights, (4, 2))) == [["o", "v", "w"]]


def test_params_of_no_array_are_refused_and_integers_are_named() -> None:
    with pytest.raises(ValueError, match=r"at least one array.*Got none"):
        ob.find_symmetry(lambda p, x: x, {}, jnp.ones(2))
    with pytest.raises(TypeError, match=r"real or complex floating point\. Got int32 at n"):
        ob.find_symmetry(lambda p, x: x * p["n"], {"n": np.ones(2, np.int32)}, jnp.ones(2))
