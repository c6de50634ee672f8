"""Layers: what built-in networks are made of, each a function of its own params.

Params of a layer are a dict of arrays. Kernels begin normal with variance gain / fan-in, biases
at zero.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._types import Array, Key, Params

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}

ODD = ("tanh",)
"""Activations behind which units may change sign."""

HOMOGENEOUS = ("relu",)
"""Activations with f(s x) = s f(x) for every s > 0, behind which units may change scale."""


def check_activation(name: str) -> None:
    """Raise ValueError for an activation that is not known."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}. Got {name!r}.")


def check_counts(**counts: int) -> None:
    """Raise ValueError for a count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Got {count}.")


def gain_of(activation: str) -> float:
    """What keeps the variance of signals through a layer: 2 behind relu, 1 behind others.

    Source: He et al. (2015), arXiv 1502.01852, equation 10.
    """
    return 2.0 if activation == "relu" else 1.0


def normal(key: Key, shape: tuple[int, ...], fan_in: int, gain: float = 1.0) -> Array:
    """Normal weights with variance gain / fan-in."""
    return jax.random.normal(key, shape) * jnp.sqrt(gain / fan_in)


def dense_init(key: Key, fan_in: int, fan_out: int, gain: float = 1.0) -> Params:
    """Params of a dense layer."""
    return {"kernel": normal(key, (fan_in, fan_out), fan_in, gain), "bias": jnp.zeros(fan_out)}


def dense(params: Params, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch units"]:
    """A matrix product and a bias."""
    return x @ params["kernel"] + _last(params["bias"], x)


def conv_init(key: Key, size: int, inputs: int, outputs: int, gain: float = 2.0) -> Params:
    """Params of a square convolution without bias; the kernel is (height, width, in, out)."""
    return {"kernel": normal(key, (size, size, inputs, outputs), size * size * inputs, gain)}


def conv(
    params: Params, x: Float[Array, "batch height width inputs"], stride: int = 1
) -> Float[Array, "batch rows columns outputs"]:
    """A convolution that keeps the size of images, or divides it by a stride.

    It is a matrix product of what the kernel sees: the gradient of XLA's own convolution is
    computed on a CPU some ten times slower inside a loop, and samplers are loops.
    """
    size, _, inputs, outputs = params["kernel"].shape
    # What the kernel sees is several times x: it is made again for the gradient, not kept.
    seen = jax.checkpoint(_seen, static_argnums=(1, 2))(jnp.asarray(x), size, stride)
    return jnp.tensordot(seen, params["kernel"].reshape(-1, inputs, outputs), 2)


def _seen(
    x: Float[Array, "batch height width inputs"], size: int, stride: int
) -> Float[Array, "batch rows columns places inputs"]:
    """What the kernel sees of an image framed by zeros, for each place that it is put at."""
    height, width = x.shape[1:3]
    sides = [_frame(side, size, stride) for side in (height, width)]
    x = jnp.pad(x, [(0, 0), *sides, (0, 0)])
    shifted = [
        x[:, row : row + height : stride, column : column + width : stride]
        for row in range(size)
        for column in range(size)
    ]
    return jnp.stack(shifted, axis=-2)


def _frame(side: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, so that the kernel is put at side / stride places."""
    missing = max((-(-side // stride) - 1) * stride + size - side, 0)
    return missing // 2, size - 1 - missing // 2


def images(
    x: Float[Array, "batch features"], shape: tuple[int, int]
) -> Float[Array, "batch height width 1"]:
    """Rows of pixels as images of one channel."""
    return x.reshape(x.shape[0], *shape, 1)


def add_bias(
    x: Float[Array, "*batch units"], bias: Float[Array, " units"]
) -> Float[Array, "*batch units"]:
    """A bias for each entry of the last axis."""
    return x + _last(bias, x)


def _last(units: Float[Array, " units"], x: Array) -> Array:
    """One number for each entry of the last axis of x, with as many axes as x has."""
    return units[(None,) * (x.ndim - 1)]
