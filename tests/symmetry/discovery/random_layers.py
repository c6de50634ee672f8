"""Layers of which networks are composed at random: each reads tokens with units, in any width."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import sigmoid, softmax

TOKENS = 3
LAYERS: dict[str, Callable] = {}
"""From units in and a width to the shapes of the params and what the layer does with them."""


def layer(make: Callable) -> Callable:
    """Enters a kind of layer."""
    LAYERS[make.__name__] = make
    return make


def compose_layers(
    layers: Sequence[tuple[str, int]], num_inputs: int
) -> tuple[Callable, dict[str, tuple[int, ...]]]:
    """A network of some layers with a linear one before and after, and the shapes of its params."""
    parts, shapes = [], {}
    width = num_inputs
    for number, (kind, units) in enumerate([("dense", 4), *layers, ("linear", 2)]):
        own, apply = LAYERS.get(kind, linear)(width, units)
        names = {name: f"{number}_{kind}_{name}" for name in own}
        shapes |= {names[name]: shape for name, shape in own.items()}
        arguments = {name: jax.ShapeDtypeStruct(shape, "float64") for name, shape in own.items()}
        tokens = jax.ShapeDtypeStruct((TOKENS, width), "float64")
        width = jax.eval_shape(apply, arguments, tokens).shape[1]
        parts.append((names, apply))

    def network(params, x):
        for names, apply in parts:
            x = apply({own: params[name] for own, name in names.items()}, x)
        return x

    return network, shapes


def linear(n: int, m: int):
    return {"w": (n, m)}, lambda p, h: h @ p["w"]


@layer
def dense(n: int, m: int):
    return {"w": (n, m), "b": (m,)}, lambda p, h: jnp.tanh(h @ p["w"] + p["b"])


@layer
def dense_twice_with_one_kernel(n: int, m: int):
    return {"w": (n, n)}, lambda p, h: jnp.tanh(jnp.tanh(h @ p["w"].T) @ p["w"].T)


@layer
def residual(n: int, m: int):
    return {"u": (n, m), "v": (m, n)}, lambda p, h: h + jnp.sin(h @ p["u"]) @ p["v"]


@layer
def two_branches(n: int, m: int):
    shapes = {"u": (n, m), "v": (2, n)}
    return shapes, lambda p, h: jnp.concatenate([jnp.tanh(h @ p["u"]), h @ p["v"].T], -1)


@layer
def concatenation_with_the_input(n: int, m: int):
    return {"u": (n, m)}, lambda p, h: jnp.concatenate([h, jnp.tanh(h @ p["u"])], -1)


@layer
def normalized_groups(n: int, m: int):
    def apply(p, h):
        h = jnp.pad(h, [(0, 0), (0, n % 2)]).reshape(TOKENS, 2, -1)
        h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 0.1)
        return h.reshape(TOKENS, -1) * p["s"]

    return {"s": (n + n % 2,)}, apply


@layer
def square_kernel_between_groups(n: int, m: int):
    """Two groups of units, listed by both axes of one kernel."""
    return {"w": (n, n)}, lambda p, h: in_two_groups(
        in_two_groups(h) + jnp.tanh(in_two_groups(h)) @ p["w"]
    )


def in_two_groups(h):
    if h.shape[1] % 2:
        return h
    z = h.reshape(TOKENS, 2, -1)
    return (z / jnp.sqrt((z**2).sum(-1, keepdims=True) + 0.1)).reshape(h.shape)


@layer
def products_between_heads(n: int, m: int):
    def apply(p, h):
        z = jnp.tanh(h @ p["w"]).reshape(TOKENS, 2, m)
        gram = jnp.einsum("thd,tgd->thg", z, z).reshape(TOKENS, 4)
        return jnp.concatenate([h, gram], -1)

    return {"w": (n, 2 * m)}, apply


@layer
def products_of_all_units(n: int, m: int):
    def apply(p, h):
        z = h @ p["w"]
        return jnp.tanh(z[:, :, None] * z[:, None, :]).reshape(TOKENS, m * m) @ p["o"]

    return {"w": (n, m), "o": (m * m, m)}, apply


@layer
def gated_split(n: int, m: int):
    def apply(p, h):
        gate, value = jnp.split(h @ p["w"], 2, axis=-1)
        return sigmoid(gate) * value

    return {"w": (n, 2 * m)}, apply


@layer
def attention(n: int, m: int):
    """Two heads with m dimensions each, from kernels packed in one."""

    def apply(p, h):
        packed = jnp.split(h @ p["w"], 3, axis=-1)
        q, k, v = (one.reshape(TOKENS, 2, m) for one in packed)
        scores = softmax(jnp.einsum("thd,shd->hts", q, k))
        return h + jnp.einsum("hts,shd->thd", scores, v).reshape(TOKENS, 2 * m) @ p["o"]

    return {"w": (n, 6 * m), "o": (2 * m, n)}, apply


@layer
def layernorm(n: int, m: int):
    def apply(p, h):
        h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 0.1)
        return h * p["s"] + p["b"]

    return {"s": (n,), "b": (n,)}, apply


@layer
def activation(n: int, m: int):
    return {}, lambda p, h: jnp.tanh(h)


@layer
def scaling_of_each_unit(n: int, m: int):
    return {"s": (n,)}, lambda p, h: h * p["s"]


@layer
def slice_of_units(n: int, m: int):
    cut = max(1, n // 2)
    return {"w": (cut, m)}, lambda p, h: jnp.concatenate([h[:, cut:], h[:, :cut] @ p["w"]], -1)


@layer
def pooling_of_tokens(n: int, m: int):
    return {}, lambda p, h: h - h.max(0) + h.mean(0, keepdims=True)


@layer
def pooling_of_neighbouring_units(n: int, m: int):
    def apply(p, h):
        return lax.reduce_window(h, -jnp.inf, lax.max, (1, 2), (1, 1), "SAME")

    return {}, apply


@layer
def running_sum_of_tokens(n: int, m: int):
    return {}, lambda p, h: jnp.cumsum(h, axis=0) / TOKENS


@layer
def order_of_units(n: int, m: int):
    return {}, lambda p, h: h * jnp.arange(1.0, n + 1)


@layer
def sorted_units(n: int, m: int):
    return {}, lambda p, h: jnp.sort(h, axis=-1)


@layer
def maxout(n: int, m: int):
    return {"w": (n, 2 * m)}, lambda p, h: (h @ p["w"]).reshape(TOKENS, m, 2).max(-1)


@layer
def units_turned_into_tokens(n: int, m: int):
    """Tokens and units change places in the layer's kernel."""
    return {"w": (TOKENS * n, TOKENS * m)}, lambda p, h: jnp.tanh(h.reshape(-1) @ p["w"]).reshape(
        TOKENS, m
    )


@layer
def recurrence_over_tokens(n: int, m: int):
    def apply(p, h):
        step = lambda c, one: (jnp.tanh(one @ p["w"] + c @ p["u"]),) * 2
        return lax.scan(step, jnp.zeros(m), h)[1]

    return {"w": (n, m), "u": (m, m)}, apply


@layer
def convolution_over_tokens(n: int, m: int):
    def apply(p, h):
        numbers = ("NWC", "WIO", "NWC")
        return lax.conv_general_dilated(h[None], p["k"], (1,), "SAME", dimension_numbers=numbers)[0]

    return {"k": (2, n, m)}, apply
