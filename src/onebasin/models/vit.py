"""vit: a small vision transformer."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.models.layers import check_counts, dense, dense_init, normal
from onebasin.models.network import Network, claimed_of
from onebasin.models.normalization import by_layer, norm_init
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry

_EXPANSION = 2
_POSITION_STD = 0.02


class _Shape(NamedTuple):
    image_shape: tuple[int, int]
    outputs: int
    width: int
    depth: int
    heads: int
    patch: int

    @property
    def grid(self) -> tuple[int, int]:
        height, across = self.image_shape
        return height // self.patch, across // self.patch

    @property
    def blocks(self) -> list[str]:
        return [f"block_{index}" for index in range(self.depth)]


def vit(
    image_shape: tuple[int, int],
    outputs: int,
    width: int = 16,
    depth: int = 2,
    heads: int = 2,
    patch: int = 2,
) -> Network:
    """Patches of `patch` x `patch` pixels as tokens, `depth` pre-norm blocks, the mean of tokens.

    Each block adds attention of `heads` heads of width / heads dimensions, and a dense layer of
    2 width units, to a stream of `width` channels. The stream is one group of its symmetry, each
    layer's units another, and so are a block's heads; the dimensions of scores and of values are
    nested in them. Queries may flip with keys, values with what reads them, and what a norm puts
    out with what reads that. Positions are learned.

    Raises: ValueError where heads do not divide the width, patches do not tile the image, or a
    size is below 1.
    Source: Dosovitskiy et al. (2021), arXiv 2010.11929, equations 1 to 4, with the mean of tokens.
    """
    height, across = image_shape
    return _vit(_Shape((height, across), outputs, width, depth, heads, patch))


@cache
def _vit(shape: _Shape) -> Network:
    height, across = shape.image_shape
    check_counts(height=min(shape.image_shape), **shape._asdict() | {"image_shape": 1})
    if shape.width % shape.heads:
        raise ValueError(f"heads must divide the width, {shape.width}. Got {shape.heads}.")
    if height % shape.patch or across % shape.patch:
        raise ValueError(
            f"patch must divide both sides of the image, {height} x {across}. Got {shape.patch}."
        )
    init = partial(_init, shape)
    params = jax.eval_shape(init, jax.random.key(0))
    nested = {
        f"{block}/{what}": [f"{block}/heads"]
        for block in shape.blocks
        for what in ("scores", "values")
    }
    symmetry = Symmetry.of(_axes(shape), params, nested=nested, signs=_signs(shape))
    apply = partial(_apply, shape)
    return Network(init, apply, None, claimed_of(symmetry, apply, height * across))


def _init(shape: _Shape, key: Key) -> Params:
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
    (rows, columns), patch = shape.grid, shape.patch
    x = x.reshape(-1, rows, patch, columns, patch).transpose(0, 1, 3, 2, 4)
    return x.reshape(-1, rows * columns, patch**2)


def _attention(
    params: Params, x: Float[Array, "batch tokens width"]
) -> Float[Array, "batch tokens width"]:
    query, key, value = (
        jnp.einsum("btw,whd->bthd", x, params[name]) for name in ("query", "key", "value")
    )
    scores = jnp.einsum("bthd,bshd->bhts", query, key) / jnp.sqrt(query.shape[-1]).astype(x.dtype)
    weights = jax.nn.softmax(scores, axis=-1)
    return jnp.einsum("bhts,bshd,hdw->btw", weights, value, params["merge"])


def _axes(shape: _Shape) -> Any:
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
    found = [_behind("norm", "out/kernel")]
    for name in shape.blocks:
        query, key, value, merge = (
            f"{name}/attention/{what}" for what in ("query", "key", "value", "merge")
        )
        found += [
            _behind(f"{name}/norm_0", query, key, value),
            _behind(f"{name}/norm_1", f"{name}/up/kernel"),
            Sign(f"{name}/scores", (Place(query, 2), Place(key, 2))),
            Sign(f"{name}/values", (Place(value, 2), Place(merge, 1))),
        ]
    return found


def _behind(norm: str, *readers: str) -> Sign:
    """What a norm puts out flips with everything that reads it."""
    leaves = (f"{norm}/scale", f"{norm}/bias", *readers)
    return Sign("stream", tuple(Place(leaf, 0) for leaf in leaves))
