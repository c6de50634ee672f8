"""The words of every signature: what params, keys, log densities and permutations are.

Only type aliases live here; no code runs.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray, Shaped

Array: TypeAlias = jax.Array | np.ndarray
"""An array on the device or on the host."""

Params: TypeAlias = Any
"""The weights of a network: any pytree of floating-point arrays."""

Key: TypeAlias = PRNGKeyArray
"""A JAX random key, as made by `jax.random.key`."""

LogDensity: TypeAlias = Callable[[Params], Float[Array, ""]]
"""The unnormalized log posterior density of params, in nats."""

Permutation: TypeAlias = Mapping[str, Shaped[Array, "..."]]
"""One entry a group, integers whose last axis lists its units: new unit i is old unit
`permutation[group][i]`. What takes a permutation refuses other numbers."""
