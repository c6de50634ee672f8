"""Provenance: whether numbers depend on params, and along which axes no two entries are equal.

Which entry is the largest is a question about units only if no two units are equal: among equal
ones argmax takes the first, and that depends on their order. The outputs of an affine layer, such
as the scores of a router, are distinct along the units' axis unless the params have special values
of probability 0:

    scores[n, e] = sum_i x[n, i] w[i, e] + b[e]        distinct along e, not along n

`Value.distinct` holds those axes. It is the empty set whenever nothing is known: behind a relu, two
units are often both 0.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from onebasin.symmetry.discovery.labels import Flat, resolve
from onebasin.symmetry.discovery.values import Value

_ONE_TO_ONE = frozenset(
    {"reshape", "squeeze", "transpose", "broadcast_in_dim", "convert_element_type", "copy"}
)
"""Views: each entry of the result is an entry of the operand, at most repeated along an axis."""

_INCREASING = frozenset({"copy", "exp", "neg", "stop_gradient"})
"""Strictly monotonic functions: they map distinct entries to distinct entries."""


def with_provenance(
    name: str, params: dict[str, Any], operands: Sequence[Value], results: Sequence[Value]
) -> list[Value]:
    """The results of a primitive with `source` and `distinct` set."""
    if operands and all(value.source == "given" for value in operands):
        source = "given"
    elif name in _ONE_TO_ONE and operands[0].source == "param":
        source = "param"
    else:
        source = "mixed"
    return [
        value._replace(source=source, distinct=_distinct(name, params, operands, value.shape))
        for value in results
    ]


def _distinct(
    name: str, params: dict[str, Any], operands: Sequence[Value], shape: tuple[int, ...]
) -> frozenset[int]:
    """Axes of the result along which no two entries are equal, with probability 1."""
    if name == "dot_general":
        return _distinct_in_product(params, operands[0], operands[1])
    if name in ("add", "sub"):
        return _distinct_in_sum(operands[0], operands[1], shape)
    if name in ("mul", "div"):
        return _distinct_if_scaled(name, operands[0], operands[1], shape)
    if name == "broadcast_in_dim":
        to = params["broadcast_dimensions"]
        return frozenset(int(to[axis]) for axis in operands[0].distinct)
    if name == "transpose":
        order = list(params["permutation"])
        return frozenset(order.index(axis) for axis in operands[0].distinct)
    if name == "reshape":
        return _distinct_if_reshaped(operands[0], shape)
    if name == "convert_element_type":
        # In half precision, many numbers are rounded to the same one.
        is_fine = jnp.issubdtype(params["new_dtype"], jnp.floating)
        is_fine = is_fine and jnp.finfo(params["new_dtype"]).bits >= 32
        return operands[0].distinct if is_fine else frozenset()
    return operands[0].distinct if name in _INCREASING else frozenset()


def _distinct_in_product(params: dict[str, Any], left: Value, right: Value) -> frozenset[int]:
    """out[n,e] = sum_i x[n,i] w[i,e] for inputs x and a param w is distinct along e.

    Axes of the param that are neither summed nor batched are such axes, unless the param itself is
    repeated along them. Products of two params, or with an array that depends on params, are not
    handled.
    """
    (summed_left, summed_right), (batch_left, batch_right) = params["dimension_numbers"]
    free_left = [a for a in range(left.ndim) if a not in (*summed_left, *batch_left)]
    free_right = [a for a in range(right.ndim) if a not in (*summed_right, *batch_right)]
    first = len(batch_left)
    if (left.source, right.source) == ("param", "given"):
        return frozenset(first + i for i, a in enumerate(free_left) if not _repeats(left, a))
    if (left.source, right.source) == ("given", "param"):
        first += len(free_left)
        return frozenset(first + i for i, a in enumerate(free_right) if not _repeats(right, a))
    return frozenset()


def _distinct_in_sum(left: Value, right: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """out[n,e] = h[n,e] + b[e] is distinct along e if b is a param, or if h is and b is constant.

    Of biases, only those that are added to a term of source "mixed" are handled, as the result of a
    matrix product is.
    """
    distinct = _distinct_if_shifted(left, right, shape) | _distinct_if_shifted(right, left, shape)
    for bias, term in ((left, right), (right, left)):
        if bias.source == "param" and term.source == "mixed" and bias.ndim == len(shape):
            distinct |= {a for a in range(len(shape)) if not _repeats(bias, a)}
    return distinct


def _distinct_if_shifted(value: Value, by: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """The distinct axes of `value` along which `by` is constant."""
    if value.shape != shape:
        return frozenset()
    return frozenset(axis for axis in value.distinct if by.ndim == 0 or _is_constant(by, axis))


def _distinct_if_scaled(
    name: str, left: Value, right: Value, shape: tuple[int, ...]
) -> frozenset[int]:
    """As for sums: a quotient by one number, or a product with a constant that is not 0."""
    if name == "div":
        return _distinct_if_shifted(left, right, shape)
    distinct = frozenset[int]()
    for value, factor in ((left, right), (right, left)):
        if factor.concrete is not None and factor.concrete.all():
            distinct |= _distinct_if_shifted(value, factor, shape)
    return distinct


def _distinct_if_reshaped(value: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """The last axis, if it stays the last one while axes before it are merged or split."""
    last = value.ndim - 1
    is_kept = last in value.distinct and shape[-1:] == value.shape[-1:]
    return frozenset({len(shape) - 1}) if is_kept and math.prod(shape) else frozenset()


def _repeats(value: Value, axis: int) -> bool:
    """Whether some entries along an axis are equal, as broadcasting makes them."""
    return value.shape[axis] == 1 or any(
        isinstance(factor, Flat)
        for factors in value.factors_at(axis)
        for factor in resolve(factors)
    )


def _is_constant(value: Value, axis: int) -> bool:
    """Whether all entries along an axis are equal."""
    return all(
        isinstance(factor, Flat)
        for factors in value.factors_at(axis)
        for factor in resolve(factors)
    )
