"""Networks so small that all permutations of all axes of their params can be tried.

Nested groups lie on flat axes (two heads of two dimensions as four columns), so that these
permutations are permutations of an axis as well.
"""

import jax.numpy as jnp
import numpy as np
from architecture import Family
from jax import lax
from jax.nn import sigmoid, softmax

TINY = Family()
MASK = np.array([[1, 0, 0], [1, 1, 0]], "float32")


@TINY.network({"w": (2, 3), "b": (3,), "o": (3, 2)}, [(4, 2)], [3])
def one_hidden_layer(p, x):
    return jnp.tanh(x @ p["w"] + p["b"]) @ p["o"]


@TINY.network({"w": (2, 3), "v": (3, 2), "o": (2, 2)}, [(4, 2)], [3, 2])
def two_hidden_layers(p, x):
    return jnp.tanh(jnp.tanh(x @ p["w"]) @ p["v"]) @ p["o"]


@TINY.network({"e": (2, 3), "u": (3, 2), "v": (2, 3), "o": (3, 1)}, [(4, 2)], [3, 2])
def residual(p, x):
    h = x @ p["e"]
    return (h + jnp.tanh(h @ p["u"]) @ p["v"]) @ p["o"]


@TINY.network({"e": (1, 3), "w": (3, 3), "o": (3, 2)}, [(4, 1)], [3])
def one_matrix_twice(p, x):
    return jnp.tanh(jnp.tanh(x @ p["e"] @ p["w"]) @ p["w"]) @ p["o"]


@TINY.network({"w": (2, 4), "o": (2, 2)}, [(4, 2)], [2])
def gated_units(p, x):
    gate, value = jnp.split(x @ p["w"], 2, axis=-1)
    return (sigmoid(gate) * value) @ p["o"]


@TINY.network({"q": (1, 4), "k": (1, 4), "v": (1, 2), "o": (2, 1)}, [(3, 1)], [2, (2, (2,))])
def two_heads(p, x):
    q, k = ((x @ p[name]).reshape(3, 2, 2) for name in "qk")
    scores = softmax(jnp.einsum("thd,shd->hts", q, k))
    return jnp.einsum("hts,sh->th", scores, x @ p["v"]) @ p["o"]


@TINY.network({"w": (2, 4), "o": (2, 2)}, [(4, 2)], [2, (2, (2,))])
def maxout(p, x):
    return (x @ p["w"]).reshape(4, 2, 2).max(-1) @ p["o"]


@TINY.network({"w": (1, 4), "s": (4,), "o": (4, 1)}, [(4, 1)], [2, (2, (2,))])
def normalized_groups(p, x):
    h = jnp.tanh(x @ p["w"] + 0.5).reshape(4, 2, 2)
    h = h / jnp.sqrt((h**2).sum(-1, keepdims=True) + 0.1)
    return (h.reshape(4, 4) * p["s"]) @ p["o"]


@TINY.network({"k": (2, 1, 2), "d": (4, 2)}, [(3, 3, 1)], [2])
def flattened_channels(p, x):
    numbers = ("NWC", "WIO", "NWC")
    h = lax.conv_general_dilated(x, p["k"], (1,), "VALID", dimension_numbers=numbers)
    return jnp.tanh(h).reshape(3, 4) @ p["d"]


@TINY.network({"k": (1, 1, 2), "d": (2, 1, 4), "o": (4, 1)}, [(2, 3, 1)], [2, (2, (2,))])
def depthwise_with_two_outputs(p, x):
    options = {"window_strides": (1,), "padding": "VALID"}
    options["dimension_numbers"] = ("NWC", "WIO", "NWC")
    h = jnp.tanh(lax.conv_general_dilated(x, p["k"], **options))
    h = lax.conv_general_dilated(h, p["d"], feature_group_count=2, **options)
    return jnp.tanh(h).mean(1) @ p["o"]


@TINY.network({"w": (2, 3), "v": (3, 2), "o": (2, 1)}, [(4, 2)], [2])
def masked(p, x):
    return jnp.tanh(jnp.tanh(x @ (p["w"] * MASK)) @ p["v"]) @ p["o"]


@TINY.network({"w": (2, 3), "v": (3, 2), "o": (2, 1)}, [(4, 2)], [2])
def running_sums(p, x):
    return jnp.tanh(jnp.cumsum(jnp.tanh(x @ p["w"]), axis=-1) @ p["v"]) @ p["o"]


@TINY.network({"w": (1, 4), "u": (2, 4), "o": (2, 1)}, [(3, 2, 1)], [2])
def gated_recurrence(p, x):
    def step(h, one):
        gate, new = jnp.split(one @ p["w"] + h @ p["u"], 2, axis=-1)
        return sigmoid(gate) * h + jnp.tanh(new), None

    return lax.scan(step, jnp.ones((2, 2), x.dtype), x)[0] @ p["o"]


@TINY.network({"w": (4,), "b": (4,), "v": (4,)}, [(3, 1)], [2, (2, (2,))])
def averaged_members(p, x):
    h = jnp.tanh(x * p["w"] + p["b"]) * p["v"]
    return jnp.tanh(h.reshape(3, 2, 2).sum(-1)).sum(-1)


@TINY.network({"a": (1, 3), "b": (3, 2), "o": (2, 1)}, [(4, 1)], [3, 2])
def low_rank(p, x):
    return jnp.tanh(x @ (p["a"] @ p["b"])) @ p["o"]


@TINY.network({"w": (2, 2), "v": (4, 2), "o": (2, 1)}, [(4, 2)], [2, 2])
def concatenated(p, x):
    return jnp.tanh(jnp.concatenate([x, jnp.tanh(x @ p["w"])], -1) @ p["v"]) @ p["o"]


@TINY.network({"w": (1, 4), "v": (2, 2), "o": (2, 2)}, [(4, 1)], [2, 2])
def two_slices(p, x):
    h = jnp.tanh(x @ p["w"] + 0.3)
    return h[:, :2] @ p["v"] + h[:, 2:] ** 2 @ p["o"]


@TINY.network({"w": (1, 2), "v": (1, 2), "o": (4, 1)}, [(4, 1)], [2, 2])
def outer_product(p, x):
    one, other = jnp.tanh(x @ p["w"]), jnp.cos(x @ p["v"])
    return (one[:, :, None] * other[:, None, :]).reshape(4, 4) @ p["o"]


@TINY.network({"w": (1, 3), "o": (3, 1)}, [(4, 1)], [3])
def sorted_units(p, x):
    return jnp.sort(jnp.tanh(x @ p["w"]), axis=-1) @ p["o"]
