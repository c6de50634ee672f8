"""The fingerprint of a sampling: what its draws depend on, as hashes that can be compared later."""

import hashlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin.methods.method import Method
from onebasin.types import Key, Params


def fingerprint(
    method: Method, positions: Params, thin: int, key: Key, first_step: jax.stages.Lowered
) -> dict[str, str]:
    """What the draws of `sample` depend on: each part by its name, as a hash or a number.

    The method is compared by the program of its first step as JAX lowers it, which has all settings
    and all constants in it, and by the arrays that it holds.
    """
    arrays, _ = eqx.partition(method, eqx.is_array)
    reductions = str(sorted(method.reduce_stats.items()))
    return {
        "starts": _hash(positions),
        "key": _hash(_key_data(key), str(key.dtype)),
        "thin": str(thin),
        "num_warmup": str(method.num_warmup),
        "method": _hash(arrays, first_step.as_text(), reductions),
    }


def lower_first_step(method: Method, positions: Params, key: Key) -> jax.stages.Lowered:
    """The program of the first step of a chain. Arrays that the method holds are arguments of it.

    Its `out_info` has the shapes of the state and the statistics.
    """
    arrays, static = eqx.partition(method, eqx.is_array)

    def first_step(arrays: Method, position: Params, key: Key) -> Any:
        whole: Method = eqx.combine(arrays, static)
        return whole.step(whole.init(position, key=key), key=key)

    position = jax.tree.map(lambda leaf: leaf[0], positions)
    return jax.jit(first_step).lower(arrays, position, key)


def _key_data(key: Key) -> Any:
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(key) if is_typed else key


def _hash(tree: Any, *words: str) -> str:
    """The SHA-256 of the arrays in a tree, with their paths, dtypes and shapes, and of words."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode())
    for path, leaf in _trees.named_leaves(tree).items():
        array = np.ascontiguousarray(leaf)
        digest.update(f"{path} {array.dtype} {np.shape(leaf)}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
