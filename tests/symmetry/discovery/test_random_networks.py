"""Networks composed at random: no element of a found symmetry changes the function."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import strategies
from hypothesis import given, settings

from onebasin import find_symmetry, permute, random_permutation
from onebasin.symmetry.axes import Symmetry

NUM_NETWORKS, NUM_DRAWS, WIDTH = 100, 20, 6
Layer = Callable[[dict, jax.Array], jax.Array]


def dense(p: dict, x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ p["a"] + p["b"])


def transposed(p: dict, x: jax.Array) -> jax.Array:
    return jax.nn.relu(jnp.einsum("bti,oi->bto", x, p["a"]))


def shared(p: dict, x: jax.Array) -> jax.Array:
    return jnp.tanh(jnp.tanh(x @ p["a"]) @ p["a"])


def residual(p: dict, x: jax.Array) -> jax.Array:
    return x + jax.nn.relu(x @ p["a"]) @ p["c"]


def joined(p: dict, x: jax.Array) -> jax.Array:
    return jnp.concatenate([jax.nn.relu(x @ p["a"]), x], axis=-1) @ p["tall"]


def gated(p: dict, x: jax.Array) -> jax.Array:
    up, gate = jnp.split(x @ p["wide"], 2, axis=-1)
    return up * jax.nn.sigmoid(gate)


def in_groups(p: dict, x: jax.Array) -> jax.Array:
    h = (x @ p["a"]).reshape(*x.shape[:2], 2, 3)
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 0.1)
    return h.reshape(x.shape) * p["b"]


def layer_norm(p: dict, x: jax.Array) -> jax.Array:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 0.1) * p["b"]


def attention(p: dict, x: jax.Array) -> jax.Array:
    apart = lambda name: (x @ p[name]).reshape(*x.shape[:2], 2, 3)
    weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", apart("a"), apart("c")))
    return x + jnp.einsum("bhts,bshd->bthd", weights, apart("d")).reshape(x.shape) @ p["e"]


def packed_attention(p: dict, x: jax.Array) -> jax.Array:
    q, k, v = jnp.moveaxis((x @ p["widest"]).reshape(*x.shape[:2], 3, 3, 2), 2, 0)
    weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k))
    return jnp.einsum("bhts,bshd->bthd", weights, v).reshape(x.shape) @ p["e"]


def depthwise(p: dict, x: jax.Array) -> jax.Array:
    return jnp.sin(x * p["b"])


def half(p: dict, x: jax.Array) -> jax.Array:
    return jnp.concatenate([jnp.cos(x[..., :3]), x[..., 3:] ** 2], axis=-1)


def in_other_shape(p: dict, x: jax.Array) -> jax.Array:
    return jax.nn.softmax(x.reshape(*x.shape[:2], 3, 2), axis=-2).reshape(x.shape)


def running(p: dict, x: jax.Array) -> jax.Array:
    return jnp.cumsum(x, axis=1)


def scanned(p: dict, x: jax.Array) -> jax.Array:
    step = lambda h, xt: (jnp.tanh(xt @ p["a"] + h @ p["c"]),) * 2
    _, states = jax.lax.scan(step, jnp.zeros((x.shape[0], WIDTH), x.dtype), x.swapaxes(0, 1))
    return states.swapaxes(0, 1)


LAYERS: list[Layer] = [
    dense, transposed, shared, residual, joined, gated, in_groups, layer_norm, attention,
    packed_attention, depthwise, half, in_other_shape, running, scanned,
]  # fmt: skip
SHAPES = {
    "a": (WIDTH, WIDTH), "b": (WIDTH,), "c": (WIDTH, WIDTH), "d": (WIDTH, WIDTH),
    "e": (WIDTH, WIDTH), "tall": (2 * WIDTH, WIDTH), "wide": (WIDTH, 2 * WIDTH),
    "widest": (WIDTH, 3 * WIDTH),
}  # fmt: skip


def composed(layers: list[Layer]) -> Callable[[Any, jax.Array], jax.Array]:
    def apply(params: Any, x: jax.Array) -> jax.Array:
        x = x @ params["embed"]
        for layer, own in zip(layers, params["layers"], strict=True):
            x = layer(own, x)
        return x.mean(axis=1) @ params["out"]

    return apply


FOUND: list[Symmetry] = []


@given(strategies.seeds)
@settings(max_examples=NUM_NETWORKS)
def _no_element_changes_a_random_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [LAYERS[i] for i in rng.integers(len(LAYERS), size=rng.integers(1, 6))]
    params = {
        "embed": rng.standard_normal((4, WIDTH)),
        "layers": [
            {name: rng.standard_normal(shape) / 2 for name, shape in SHAPES.items()} for _ in layers
        ],
        "out": rng.standard_normal((WIDTH, 2)),
    }
    x, apply = rng.standard_normal((3, 5, 4)), composed(layers)
    symmetry = find_symmetry(apply, params, x)
    FOUND.append(symmetry)
    copies = jax.tree.map(lambda leaf: np.stack([leaf] * NUM_DRAWS), params)
    moved = permute(symmetry, random_permutation(jax.random.key(seed), symmetry, NUM_DRAWS), copies)
    expected = np.asarray(apply(params, x))
    outputs = np.asarray(jax.vmap(apply, (0, None))(moved, x))
    assert np.abs(outputs - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.slow
def test_no_element_of_a_found_symmetry_changes_a_network_composed_at_random(float64) -> None:
    FOUND.clear()
    with jax.numpy_rank_promotion("allow"):
        _no_element_changes_a_random_network()
    assert len(FOUND) >= NUM_NETWORKS
    # It would prove nothing if nothing were found.
    assert sum(len(one.sizes) > 1 for one in FOUND) > NUM_NETWORKS / 2
    assert any(one.nested for one in FOUND)
