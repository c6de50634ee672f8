"""NumPy generators that are seeded by a JAX key.

What runs on the host draws with NumPy: hundreds of permutations or masks, made one by one, would
each be a call to the device.
"""

import jax
import numpy as np

from onebasin.types import Key


def numpy_rng(key: Key) -> np.random.Generator:
    """A NumPy generator that is seeded by the numbers of a JAX key.

    Equal keys give generators that draw equal numbers. A key stays usable afterwards, so split it
    before another draw is made with it.
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
