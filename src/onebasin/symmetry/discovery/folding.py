"""Constant folding: JAX itself computes what depends on constants alone.

Indices and masks are mostly such numbers: `x[:, jnp.arange(3)]` reads at 0, 1 and 2. With the
concrete numbers at hand, a gather is known to be a slice, and its rule can follow labels.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Primitive

from onebasin.symmetry.discovery.jax_names import CALLS, KEYS, LOOPS, RANDOM
from onebasin.symmetry.discovery.values import MAX_CONCRETE_SIZE, Value

_NOT_FOLDED = CALLS | LOOPS | RANDOM | KEYS


def fold_constants(
    primitive: Primitive,
    params: dict[str, Any],
    operands: Sequence[Value],
    shapes: Sequence[tuple[int, ...]],
) -> list[np.ndarray] | None:
    """The numbers that a primitive computes from constants, one array for each result.

    None if an operand is not concrete, or if a result has more than `MAX_CONCRETE_SIZE` entries.
    Calls and loops are not folded, because the walk goes through their bodies. Random numbers are
    not folded either, because their rule warns of them.
    """
    arrays = [value.concrete for value in operands]
    if not arrays or any(array is None for array in arrays):
        return None
    if primitive.name in _NOT_FOLDED or any(
        math.prod(shape) > MAX_CONCRETE_SIZE for shape in shapes
    ):
        return None
    with jax.ensure_compile_time_eval():
        results = primitive.bind(*arrays, **params)
    return [np.asarray(x) for x in (results if primitive.multiple_results else [results])]
