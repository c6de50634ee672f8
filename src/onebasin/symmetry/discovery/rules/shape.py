"""Primitives that move, repeat and slice entries without computing with them."""

import math
from collections.abc import Sequence

import numpy as np

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Factors, Flat, frozen_axis, resolve
from onebasin.symmetry.discovery.rules.reduction import drop_axes, with_frozen_axes
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.values import (
    MAX_CONCRETE_SIZE,
    Value,
    cut,
    flat_value,
    segment_ends,
)


def reshape(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """reshape: out[(i,j)] = operand[i,j], and the reverse. Labels are merged or split (`regroup`).

    With `dimensions`, an order other than row-major, all is frozen.
    """
    shape, value = equation.shapes[0], operands[0]
    if equation.params.get("dimensions") is not None:
        return analysis.freeze_operands(operands, equation, "position-dependent: reshape")
    return [reshape_value(analysis, value, shape)]


def squeeze(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """squeeze: out[j] = operand[0,j]. Axes of length 1 are dropped, labels of j pass through."""
    return [drop_axes(operands[0], equation.params["dimensions"])]


def transpose(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """transpose: out[j,i] = operand[i,j]. All labels pass through."""
    return [transpose_value(operands[0], equation.params["permutation"])]


def transpose_value(value: Value, order: Sequence[int]) -> Value:
    """The value with its axes in another order: axis n of the result is axis `order[n]`."""
    take = lambda items: tuple(items[axis] for axis in order)
    blocks = {take(key): take(block) for key, block in value.blocks.items()}
    return Value(take(value.cuts), blocks)


def broadcast_in_dim(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """broadcast_in_dim: out[i,j] = operand[j]. Labels of j pass through, the new axes i are flat.

    Axes that had length 1 and become longer are flat as well.
    """
    value, shape = operands[0], equation.shapes[0]
    axes = list(equation.params["broadcast_dimensions"])
    old = {new: axis for axis, new in enumerate(axes) if value.shape[axis] == shape[new]}
    cuts = tuple(
        value.cuts[old[axis]] if axis in old else (size,) for axis, size in enumerate(shape)
    )
    blocks = {}
    for key, block in value.blocks.items():
        new_key = tuple(key[old[axis]] if axis in old else 0 for axis in range(len(shape)))
        blocks[new_key] = tuple(
            block[old[axis]] if axis in old else resolve([Flat(size)])
            for axis, size in enumerate(shape)
        )
    return [Value(cuts, blocks)]


def slice_(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """slice: out[i] = operand[start + stride * i]. The label is cut; that of the range passes.

    A stride that divides the length of the axis reads one column of (i, stride): then i passes
    through. With any other stride, i is frozen.
    """
    value, params = operands[0], equation.params
    starts, limits = ([int(i) for i in params[f"{end}_indices"]] for end in ("start", "limit"))
    strides = params["strides"] or (1,) * value.ndim
    irregular: list[int] = []
    for axis, (start, limit, stride) in enumerate(zip(starts, limits, strides, strict=True)):
        size, count = value.shape[axis], equation.shapes[0][axis]
        if stride == 1:
            value = slice_axis(analysis, value, axis, start, limit)
        elif count * stride == size:
            value = _slice_with_stride(analysis, value, axis, stride, start)
        else:
            irregular.append(axis)
    return [with_frozen_axes(analysis, value, irregular, equation.shapes[0], "strided slice")]


def _slice_with_stride(
    analysis: Analysis, value: Value, axis: int, stride: int, start: int
) -> Value:
    """out[i] = value[start + stride * i]: column `start` of the axis reshaped to (i, stride)."""
    before, size, after = value.shape[:axis], value.shape[axis], value.shape[axis + 1 :]
    rows = reshape_value(analysis, value, [*before, size // stride, stride, *after])
    return drop_axes(slice_axis(analysis, rows, axis + 1, start, start + 1), [axis + 1])


def slice_axis(analysis: Analysis, value: Value, axis: int, start: int, limit: int) -> Value:
    """out[i] = value[start + i] for i < limit - start, on one axis, which is cut there."""
    if limit - start == value.shape[axis]:
        return value
    if limit == start:
        return flat_value([*value.shape[:axis], 0, *value.shape[axis + 1 :]])
    value = cut(value, axis, {start, limit} - {0}, analysis.cut)
    starts = [0, *segment_ends(value.cuts[axis])]
    first, last = starts.index(start), starts.index(limit)
    cuts = list(value.cuts)
    cuts[axis] = cuts[axis][first:last]
    blocks = {
        (*key[:axis], key[axis] - first, *key[axis + 1 :]): block
        for key, block in value.blocks.items()
        if first <= key[axis] < last
    }
    return Value(tuple(cuts), blocks)


def split(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """split: out[n][i] = operand[start_n + i]. The axis is cut between the results."""
    axis, results, start = equation.params["axis"], [], 0
    for size in equation.params["sizes"]:
        results.append(slice_axis(analysis, operands[0], axis, start, start + int(size)))
        start += int(size)
    return results


def reverse(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """rev: out[i,j] = operand[n - 1 - i,j]. i is frozen, j passes through."""
    axes = equation.params["dimensions"]
    return [with_frozen_axes(analysis, operands[0], axes, equation.shapes[0], "rev")]


def iota(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """iota: out[i,j] = i. i is a new, frozen axis; j is flat."""
    axis, shape = equation.params["dimension"], equation.shapes[0]
    factors: Factors = frozen_axis(shape[axis], "position-dependent: iota")
    value = flat_value(shape)
    blocks = {
        key: (*block[:axis], factors, *block[axis + 1 :]) for key, block in value.blocks.items()
    }
    concrete = None
    if math.prod(shape) <= MAX_CONCRETE_SIZE:
        repeats = [-1 if i == axis else 1 for i in range(len(shape))]
        numbers = np.arange(shape[axis]).astype(equation.params["dtype"])
        concrete = np.broadcast_to(numbers.reshape(repeats), shape)
    return [Value(value.cuts, blocks, concrete)]


def bitcast(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """bitcast_convert_type: out[i,w] = word w of operand[i]. i passes through, w is frozen.

    There is no w if both dtypes have the same width. From words to numbers, w is frozen and
    dropped.
    """
    value, shape = operands[0], equation.shapes[0]
    if len(shape) == value.ndim:
        return [value._replace(concrete=None)]
    reason = "position-dependent: words of a number"
    if len(shape) < value.ndim:
        analysis.freeze_axis(value, value.ndim - 1, reason)
        return [drop_axes(value, [value.ndim - 1])]
    words = frozen_axis(shape[-1], reason)
    blocks = {(*key, 0): (*block, words) for key, block in value.blocks.items()}
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
