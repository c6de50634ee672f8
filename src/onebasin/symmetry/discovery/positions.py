"""Positions: whole numbers that say which entry along an axis is meant, as argmax gives them.

If units are permuted, the position of the largest one moves with it. Two uses of positions do not
depend on the order of the units, and are followed:

- reading at them: `scores[argmax(scores)]`, or the expert that a router picks by `top_k`;
- a one-hot mask: `positions[:, None] == jnp.arange(n)`, an array whose last axis lists the units.

Any other use, such as a product with a position, depends on the order: then the units that are
pointed to are frozen. Positions are followed only along axes on which no two entries are equal
(`Value.distinct`), for among equal entries argmax takes the first one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from onebasin.symmetry.discovery.labels import Factors, Flat, freeze, resolve, size_of
from onebasin.symmetry.discovery.unification import unify
from onebasin.symmetry.discovery.values import Positions, Value

_REASON = "position-dependent: which entry is the largest"

_PRESERVING = frozenset(
    {"reshape", "squeeze", "transpose", "broadcast_in_dim", "convert_element_type", "copy", "slice"}
)
"""Primitives whose results point to what their operand points to."""

_COMPARISONS = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}


def freeze_positions(values: Sequence[Value]) -> list[Value]:
    """The values as plain numbers: the entries that they point to are frozen."""
    for value in values:
        if value.positions is not None:
            freeze(value.positions.factors, _REASON)
    return [value._replace(positions=None) for value in values]


def without_positions(values: Sequence[Value]) -> list[Value]:
    """The values as plain numbers; what they point to stays free."""
    return [value._replace(positions=None) for value in values]


def distinct_entries(value: Value, axis: int) -> Factors | None:
    """The factors that positions along an axis would point to.

    None if two entries may be equal. None if the axis is cut, because a position then counts
    entries of several segments.
    """
    if axis not in value.distinct or len(value.cuts[axis]) > 1:
        return None
    factors, *factors_of_blocks = value.factors_at(axis)
    for further in factors_of_blocks:
        factors = unify(factors, further)
    return resolve(factors)


def propagate_positions(
    name: str, params: dict[str, Any], operands: Sequence[Value]
) -> tuple[list[Value], Positions | None]:
    """The operands of a primitive as its rule may see them, and what its result points to.

    Views of positions are positions. A sum with a constant is not: JAX adds the length of the axis
    to negative indices, so that the result is marked as shifted, which matters only if it is used.
    All other primitives use the numbers as such, and freeze what they point to.
    """
    positions = [value.positions for value in operands if value.positions is not None]
    if name in _PRESERVING:
        is_whole = np.dtype(params.get("new_dtype", "int32")).kind in "iu"
        if is_whole:
            return without_positions(operands), positions[0]
    is_shift = name in ("add", "sub") and len(positions) == 1
    if is_shift and any(value.concrete is not None for value in operands):
        return without_positions(operands), positions[0]._replace(is_shifted=True)
    return freeze_positions(operands), None


def constant_comparison(
    name: str, operands: Sequence[Value], shape: tuple[int, ...]
) -> np.ndarray | None:
    """The answer of a comparison that is the same for every position; None if it is not.

    For example, `position < 0` is False for all positions. JAX asks this before it reads at an
    index.
    """
    if name not in _COMPARISONS:
        return None
    left, right = operands
    positions = left.positions or right.positions
    if (
        positions is None
        or positions.is_shifted
        or (left.concrete is None) == (right.concrete is None)
    ):
        return None
    compare, answers = _COMPARISONS[name], []
    for position in (0, size_of(positions.factors) - 1):
        first = position if left.concrete is None else left.concrete
        second = position if right.concrete is None else right.concrete
        answers.append(compare(first, second))
    is_same = all((answer == np.ravel(answers[0])[:1]).all() for answer in answers)
    return np.full(shape, np.ravel(answers[0])[0]) if is_same else None


def constant_choice(name: str, operands: Sequence[Value]) -> Value | None:
    """The case that a `select_n` takes for every entry; None if that is not known."""
    if name != "select_n" or operands[0].concrete is None or not operands[0].concrete.size:
        return None
    cases = np.unique(operands[0].concrete)
    return operands[1 + int(cases[0])] if len(cases) == 1 else None


def one_hot_axis(name: str, operands: Sequence[Value]) -> tuple[Value, int, Factors] | None:
    """Positions that are compared with 0, 1, 2, ... along an axis on which they have length 1.

    Gives the positions, that axis, and the factors that its entries have in the mask: those of the
    units that are pointed to. None for all other comparisons.
    """
    if name not in ("eq", "ne"):
        return None
    for value, counted in (operands, operands[::-1]):
        positions = value.positions
        if positions is not None and not positions.is_shifted and counted.concrete is not None:
            axis = _axis_of_arange(counted.concrete, size_of(positions.factors))
            if axis is not None and value.ndim and value.shape[axis] == 1:
                return value, axis, positions.factors
    return None


def is_arange(numbers: np.ndarray | None, axis: int) -> bool:
    """Whether concrete numbers are 0, 1, 2, ... along an axis, and the same along all others."""
    if numbers is None:
        return False
    shape = [-1 if i == axis else 1 for i in range(numbers.ndim)]
    return bool((numbers == np.arange(numbers.shape[axis]).reshape(shape)).all())


def _axis_of_arange(numbers: np.ndarray, size: int) -> int | None:
    """The only axis along which the numbers are 0, 1, ..., size - 1; None if there is no such."""
    axes = [axis for axis, n in enumerate(numbers.shape) if n == size and is_arange(numbers, axis)]
    return axes[0] if len(axes) == 1 else None


def one_hot_mask(
    value: Value, axis: int, factors: Factors, shape: tuple[int, ...]
) -> tuple[Value, Value]:
    """Two operands for `eq` that have the labels of a one-hot mask.

    The first is the positions repeated along `axis`, the second a value that lists the units there
    and is constant along all other axes.
    """
    repeated = value.map_blocks(
        lambda block: (*block[:axis], (Flat(shape[axis]),), *block[axis + 1 :]),
        (*value.cuts[:axis], (shape[axis],), *value.cuts[axis + 1 :]),
    )
    block = tuple(factors if i == axis else resolve([Flat(n)]) for i, n in enumerate(shape))
    return repeated, Value(tuple((n,) for n in shape), {(0,) * len(shape): block})
