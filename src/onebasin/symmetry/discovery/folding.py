"""Folding: what is made of known numbers alone is computed, by JAX itself."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Primitive

from onebasin.symmetry.discovery.jax_names import CALLS, KEYS, LOOPS, RANDOM
from onebasin.symmetry.discovery.values import FEW, Value

_NOT_FOLDED = CALLS | LOOPS | RANDOM | KEYS


def folded(
    primitive: Primitive,
    params: dict[str, Any],
    operands: Sequence[Value],
    shapes: Sequence[tuple[int, ...]],
) -> list[np.ndarray] | None:
    """The numbers that a primitive gives; None if operands are not known, or there are too many.

    Indices and masks are mostly such numbers. Functions within the function are walked through, and
    random numbers are told of.
    """
    known = [value.known for value in operands]
    if not known or any(numbers is None for numbers in known):
        return None
    if primitive.name in _NOT_FOLDED or any(math.prod(shape) > FEW for shape in shapes):
        return None
    with jax.ensure_compile_time_eval():
        found = primitive.bind(*known, **params)
    return [np.asarray(one) for one in (found if primitive.multiple_results else [found])]
