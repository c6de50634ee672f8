"""The words of every signature: what params, keys and log densities are.

Only type aliases live here; no code runs.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

__all__ = ["Array", "Key", "LogDensity", "Params"]

Array: TypeAlias = jax.Array | np.ndarray
"""An array on the device or on the host."""

Params: TypeAlias = Any
"""The weights of a network: any pytree of floating-point arrays."""

Key: TypeAlias = PRNGKeyArray
"""A JAX random key, as made by `jax.random.key`."""

LogDensity: TypeAlias = Callable[[Params], Float[Array, ""]]
"""The unnormalized log posterior density of params, in nats."""
