"""Primitives that move, repeat and cut entries without computing anything."""

import math
from collections.abc import Sequence

import numpy as np

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Flat, Run, frozen_run, resolve
from onebasin.symmetry.discovery.rules.reduction import forget, with_frozen
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.values import FEW, Value, cut, ends, flat


def reshape(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Entries stay in row-major order."""
    shape, value = equation.shapes[0], operands[0]
    if equation.params.get("dimensions") is not None:
        return analysis.keep_order(operands, equation, "position-dependent: reshape")
    return [reshape_value(analysis, value, shape)]


def squeeze(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Axes of length 1 go."""
    return [forget(operands[0], equation.params["dimensions"])]


def transpose(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Axes in another order."""
    return [transposed(operands[0], equation.params["permutation"])]


def transposed(value: Value, order: Sequence[int]) -> Value:
    """A value with its axes in another order."""
    take = lambda items: tuple(items[axis] for axis in order)
    blocks = {take(key): take(runs) for key, runs in value.blocks.items()}
    return Value(take(value.cuts), blocks)


def broadcast_in_dim(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """New axes, and those that had one entry, hold equal entries."""
    value, shape = operands[0], equation.shapes[0]
    axes = list(equation.params["broadcast_dimensions"])
    old = {new: axis for axis, new in enumerate(axes) if value.shape[axis] == shape[new]}
    cuts = tuple(
        value.cuts[old[axis]] if axis in old else (size,) for axis, size in enumerate(shape)
    )
    blocks = {}
    for key, runs in value.blocks.items():
        place = tuple(key[old[axis]] if axis in old else 0 for axis in range(len(shape)))
        blocks[place] = tuple(
            runs[old[axis]] if axis in old else resolve([Flat(size)])
            for axis, size in enumerate(shape)
        )
    return [Value(cuts, blocks)]


def slice_(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """A range of entries on every axis."""
    value, params = operands[0], equation.params
    starts, limits = ([int(i) for i in params[f"{end}_indices"]] for end in ("start", "limit"))
    strides = params["strides"] or (1,) * value.ndim
    irregular: list[int] = []
    for axis, (start, limit, stride) in enumerate(zip(starts, limits, strides, strict=True)):
        size, count = value.shape[axis], equation.shapes[0][axis]
        if stride == 1:
            value = taken(analysis, value, axis, start, limit)
        elif count * stride == size:
            value = _every(analysis, value, axis, stride, start)
        else:
            irregular.append(axis)
    return [with_frozen(analysis, value, irregular, equation.shapes[0], "strided slice")]


def _every(analysis: Analysis, value: Value, axis: int, stride: int, start: int) -> Value:
    """One entry of every `stride` along an axis, as a column of rows of so many entries."""
    before, size, after = value.shape[:axis], value.shape[axis], value.shape[axis + 1 :]
    rows = reshape_value(analysis, value, [*before, size // stride, stride, *after])
    return forget(taken(analysis, rows, axis + 1, start, start + 1), [axis + 1])


def taken(analysis: Analysis, value: Value, axis: int, start: int, limit: int) -> Value:
    """A range of entries along one axis."""
    if limit - start == value.shape[axis]:
        return value
    if limit == start:
        return flat([*value.shape[:axis], 0, *value.shape[axis + 1 :]])
    value = cut(value, axis, {start, limit} - {0}, analysis.cut)
    starts = [0, *ends(value.cuts[axis])]
    first, last = starts.index(start), starts.index(limit)
    cuts = list(value.cuts)
    cuts[axis] = cuts[axis][first:last]
    blocks = {
        (*key[:axis], key[axis] - first, *key[axis + 1 :]): runs
        for key, runs in value.blocks.items()
        if first <= key[axis] < last
    }
    return Value(tuple(cuts), blocks)


def split(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Ranges one after another."""
    axis, found, start = equation.params["axis"], [], 0
    for size in equation.params["sizes"]:
        found.append(taken(analysis, operands[0], axis, start, start + int(size)))
        start += int(size)
    return found


def reverse(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Entries of reversed axes keep their order."""
    axes = equation.params["dimensions"]
    return [with_frozen(analysis, operands[0], axes, equation.shapes[0], "rev")]


def iota(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """0, 1, 2, ... along one axis."""
    axis, shape = equation.params["dimension"], equation.shapes[0]
    run: Run = frozen_run(shape[axis], "position-dependent: iota")
    value = flat(shape)
    blocks = {key: (*runs[:axis], run, *runs[axis + 1 :]) for key, runs in value.blocks.items()}
    known = None
    if math.prod(shape) <= FEW:
        apart = [-1 if i == axis else 1 for i in range(len(shape))]
        numbers = np.arange(shape[axis]).astype(equation.params["dtype"])
        known = np.broadcast_to(numbers.reshape(apart), shape)
    return [Value(value.cuts, blocks, known)]


def bitcast(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Bits under another dtype; if a number has several words, these lie along a last axis."""
    value, shape = operands[0], equation.shapes[0]
    if len(shape) == value.ndim:
        return [value._replace(known=None)]
    reason = "position-dependent: words of a number"
    if len(shape) < value.ndim:
        analysis.freeze_axis(value, value.ndim - 1, reason)
        return [forget(value, [value.ndim - 1])]
    words = frozen_run(shape[-1], reason)
    blocks = {(*key, 0): (*runs, words) for key, runs in value.blocks.items()}
    return [Value((*value.cuts, (shape[-1],)), blocks)]


RULES: dict[str, Rule] = {
    "bitcast_convert_type": bitcast,
    "reshape": reshape,
    "squeeze": squeeze,
    "transpose": transpose,
    "broadcast_in_dim": broadcast_in_dim,
    "slice": slice_,
    "split": split,
    "rev": reverse,
    "iota": iota,
}
