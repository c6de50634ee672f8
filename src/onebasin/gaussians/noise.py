"""Standard normal noise shaped like a tree of params."""

import math
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

    Those of one dtype are cut from one array: each call of the generator takes a second to compile.
    """
    kinds = sorted(set(dtypes), key=str)
    found: list[Array] = [jnp.zeros(())] * len(shapes)
    for kind, own in zip(kinds, jax.random.split(key, len(kinds)), strict=True):
        places = [place for place, dtype in enumerate(dtypes) if dtype == kind]
        sizes = [math.prod(shapes[place]) for place in places]
        noise = jax.random.normal(own, (num_draws, sum(sizes)), kind)
        for place, part in zip(
            places, jnp.split(noise, np.cumsum(sizes)[:-1], axis=1), strict=True
        ):
            found[place] = part.reshape(num_draws, *shapes[place])
    return found
