"""Standard normal noise shaped like a tree of params."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from onebasin._arguments import check_key
from onebasin.types import Array, Key, Params


def normal_noise(key: Key, num_draws: int, like: Params) -> Params:
    """Standard normal draws shaped like a tree, with a leading draw axis.

    Raises TypeError if `key` is not a random key.
    """
    check_key(key)
    leaves, structure = jax.tree.flatten(like)
    kinds = tuple((np.shape(leaf), jax.dtypes.canonicalize_dtype(leaf.dtype)) for leaf in leaves)
    return jax.tree.unflatten(structure, _normal_arrays(key, num_draws, kinds))


@partial(jax.jit, static_argnums=(1, 2))
def _normal_arrays(
    key: Key, num_draws: int, kinds: tuple[tuple[tuple[int, ...], jnp.dtype], ...]
) -> list[Array]:
    """Standard normal arrays of these shapes and dtypes, with a leading draw axis, in one program.

    Hundreds of arrays one by one take longer than predicting with them.
    """
    keys = jax.random.split(key, len(kinds))
    return [
        jax.random.normal(k, (num_draws, *shape), dtype)
        for k, (shape, dtype) in zip(keys, kinds, strict=True)
    ]
