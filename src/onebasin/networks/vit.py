"""vit: a small vision transformer."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.layers import check_counts, dense, dense_init, normal
from onebasin.networks.network import Network, claimed_of
from onebasin.networks.normalization import by_layer, norm_init
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.types import Array, Key, Params

_EXPANSION = 2
"""How many times as many units as channels the dense layer of a block has."""

_POSITION_STD = 0.02
"""The std with which the learned positions begin."""


class _Shape(NamedTuple):
    """The arguments of `vit`."""

    image_shape: tuple[int, int]
    outputs: int
    width: int
    depth: int
    heads: int
    patch: int

    @property
    def grid(self) -> tuple[int, int]:
        """The numbers of rows and columns of patches."""
        height, across = self.image_shape
        return height // self.patch, across // self.patch

    @property
    def blocks(self) -> list[str]:
        """The names of all blocks, from the inputs to the outputs."""
        return [f"block_{index}" for index in range(self.depth)]


def vit(
    image_shape: tuple[int, int],
    outputs: int,
    width: int = 16,
    depth: int = 2,
    heads: int = 2,
    patch: int = 2,
) -> Network:
    r"""A small vision transformer, which reads an image as a sequence of patches.

    Patches of pixels become tokens of `width` channels, to which learned positions are added. Each
    block computes $z' = z + \mathrm{Attention}(\mathrm{Norm}(z))$ and then $z'' = z' +
    \mathrm{Dense}(\mathrm{Norm}(z'))$, in which the dense layer has 2 `width` units with gelu. A
    last dense layer reads the mean over tokens of $\mathrm{Norm}(z)$.

    Inputs are (batch, pixels), one row of gray pixels for each image. The channels of the stream
    $z$ are one group of the symmetry. The units of each dense layer are another, and so are the
    heads of each block. The dimensions of queries and keys, and those of values, are groups that
    are nested in the heads. A dimension of the queries may change sign together with that of the
    keys, one of the values with its outgoing weights, and a channel of a norm with the weights
    that read it.

    Args:
        image_shape: Height and width of the images, in pixels.
        outputs: The number of outputs, one for each class.
        width: The number of channels of each token.
        depth: The number of blocks.
        heads: The number of attention heads of each block, of width / heads dimensions each.
        patch: The side of the square patches, in pixels. It must divide height and width.

    Raises:
        ValueError: If `heads` does not divide `width`, `patch` does not divide height and width,
            or a size is below 1.

    Examples:
        >>> network = ob.networks.vit((8, 8), outputs=10, width=8, depth=1, patch=4)
        >>> network.symmetry.sizes["stream"], network.symmetry.nested["block_0/values"]
        (8, ('block_0/heads',))

    Source: Dosovitskiy et al. (2021), arXiv 2010.11929, equations 1 to 4, with the mean over tokens
    instead of a class token.
    """
    height, across = image_shape
    return _vit(_Shape((height, across), outputs, width, depth, heads, patch))


@lru_cache
def _vit(shape: _Shape) -> Network:
    """The network of a shape. It is kept to save time: one that is made again is equal to it."""
    height, across = shape.image_shape
    check_counts(height=min(shape.image_shape), **shape._asdict() | {"image_shape": 1})
    if shape.width % shape.heads:
        raise ValueError(
            f"heads must divide the width, {shape.width}. Got {shape.heads}. Change one of them."
        )
    if height % shape.patch or across % shape.patch:
        raise ValueError(
            f"patch must divide both sides of the image, {height} x {across}. Got {shape.patch}. "
            "Pass a common divisor of the two."
        )
    init = FrozenPartial(_init, shape)
    params = jax.eval_shape(init, jax.random.key(0))
    nested = {
        f"{block}/{what}": [f"{block}/heads"]
        for block in shape.blocks
        for what in ("scores", "values")
    }
    symmetry = Symmetry.of(_axes(shape), params, nested=nested, signs=_signs(shape))
    apply = FrozenPartial(_apply, shape)
    return Network(init, apply, None, claimed_of(symmetry, apply, height * across))


def _init(shape: _Shape, key: Key) -> Params:
    """Random params."""
    key_embed, key_positions, key_out, *keys = jax.random.split(key, shape.depth + 3)
    num_tokens = shape.grid[0] * shape.grid[1]
    return {
        "embed": dense_init(key_embed, shape.patch**2, shape.width),
        "positions": _POSITION_STD * jax.random.normal(key_positions, (num_tokens, shape.width)),
        **{name: _block_init(shape, k) for name, k in zip(shape.blocks, keys, strict=True)},
        "norm": norm_init(shape.width, "layer"),
        "out": dense_init(key_out, shape.width, shape.outputs),
    }


def _block_init(shape: _Shape, key: Key) -> Params:
    width, heads = shape.width, shape.heads
    dims = width // heads
    *into, merge, up, down = jax.random.split(key, 6)
    names = ("query", "key", "value")
    attention = {
        name: normal(k, (width, heads, dims), width) for name, k in zip(names, into, strict=True)
    }
    return {
        "norm_0": norm_init(width, "layer"),
        "attention": attention | {"merge": normal(merge, (heads, dims, width), width)},
        "norm_1": norm_init(width, "layer"),
        "up": dense_init(up, width, _EXPANSION * width),
        "down": dense_init(down, _EXPANSION * width, width),
    }


def _apply(
    shape: _Shape, params: Params, x: Float[Array, "batch features"]
) -> Float[Array, "batch outputs"]:
    """The outputs of a batch of images."""
    x = dense(params["embed"], _patches(shape, x)) + params["positions"][None]
    for name in shape.blocks:
        block = params[name]
        x = x + _attention(block["attention"], by_layer(block["norm_0"], x)[0])
        units = jax.nn.gelu(dense(block["up"], by_layer(block["norm_1"], x)[0]))
        x = x + dense(block["down"], units)
    return dense(params["out"], by_layer(params["norm"], x)[0].mean(axis=1))


def _patches(
    shape: _Shape, x: Float[Array, "batch features"]
) -> Float[Array, "batch tokens pixels"]:
    """The pixels of each patch in a row, patches row by row of the image."""
    (rows, columns), patch = shape.grid, shape.patch
    x = x.reshape(-1, rows, patch, columns, patch).transpose(0, 1, 3, 2, 4)
    return x.reshape(-1, rows * columns, patch**2)


def _attention(
    params: Params, x: Float[Array, "batch tokens width"]
) -> Float[Array, "batch tokens width"]:
    r"""Multi-head attention: the sum over heads of $\mathrm{softmax}(q k^\top / \sqrt d) v W$.

    $q$, $k$ and $v$ are the queries, keys and values of a head of $d$ dimensions, and $W$ is its
    part of "merge".

    Source: Vaswani et al. (2017), arXiv 1706.03762, equation 1.
    """
    query, key, value = (
        jnp.einsum("btw,whd->bthd", x, params[name]) for name in ("query", "key", "value")
    )
    scores = jnp.einsum("bthd,bshd->bhts", query, key) / jnp.sqrt(query.shape[-1]).astype(x.dtype)
    weights = jax.nn.softmax(scores, axis=-1)
    return jnp.einsum("bhts,bshd,hdw->btw", weights, value, params["merge"])


def _axes(shape: _Shape) -> Any:
    """The axes of all arrays."""
    norm = {"scale": Axes("stream"), "bias": Axes("stream")}
    axes: dict[str, Any] = {
        "embed": {"kernel": Axes(None, "stream"), "bias": Axes("stream")},
        "positions": Axes(None, "stream"),
        "norm": norm,
        "out": {"kernel": Axes("stream", None), "bias": Axes(None)},
    }
    for name in shape.blocks:
        heads, scores, values, units = (
            f"{name}/{what}" for what in ("heads", "scores", "values", "units")
        )
        axes[name] = {
            "norm_0": norm,
            "attention": {
                "query": Axes("stream", heads, scores),
                "key": Axes("stream", heads, scores),
                "value": Axes("stream", heads, values),
                "merge": Axes(heads, values, "stream"),
            },
            "norm_1": norm,
            "up": {"kernel": Axes("stream", units), "bias": Axes(units)},
            "down": {"kernel": Axes(units, "stream"), "bias": Axes("stream")},
        }
    return axes


def _signs(shape: _Shape) -> list[Sign]:
    """The weights that change sign together, after each norm and within each head."""
    signs = [_after_norm("norm", "out/kernel")]
    for name in shape.blocks:
        query, key, value, merge = (
            f"{name}/attention/{what}" for what in ("query", "key", "value", "merge")
        )
        signs += [
            _after_norm(f"{name}/norm_0", query, key, value),
            _after_norm(f"{name}/norm_1", f"{name}/up/kernel"),
            Sign(f"{name}/scores", (Place(query, 2), Place(key, 2))),
            Sign(f"{name}/values", (Place(value, 2), Place(merge, 1))),
        ]
    return signs


def _after_norm(norm: str, *readers: str) -> Sign:
    """The weights that change sign with a channel of a norm's output: its own, and its readers'."""
    leaves = (f"{norm}/scale", f"{norm}/bias", *readers)
    return Sign("stream", tuple(Place(leaf, 0) for leaf in leaves))
