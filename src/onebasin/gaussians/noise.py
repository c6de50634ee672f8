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
    shapes = tuple(np.shape(leaf) for leaf in leaves)
    dtypes = tuple(jax.dtypes.canonicalize_dtype(leaf.dtype) for leaf in leaves)
    return jax.tree.unflatten(structure, _normal_arrays(key, num_draws, shapes, dtypes))


@partial(jax.jit, static_argnums=(1, 2, 3))
def _normal_arrays(
    key: Key, num_draws: int, shapes: tuple[tuple[int, ...], ...], dtypes: tuple[jnp.dtype, ...]
) -> list[Array]:
    """Standard normal arrays with a leading draw axis.

    They are cut from one array: each call of the generator takes a second to compile.
    """
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    together = jnp.promote_types(jnp.float32, jnp.result_type(*dtypes))
    noise = jax.random.normal(key, (num_draws, int(ends[-1])), together)
    parts = jnp.split(noise, ends[:-1], axis=1)
    return [
        part.reshape(num_draws, *shape).astype(dtype)
        for part, shape, dtype in zip(parts, shapes, dtypes, strict=True)
    ]
