"""Provenance: whether numbers depend on params at all, and along which axes none are equal.

Which entry is the largest is a question about units only where no two are equal: of equal ones the
first is taken, and that depends on their order. Units of an affine layer, as those that route
tokens to experts, are never equal but for params of probability 0.
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
"""Primitives that hand on the entries of one param, each at most once but for repeated axes."""

_INCREASING = frozenset({"copy", "exp", "neg", "stop_gradient"})
"""Functions under which entries that differ still do."""


def with_provenance(
    name: str, params: dict[str, Any], operands: Sequence[Value], found: Sequence[Value]
) -> list[Value]:
    """The values that a primitive gives, with what is known of where they come from."""
    if operands and all(value.source == "given" for value in operands):
        source = "given"
    elif name in _ONE_TO_ONE and operands[0].source == "param":
        source = "param"
    else:
        source = "mixed"
    return [
        value._replace(source=source, distinct=_distinct(name, params, operands, value.shape))
        for value in found
    ]


def _distinct(
    name: str, params: dict[str, Any], operands: Sequence[Value], shape: tuple[int, ...]
) -> frozenset[int]:
    """Axes along which no two entries are equal, but for params of probability 0."""
    if name == "dot_general":
        return _of_product(params, operands[0], operands[1])
    if name in ("add", "sub"):
        return _of_sum(operands[0], operands[1], shape)
    if name in ("mul", "div"):
        return _of_scaled(name, operands[0], operands[1], shape)
    if name == "broadcast_in_dim":
        to = params["broadcast_dimensions"]
        return frozenset(int(to[axis]) for axis in operands[0].distinct)
    if name == "transpose":
        order = list(params["permutation"])
        return frozenset(order.index(axis) for axis in operands[0].distinct)
    if name == "reshape":
        return _of_reshaped(operands[0], shape)
    if name == "convert_element_type":
        # In half precision, many numbers are rounded to one.
        is_fine = jnp.issubdtype(params["new_dtype"], jnp.floating)
        is_fine = is_fine and jnp.finfo(params["new_dtype"]).bits >= 32
        return operands[0].distinct if is_fine else frozenset()
    return operands[0].distinct if name in _INCREASING else frozenset()


def _of_product(params: dict[str, Any], one: Value, other: Value) -> frozenset[int]:
    """Inputs times a param: what differs is the param's own axes."""
    (summed_one, summed_other), (batch_one, batch_other) = params["dimension_numbers"]
    free_one = [a for a in range(one.ndim) if a not in (*summed_one, *batch_one)]
    free_other = [a for a in range(other.ndim) if a not in (*summed_other, *batch_other)]
    first = len(batch_one)
    if (one.source, other.source) == ("param", "given"):
        return frozenset(first + i for i, a in enumerate(free_one) if not _repeats(one, a))
    if (one.source, other.source) == ("given", "param"):
        first += len(free_one)
        return frozenset(first + i for i, a in enumerate(free_other) if not _repeats(other, a))
    return frozenset()


def _of_sum(one: Value, other: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """A bias makes entries differ; what is the same for all of them does not make them equal."""
    found = _shifted(one, other, shape) | _shifted(other, one, shape)
    for bias, term in ((one, other), (other, one)):
        if bias.source == "param" and term.source == "mixed" and bias.ndim == len(shape):
            found |= {a for a in range(len(shape)) if not _repeats(bias, a)}
    return found


def _shifted(value: Value, by: Value, shape: tuple[int, ...]) -> frozenset[int]:
    if value.shape != shape:
        return frozenset()
    return frozenset(axis for axis in value.distinct if by.ndim == 0 or _is_constant(by, axis))


def _of_scaled(name: str, one: Value, other: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """Quotients of entries by one number, and products with one that is known and not 0."""
    if name == "div":
        return _shifted(one, other, shape)
    found = frozenset[int]()
    for value, factor in ((one, other), (other, one)):
        if factor.known is not None and factor.known.all():
            found |= _shifted(value, factor, shape)
    return found


def _of_reshaped(value: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """The last axis stays the last where the others are merged or split."""
    last = value.ndim - 1
    is_kept = last in value.distinct and shape[-1:] == value.shape[-1:]
    return frozenset({len(shape) - 1}) if is_kept and math.prod(shape) else frozenset()


def _repeats(value: Value, axis: int) -> bool:
    """Whether some entries along an axis are equal, as broadcasting makes them."""
    return value.shape[axis] == 1 or any(
        isinstance(factor, Flat) for run in value.at(axis) for factor in resolve(run)
    )


def _is_constant(value: Value, axis: int) -> bool:
    """Whether nothing changes along an axis."""
    return all(isinstance(factor, Flat) for run in value.at(axis) for factor in resolve(run))
