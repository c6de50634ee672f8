"""convnet: a small convolutional network."""

from functools import lru_cache
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.layers import (
    ACTIVATIONS,
    HOMOGENEOUS,
    ODD,
    add_bias,
    check_activation,
    check_counts,
    conv,
    conv_init,
    dense,
    dense_init,
    gain_of,
    images,
)
from onebasin.networks.network import Network, claimed_of
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.types import Array, Key, Params

_SIZE = 3


def convnet(
    image_shape: tuple[int, int],
    outputs: int,
    width: int = 16,
    depth: int = 2,
    activation: str = "relu",
) -> Network:
    """A small convolutional network: convolutions of 3 x 3 with stride 2, then a dense layer.

    Inputs are (batch, pixels), one row of gray pixels for each image. Params are
    `{"conv_0": {"kernel", "bias"}, ..., "out": {"kernel", "bias"}}`. The channels of each
    convolution are one group of the symmetry. After tanh, which is odd, they may change sign too.
    Weights begin normal with variance 2 / fan-in (relu) or 1 / fan-in (others), biases at zero.

    Args:
        image_shape: Height and width of the images, in pixels.
        outputs: The number of outputs, one for each class.
        width: The number of channels of the first convolution. Each next one has twice as many.
        depth: The number of convolutions, at least 1. Each halves height and width.
        activation: "relu", "tanh", "gelu" or "silu", after each convolution.

    Raises:
        ValueError: If the activation is unknown, or a size is below 1.

    Examples:
        >>> network = ob.networks.convnet((8, 8), outputs=10, width=4)
        >>> network.symmetry.sizes
        {'conv_0': 4, 'conv_1': 8}

    Source of the initialization: He et al. (2015), arXiv 1502.01852, equation 10.
    """
    height, across = image_shape
    return _convnet((height, across), outputs, width, depth, activation)


@lru_cache
def _convnet(
    image_shape: tuple[int, int], outputs: int, width: int, depth: int, activation: str
) -> Network:
    """The network of a shape. It is kept to save time: one that is made again is equal to it."""
    check_activation(activation)
    check_counts(height=min(image_shape), outputs=outputs, width=width, depth=depth)
    names = tuple(f"conv_{index}" for index in range(depth))
    channels = (1, *(width * 2**index for index in range(depth)))
    height, across = (-(-side // 2**depth) for side in image_shape)
    init = FrozenPartial(_init, names, channels, (height * across, outputs), gain_of(activation))
    symmetry = _symmetry(names, height * across, jax.eval_shape(init, jax.random.key(0)))
    if activation in ODD:
        symmetry = symmetry.with_signs(_signs(names, symmetry))
    apply = FrozenPartial(_apply, names, image_shape, activation)
    symmetry = claimed_of(symmetry, apply, image_shape[0] * image_shape[1])
    return Network(init, apply, None, symmetry, is_homogeneous=activation in HOMOGENEOUS)


def _init(
    names: tuple[str, ...],
    channels: tuple[int, ...],
    last_sizes: tuple[int, int],
    gain: float,
    key: Key,
) -> Params:
    """Random params; `last_sizes` are the pixels and the outputs of the last layer."""
    *keys, last = jax.random.split(key, len(names) + 1)
    params = {
        name: conv_init(k, _SIZE, before, after, gain) | {"bias": jnp.zeros(after)}
        for name, k, (before, after) in zip(names, keys, pairwise(channels), strict=True)
    }
    num_pixels, outputs = last_sizes
    return {**params, "out": dense_init(last, num_pixels * channels[-1], outputs, gain)}


def _apply(
    names: tuple[str, ...],
    image_shape: tuple[int, int],
    activation: str,
    params: Params,
    x: Float[Array, "batch features"],
) -> Float[Array, "batch outputs"]:
    """The outputs."""
    x = images(x, image_shape)
    for name in names:
        x = ACTIVATIONS[activation](add_bias(conv(params[name], x, 2), params[name]["bias"]))
    return dense(params["out"], x.reshape(x.shape[0], -1))


def _symmetry(names: tuple[str, ...], num_pixels: int, params: Params) -> Symmetry:
    """One group for the channels of each convolution; `num_pixels` are left after the last."""
    axes = {
        name: {"kernel": Axes(None, None, before, name), "bias": Axes(name)}
        for before, name in pairwise([None, *names])
    }
    # Rows of the last kernel list the pixels, and for each of them the channels.
    flat = (num_pixels, names[-1]) if num_pixels > 1 else names[-1]
    return Symmetry.of({**axes, "out": {"kernel": Axes(flat, None), "bias": Axes(None)}}, params)


def _signs(names: tuple[str, ...], symmetry: Symmetry) -> list[Sign]:
    """The weights that change sign with a channel: its incoming weights and its outgoing ones."""
    return [
        Sign(
            name,
            (
                Place(f"{name}/kernel", 3),
                Place(f"{name}/bias", 0),
                *(place for place in symmetry.places(name) if place.leaf == f"{after}/kernel"),
            ),
        )
        for name, after in pairwise([*names, "out"])
    ]
