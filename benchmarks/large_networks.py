"""ResNet-50, and a transformer as large as GPT-2 small."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

BLOCKS = {64: 3, 128: 4, 256: 6, 512: 3}
WIDTH, HEADS, LAYERS, WORDS, LENGTH = 768, 12, 12, 50_257, 1024


class LargeNetwork(NamedTuple):
    """A network's function, the shapes of its weights, and of inputs as large as its own.

    `small` are the shapes of inputs on which it takes little time to run.
    """

    apply: Callable[..., Any]
    shapes: Callable[[], Any]
    inputs: jax.ShapeDtypeStruct
    small: jax.ShapeDtypeStruct


def _shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, "float32")


def _conv(params: Any, x: jax.Array, stride: int = 1) -> jax.Array:
    """A convolution and the BatchNorm behind it."""
    numbers = ("NHWC", "HWIO", "NHWC")
    x = lax.conv_general_dilated(
        x, params["kernel"], (stride, stride), "SAME", dimension_numbers=numbers
    )
    x = (x - params["mean"]) * lax.rsqrt(params["var"] + 1e-5)
    return x * params["scale"] + params["bias"]


def _conv_shapes(size: int, inputs: int, outputs: int) -> Any:
    vectors = {name: _shape(outputs) for name in ("mean", "var", "scale", "bias")}
    return {"kernel": _shape(size, size, inputs, outputs), **vectors}


def resnet50(params: Any, x: jax.Array) -> jax.Array:
    """ResNet-50 in evaluation mode."""
    x = jax.nn.relu(_conv(params["stem"], x, 2))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    for stage, blocks in enumerate(params["stages"]):
        for number, block in enumerate(blocks):
            stride = 2 if stage and not number else 1
            y = jax.nn.relu(_conv(block["reduce"], x))
            y = jax.nn.relu(_conv(block["conv"], y, stride))
            y = _conv(block["expand"], y)
            x = jax.nn.relu(y + (_conv(block["skip"], x, stride) if "skip" in block else x))
    return x.mean((1, 2)) @ params["out"]["kernel"] + params["out"]["bias"]


def resnet50_shapes() -> Any:
    """The shapes of its weights."""
    stages, inputs = [], 64
    for width, count in BLOCKS.items():
        blocks = []
        for number in range(count):
            block = {
                "reduce": _conv_shapes(1, inputs, width),
                "conv": _conv_shapes(3, width, width),
                "expand": _conv_shapes(1, width, 4 * width),
            }
            if not number:
                block["skip"] = _conv_shapes(1, inputs, 4 * width)
            blocks.append(block)
            inputs = 4 * width
        stages.append(blocks)
    out = {"kernel": _shape(inputs, 1000), "bias": _shape(1000)}
    return {"stem": _conv_shapes(7, 3, 64), "stages": stages, "out": out}


def _normed(params: Any, x: jax.Array) -> jax.Array:
    x = x - x.mean(-1, keepdims=True)
    x = x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)
    return x * params["scale"] + params["bias"]


def _dense(params: Any, x: jax.Array) -> jax.Array:
    return x @ params["kernel"] + params["bias"]


def transformer(params: Any, words: jax.Array) -> jax.Array:
    """A decoder with tied embeddings."""
    batch, length = words.shape
    x = params["words"][words] + params["positions"][:length]
    mask = jnp.tril(jnp.ones((length, length), bool))
    for layer in params["layers"]:
        packed = _dense(layer["packed"], _normed(layer["norm_0"], x))
        query, key, value = jnp.moveaxis(packed.reshape(batch, length, 3, HEADS, -1), 2, 0)
        scores = jnp.einsum("bthd,bshd->bhts", query, key) / math.sqrt(WIDTH / HEADS)
        weights = jax.nn.softmax(jnp.where(mask, scores, -1e9))
        read = jnp.einsum("bhts,bshd->bthd", weights, value).reshape(batch, length, -1)
        x = x + _dense(layer["merge"], read)
        x = x + _dense(layer["down"], jax.nn.gelu(_dense(layer["up"], _normed(layer["norm_1"], x))))
    return _normed(params["norm"], x) @ params["words"].T


def transformer_shapes() -> Any:
    """The shapes of its weights."""
    norm = {"scale": _shape(WIDTH), "bias": _shape(WIDTH)}
    dense = lambda inputs, outputs: {"kernel": _shape(inputs, outputs), "bias": _shape(outputs)}
    layer = {
        "norm_0": norm,
        "packed": dense(WIDTH, 3 * WIDTH),
        "merge": dense(WIDTH, WIDTH),
        "norm_1": norm,
        "up": dense(WIDTH, 4 * WIDTH),
        "down": dense(4 * WIDTH, WIDTH),
    }
    return {
        "words": _shape(WORDS, WIDTH),
        "positions": _shape(LENGTH, WIDTH),
        "layers": [layer] * LAYERS,
        "norm": norm,
    }


NETWORKS = {
    "ResNet-50": LargeNetwork(
        resnet50, resnet50_shapes, _shape(2, 224, 224, 3), _shape(2, 64, 64, 3)
    ),
    f"transformer, {LAYERS} x {WIDTH}": LargeNetwork(
        transformer,
        transformer_shapes,
        jax.ShapeDtypeStruct((2, LENGTH), "int32"),
        jax.ShapeDtypeStruct((2, 16), "int32"),
    ),
}
