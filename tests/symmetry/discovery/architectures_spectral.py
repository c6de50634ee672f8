"""Networks in Fourier space and with complex weights: places keep their order, channels move."""

import jax.numpy as jnp
from architecture import Family
from jax import ShapeDtypeStruct, lax
from jax.nn import gelu, relu, sigmoid

SPECTRAL = Family()


def complex_numbers(*shape):
    return ShapeDtypeStruct(shape, "complex64")


def fourier_layer(h, weight):
    """The lowest modes of (batch, place, channel), mixed by a matrix each."""
    low = jnp.fft.rfft(h, axis=1)[:, : len(weight)]
    mixed = jnp.einsum("bki,kio->bko", low, weight)
    mixed = jnp.pad(mixed, ((0, 0), (0, h.shape[1] // 2 + 1 - len(weight)), (0, 0)))
    return jnp.fft.irfft(mixed, n=h.shape[1], axis=1)


@SPECTRAL.network({"e": (3, 4), "w1": complex_numbers(3, 4, 5), "s1": (4, 5),
                   "w2": complex_numbers(3, 5, 6), "o": (6, 2)}, [(2, 8, 3)],
                  [4, 5, 6])  # fmt: skip
def fourier_neural_operator(p, x):
    h = x @ p["e"]
    h = gelu(fourier_layer(h, p["w1"]) + h @ p["s1"])
    return gelu(fourier_layer(h, p["w2"])) @ p["o"]


@SPECTRAL.network({"e": (3, 4), "w": (4, 3, 4, 5, 2), "o": (5, 2)}, [(2, 4, 4, 3)], [4, 5])
def modes_in_two_dimensions_from_pairs_of_real_weights(p, x):
    modes = jnp.fft.rfft2(x @ p["e"], axes=(1, 2))
    weight = lax.complex(p["w"][..., 0], p["w"][..., 1])
    mixed = jnp.einsum("bkli,klio->bklo", modes, weight)
    return relu(jnp.fft.irfft2(mixed, axes=(1, 2))).mean((1, 2)) @ p["o"]


@SPECTRAL.network({"e": (3, 6), "v": (6, 5), "o": (5, 2)}, [(2, 7, 3)], [6, 5])
def tokens_mixed_by_a_transform(p, x):
    h = x @ p["e"]
    h = jnp.fft.fft(h, axis=1).real + h
    return relu(h @ p["v"]) @ p["o"]


@SPECTRAL.network({"e": (3, 6), "v": (6, 5), "o": (5, 2)}, [(2, 7, 3)], [5])
def tokens_and_units_mixed_by_a_transform(p, x):
    h = x @ p["e"]
    h = jnp.fft.fft2(h, axes=(1, 2)).real + h
    return relu(h @ p["v"]) @ p["o"]


@SPECTRAL.network({"w": complex_numbers(3, 6), "b": (6,), "v": complex_numbers(6, 5), "o": (5, 2)},
                  [(4, 3)], [6, 5])  # fmt: skip
def complex_units_whose_size_is_gated(p, x):
    h = x @ p["w"]
    h = h * sigmoid(jnp.abs(h) + p["b"])
    h = h.conj() @ p["v"]
    return (relu(h.real) + h.imag**2) @ p["o"]


@SPECTRAL.network({"a": complex_numbers(5), "w": complex_numbers(3, 5), "c": complex_numbers(5, 2)},
                  [(6, 2, 3)], [5])  # fmt: skip
def complex_diagonal_state_space(p, x):
    decay = jnp.exp(-jnp.exp(p["a"].real) + 1j * p["a"].imag)
    step = lambda h, one: (decay * h + one @ p["w"],) * 2
    states = lax.scan(step, jnp.zeros((2, 5), p["w"].dtype), x)[1]
    return (states @ p["c"]).real
