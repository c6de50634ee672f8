"""Primitives that join arrays along an axis, take them apart, repeat or pad them.

Axes are joined by their segments: each keeps the labels that it had (see `values`).
"""

from collections.abc import Sequence

import numpy as np

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Flat, frozen_like, resolve
from onebasin.symmetry.discovery.parity import with_zeros
from onebasin.symmetry.discovery.rules.reduction import drop_axes, with_frozen_axes
from onebasin.symmetry.discovery.rules.shape import slice_axis
from onebasin.symmetry.discovery.values import Value, flat_value


def concatenate(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """concatenate: out[:,j] = (a[0,j], a[1,j], ..., b[0,j], b[1,j], ...).

    Labels of the concatenated axis pass through, each in segments of its own; those of j are
    joined.
    """
    return [concatenate_values(analysis, operands, int(equation.params["dimension"]))]


def concatenate_values(analysis: Analysis, values: Sequence[Value], axis: int) -> Value:
    """The values one after another along an axis, as `concatenate`; empty ones are left out."""
    values = [value for value in values if value.shape[axis]]
    if analysis.constraints is not None:
        values = [with_zeros(value) for value in values]
    for joined_axis in range(values[0].ndim):
        if joined_axis != axis:
            values = analysis.cut_axes_alike(values, [joined_axis] * len(values))
    blocks, first = {}, 0
    for value in values:
        for key, block in value.blocks.items():
            blocks[(*key[:axis], first + key[axis], *key[axis + 1 :])] = block
        first += len(value.cuts[axis])
    cuts = list(values[0].cuts)
    cuts[axis] = tuple(size for value in values for size in value.cuts[axis])
    return merge_frozen_segments(Value(tuple(cuts), blocks), axis)


def merge_frozen_segments(value: Value, axis: int) -> Value:
    """The value with neighbouring segments of an axis merged if neither can be permuted.

    Segments must not differ on any other axis. Fewer segments are faster to follow.
    """
    segment = len(value.cuts[axis]) - 1
    while segment > 0:
        if _can_merge(value, axis, segment):
            value = _merge_with_previous(value, axis, segment)
        segment -= 1
    return value


def _can_merge(value: Value, axis: int, segment: int) -> bool:
    """Whether a segment and the one before it are frozen, and equal on all other axes."""
    for key, block in value.blocks.items():
        if key[axis] != segment:
            continue
        previous = value.blocks[(*key[:axis], segment - 1, *key[axis + 1 :])]
        rest = [i for i in range(value.ndim) if i != axis]
        if any(resolve(block[i]) != resolve(previous[i]) for i in rest):
            return False
        for factor in (*resolve(block[axis]), *resolve(previous[axis])):
            if isinstance(factor, Flat) or factor.frozen is None:
                return False
    return True


def _merge_with_previous(value: Value, axis: int, segment: int) -> Value:
    """The value with a segment of an axis and the one before it as one frozen segment."""
    sizes = value.cuts[axis]
    size = sizes[segment - 1] + sizes[segment]
    cuts = list(value.cuts)
    cuts[axis] = (*sizes[: segment - 1], size, *sizes[segment + 1 :])
    parts = [block[axis] for key, block in value.blocks.items() if segment - key[axis] in (0, 1)]
    merged = frozen_like(parts, size, "joined of parts that keep their order")
    blocks = {}
    for key, block in value.blocks.items():
        at = key[axis] - (key[axis] >= segment)
        whole = (*block[:axis], merged, *block[axis + 1 :]) if at == segment - 1 else block
        blocks[(*key[:axis], at, *key[axis + 1 :])] = whole
    return Value(tuple(cuts), blocks)


def stack(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """stack: out[n,j] = operands[n][j]. Labels of j are joined, n has a segment for each n."""
    axis = equation.params["axis"]
    insert = lambda items, item: (*items[:axis], item, *items[axis:])
    slices = [
        Value(
            insert(value.cuts, (1,)),
            {insert(key, 0): insert(block, ()) for key, block in value.blocks.items()},
        )
        for value in operands
    ]
    return [concatenate_values(analysis, slices, axis)]


def unstack(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """unstack: out[n][j] = operand[n,j]. The axis of n is cut into single entries, j passes."""
    axis, value = equation.params["axis"], operands[0]
    return [
        drop_axes(slice_axis(analysis, value, axis, at, at + 1), [axis])
        for at in range(value.shape[axis])
    ]


def pad(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """pad: out[low + i] = operand[i], and the padding value for all other indices.

    Labels of i pass through, in a segment between two flat ones. Negative padding slices. With
    padding between the entries of i, i is frozen.
    """
    value = operands[0]
    config = [tuple(map(int, sizes)) for sizes in equation.params["padding_config"]]
    spread = [axis for axis, (_, _, inner) in enumerate(config) if inner]
    for axis, (low, high, _) in enumerate(config):
        if axis in spread:
            continue
        stop = value.shape[axis] - max(-high, 0)
        value = slice_axis(analysis, value, axis, max(-low, 0), stop)
        before, after = (
            _padding([*value.shape[:axis], max(size, 0), *value.shape[axis + 1 :]], operands[1])
            for size in (low, high)
        )
        value = concatenate_values(analysis, [before, value, after], axis)
    if spread:
        value = with_frozen_axes(analysis, value, spread, equation.shapes[0], "pad")
    return [value]


def _padding(shape: Sequence[int], padding: Value) -> Value:
    """An array full of the padding value; zeros are known to be such."""
    zeros = np.broadcast_to(np.float32(0), shape) if padding.is_zero else None
    return flat_value(shape)._replace(concrete=zeros)


def tile(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """tile: out[(r,i)] = operand[i]. Labels of i pass through, r is flat.

    An axis that is cut is concatenated with itself instead.
    """
    value = operands[0]
    for axis, count in enumerate(map(int, equation.params["reps"])):
        if count > 1 and len(value.cuts[axis]) == 1:
            value = _repeat_axis(value, axis, count)
        elif count > 1:
            value = concatenate_values(analysis, [value] * count, axis)
    return [value]


def _repeat_axis(value: Value, axis: int, count: int) -> Value:
    """out[(r,i)] = value[i] for r < count, on an axis of a single segment."""
    size = value.cuts[axis][0]
    cuts = (*value.cuts[:axis], (count * size,), *value.cuts[axis + 1 :])
    return value.map_blocks(
        lambda block: (*block[:axis], (Flat(count), *block[axis]), *block[axis + 1 :]), cuts
    )


RULES: dict[str, Rule] = {
    "concatenate": concatenate,
    "stack": stack,
    "unstack": unstack,
    "pad": pad,
    "tile": tile,
}
