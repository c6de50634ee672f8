"""Positions: numbers that say which entry along an axis is meant, as argmax and top_k give them.

They move with the entries that they point to: an array that is read at them, or a mask of ones
where they are, depends on no order. Any other use of them does, so that these entries then keep
theirs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from onebasin.symmetry.discovery.labels import Flat, Run, freeze, resolve, size_of, unify
from onebasin.symmetry.discovery.values import Positions, Value

_REASON = "position-dependent: which entry is the largest"

_HANDED_ON = frozenset(
    {"reshape", "squeeze", "transpose", "broadcast_in_dim", "convert_element_type", "copy", "slice"}
)
_COMPARISONS = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}


def settled(values: Sequence[Value]) -> list[Value]:
    """Values whose numbers are used as such: the entries they point to keep their order."""
    for value in values:
        if value.positions is not None:
            freeze(value.positions.run, _REASON)
    return [value._replace(positions=None) for value in values]


def plain(values: Sequence[Value]) -> list[Value]:
    """Values without what they point to."""
    return [value._replace(positions=None) for value in values]


def entries_of(value: Value, axis: int) -> Run | None:
    """What positions along an axis point to; None where entries may be equal, or are cut."""
    if axis not in value.distinct or len(value.cuts[axis]) > 1:
        return None
    first, *others = value.at(axis)
    for run in others:
        first = unify(first, run)
    return resolve(first)


def handed_on(
    name: str, params: dict[str, Any], operands: Sequence[Value]
) -> tuple[list[Value], Positions | None]:
    """The operands as a rule may see them, and what its result points to.

    Numbers that are shifted, as indexing does with negative ones, point to nothing; that only
    matters where they are used.
    """
    pointing = [value.positions for value in operands if value.positions is not None]
    if name in _HANDED_ON:
        is_whole = np.dtype(params.get("new_dtype", "int32")).kind in "iu"
        if is_whole:
            return plain(operands), pointing[0]
    is_shift = name in ("add", "sub") and len(pointing) == 1
    if is_shift and any(value.known is not None for value in operands):
        return plain(operands), pointing[0]._replace(is_shifted=True)
    return settled(operands), None


def answered(name: str, operands: Sequence[Value], shape: tuple[int, ...]) -> np.ndarray | None:
    """A comparison that is the same for all positions, such as whether they are negative."""
    if name not in _COMPARISONS:
        return None
    one, other = operands
    pointing = one.positions or other.positions
    if pointing is None or pointing.is_shifted or (one.known is None) == (other.known is None):
        return None
    compare, answers = _COMPARISONS[name], []
    for position in (0, size_of(pointing.run) - 1):
        left = position if one.known is None else one.known
        right = position if other.known is None else other.known
        answers.append(compare(left, right))
    is_same = all((answer == np.ravel(answers[0])[:1]).all() for answer in answers)
    return np.full(shape, np.ravel(answers[0])[0]) if is_same else None


def chosen(name: str, operands: Sequence[Value]) -> Value | None:
    """The case of a selection that is known to be taken everywhere."""
    if name != "select_n" or operands[0].known is None or not operands[0].known.size:
        return None
    which = np.unique(operands[0].known)
    return operands[1 + int(which[0])] if len(which) == 1 else None


def marked(name: str, operands: Sequence[Value]) -> tuple[Value, int, Run] | None:
    """Positions that are compared with 0, 1, 2, ... along an axis of their own, and what that is.

    Gives the positions, the axis, and what its entries are: those that are pointed to.
    """
    if name not in ("eq", "ne"):
        return None
    for value, other in (operands, operands[::-1]):
        pointing = value.positions
        if pointing is not None and not pointing.is_shifted and other.known is not None:
            axis = _axis_of_arange(other.known, size_of(pointing.run))
            if axis is not None and value.ndim and value.shape[axis] == 1:
                return value, axis, pointing.run
    return None


def is_arange(numbers: np.ndarray | None, axis: int) -> bool:
    """Whether known numbers are 0, 1, 2, ... along an axis, everywhere."""
    if numbers is None:
        return False
    apart = [-1 if i == axis else 1 for i in range(numbers.ndim)]
    return bool((numbers == np.arange(numbers.shape[axis]).reshape(apart)).all())


def _axis_of_arange(numbers: np.ndarray, size: int) -> int | None:
    axes = [axis for axis, n in enumerate(numbers.shape) if n == size and is_arange(numbers, axis)]
    return axes[0] if len(axes) == 1 else None


def mask_of(value: Value, axis: int, run: Run, shape: tuple[int, ...]) -> tuple[Value, Value]:
    """Positions repeated along an axis, and a value that tells the entries they point to apart."""
    repeated = value.map(
        lambda runs: (*runs[:axis], (Flat(shape[axis]),), *runs[axis + 1 :]),
        (*value.cuts[:axis], (shape[axis],), *value.cuts[axis + 1 :]),
    )
    apart = tuple(run if i == axis else resolve([Flat(n)]) for i, n in enumerate(shape))
    return repeated, Value(tuple((n,) for n in shape), {(0,) * len(shape): apart})
