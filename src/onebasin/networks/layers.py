"""The layers of built-in networks, each a function of its own params and its inputs.

Params of a layer are a dict of arrays. Kernels begin normal with variance gain / fan-in, biases
at zero. Functions that end in `_init` make params, those of the same name without it apply them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._words import did_you_mean
from onebasin.types import Array, Key, Params

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}

ODD = ("tanh",)
"""Odd activations, f(-x) = -f(x): units may change their sign."""

HOMOGENEOUS = ("relu",)
"""Homogeneous activations, f(s x) = s f(x) for every s > 0: units may change their scale."""


def check_activation(name: str) -> None:
    """Raise ValueError if an activation is not known."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}. Got {name!r}."
            f"{did_you_mean(name, ACTIVATIONS)} Pass one of them."
        )


def check_counts(**counts: int) -> None:
    """Raise ValueError if one of the counts, which are given by name, is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1. Got {count}. Pass 1 or more.")


def gain_of(activation: str) -> float:
    """The gain with which a layer keeps the variance of its inputs: 2 for relu, 1 for others.

    Source: He et al. (2015), arXiv 1502.01852, equation 10, for relu.
    """
    return 2.0 if activation == "relu" else 1.0


def normal(key: Key, shape: tuple[int, ...], fan_in: int, gain: float = 1.0) -> Array:
    """Random weights of a shape, normal with mean 0 and variance gain / fan-in."""
    return jax.random.normal(key, shape) * jnp.sqrt(gain / fan_in)


def dense_init(key: Key, fan_in: int, fan_out: int, gain: float = 1.0) -> Params:
    """The params of a dense layer: a kernel (fan_in, fan_out) and a bias (fan_out,)."""
    return {"kernel": normal(key, (fan_in, fan_out), fan_in, gain), "bias": jnp.zeros(fan_out)}


def dense(params: Params, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch units"]:
    r"""The outputs $x W + b$ of a dense layer, with the kernel $W$ and the bias $b$."""
    return x @ params["kernel"] + _last(params["bias"], x)


def conv_init(key: Key, size: int, inputs: int, outputs: int, gain: float = 2.0) -> Params:
    """The params of a convolution without bias: a kernel (size, size, inputs, outputs)."""
    return {"kernel": normal(key, (size, size, inputs, outputs), size * size * inputs, gain)}


def conv(
    params: Params, x: Float[Array, "batch height width inputs"], stride: int = 1
) -> Float[Array, "batch rows columns outputs"]:
    r"""A convolution that keeps height and width of images, or divides them by the stride.

    $\mathrm{out}_{brcu} = \sum_{pi} \mathrm{patch}_{brcpi} W_{piu}$ over the pixels $p$ of the
    patch of the image under the kernel $W$ and over its inputs $i$. Images are padded with zeros.

    It is computed as this matrix product: on a CPU, the gradient of XLA's own convolution is some
    ten times slower within a loop, and samplers are loops.
    """
    size, _, inputs, outputs = params["kernel"].shape
    # The patches are several times as large as x: they are made again for the gradient, not kept.
    patches = jax.checkpoint(_patches, static_argnums=(1, 2))(jnp.asarray(x), size, stride)
    return jnp.tensordot(patches, params["kernel"].reshape(-1, inputs, outputs), 2)


def _patches(
    x: Float[Array, "batch height width inputs"], size: int, stride: int
) -> Float[Array, "batch rows columns pixels inputs"]:
    """The patch of `size` x `size` pixels under the kernel, for each place of the kernel."""
    height, width = x.shape[1:3]
    sides = [_padding(side, size, stride) for side in (height, width)]
    x = jnp.pad(x, [(0, 0), *sides, (0, 0)])
    shifted = [
        x[:, row : row + height : stride, column : column + width : stride]
        for row in range(size)
        for column in range(size)
    ]
    return jnp.stack(shifted, axis=-2)


def _padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """The numbers of zeros before and after a side, with which the kernel fits side / stride times.

    There may be more zeros after it than this needs, so that slices of the side's length fit.
    """
    missing = max((-(-side // stride) - 1) * stride + size - side, 0)
    return missing // 2, size - 1 - missing // 2


def images(
    x: Float[Array, "batch features"], shape: tuple[int, int]
) -> Float[Array, "batch height width 1"]:
    """Rows of pixels as images of `shape` (height, width) with one channel."""
    return x.reshape(x.shape[0], *shape, 1)


def add_bias(
    x: Float[Array, "*batch units"], bias: Float[Array, " units"]
) -> Float[Array, "*batch units"]:
    """`x` plus a bias for each entry of the last axis."""
    return x + _last(bias, x)


def _last(units: Float[Array, " units"], x: Array) -> Array:
    """One number for each entry of the last axis, with as many axes as `x`: ranks must agree."""
    return units[(None,) * (x.ndim - 1)]
