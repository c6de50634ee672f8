"""Networks whose groups are nested or share an axis, as data for tests."""

import jax
import jax.numpy as jnp
import numpy as np

HEADS, DIMS = 2, 3
PARAMS = {
    "embed": np.zeros((4, 5)),
    "qkv": np.zeros((5, 3 * HEADS * DIMS)),
    "merge": np.zeros((HEADS * DIMS, 5)),
    "gate": np.zeros((5, 8)),
    "down": np.zeros((4, 5)),
    "out": np.zeros((5, 2)),
}
INPUTS = np.random.default_rng(0).standard_normal((2, 6, 4))


def attention(params: dict, x: jax.Array) -> jax.Array:
    """A transformer block: heads, the dimensions inside them, a gate and a residual stream."""
    batch, length, _ = x.shape
    stream = x @ params["embed"]
    packed = (stream @ params["qkv"]).reshape(batch, length, 3, HEADS, DIMS)
    query, key, value = packed[:, :, 0], packed[:, :, 1], packed[:, :, 2]
    weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", query, key))
    attended = jnp.einsum("bhts,bshd->bthd", weights, value)
    stream = stream + attended.reshape(batch, length, -1) @ params["merge"]
    up, gate = jnp.split(stream @ params["gate"], 2, axis=-1)
    stream = stream + (up * jax.nn.sigmoid(gate)) @ params["down"]
    return stream.mean(axis=1) @ params["out"]


def random_params(seed: int, *batch: int) -> dict:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((*batch, *leaf.shape)) for name, leaf in PARAMS.items()}
