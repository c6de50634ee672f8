"""Primitives that move, repeat, cut and join entries without computing anything."""

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
    known = None if value.known is None else value.known.reshape(shape)
    if equation.params.get("dimensions") is not None:
        return analysis.keep_order(operands, equation, "position-dependent: reshape")
    return [reshape_value(analysis, value, shape)._replace(known=known)]


def squeeze(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Axes of length 1 go."""
    value = operands[0]
    known = None if value.known is None else value.known.reshape(equation.shapes[0])
    return [forget(value, equation.params["dimensions"])._replace(known=known)]


def transpose(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Axes in another order."""
    return [transposed(operands[0], equation.params["permutation"])]


def transposed(value: Value, order: Sequence[int]) -> Value:
    """A value with its axes in another order."""
    take = lambda items: tuple(items[axis] for axis in order)
    known = None if value.known is None else value.known.transpose(order)
    blocks = {take(key): take(runs) for key, runs in value.blocks.items()}
    return Value(take(value.cuts), blocks, known)


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
    known = None
    if value.known is not None and np.prod(shape, dtype=int) <= FEW:
        apart = [value.known.shape[axes.index(a)] if a in axes else 1 for a in range(len(shape))]
        known = np.broadcast_to(value.known.reshape(apart), shape)
    return [Value(cuts, blocks, known)]


def concatenate(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Segments one after another."""
    axis = int(equation.params["dimension"])
    joined = join(analysis, operands, axis)
    if all(value.known is not None for value in operands):
        numbers = [value.known for value in operands if value.known is not None]
        joined = joined._replace(known=np.concatenate(numbers, axis))
    return [joined]


def join(analysis: Analysis, values: Sequence[Value], axis: int) -> Value:
    """Values one after another along an axis."""
    values = [value for value in values if value.shape[axis]]
    for other in range(values[0].ndim):
        if other != axis:
            values = analysis.align(values, [other] * len(values))
    blocks, first = {}, 0
    for value in values:
        for key, runs in value.blocks.items():
            blocks[(*key[:axis], first + key[axis], *key[axis + 1 :])] = runs
        first += len(value.cuts[axis])
    cuts = list(values[0].cuts)
    cuts[axis] = tuple(size for value in values for size in value.cuts[axis])
    return mend(Value(tuple(cuts), blocks), axis)


def stack(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Arrays one after another along a new axis."""
    axis = equation.params["axis"]
    insert = lambda items, item: (*items[:axis], item, *items[axis:])
    apart = [
        Value(
            insert(value.cuts, (1,)),
            {insert(key, 0): insert(runs, ()) for key, runs in value.blocks.items()},
        )
        for value in operands
    ]
    return [join(analysis, apart, axis)]


def unstack(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Every entry of an axis as an array of its own."""
    axis, value = equation.params["axis"], operands[0]
    return [
        forget(taken(analysis, value, axis, at, at + 1), [axis]) for at in range(value.shape[axis])
    ]


def mend(value: Value, axis: int) -> Value:
    """Neighbouring segments that keep their order, and differ in nothing else, are one again."""
    segment = len(value.cuts[axis]) - 1
    while segment > 0:
        if _may_mend(value, axis, segment):
            value = _mended(value, axis, segment)
        segment -= 1
    return value


def _may_mend(value: Value, axis: int, segment: int) -> bool:
    for key, runs in value.blocks.items():
        if key[axis] != segment:
            continue
        before = value.blocks[(*key[:axis], segment - 1, *key[axis + 1 :])]
        others = [i for i in range(value.ndim) if i != axis]
        if any(resolve(runs[i]) != resolve(before[i]) for i in others):
            return False
        for factor in (*resolve(runs[axis]), *resolve(before[axis])):
            if isinstance(factor, Flat) or factor.frozen is None:
                return False
    return True


def _mended(value: Value, axis: int, segment: int) -> Value:
    sizes = value.cuts[axis]
    size = sizes[segment - 1] + sizes[segment]
    cuts = list(value.cuts)
    cuts[axis] = (*sizes[: segment - 1], size, *sizes[segment + 1 :])
    run = frozen_run(size, "joined of parts that keep their order")
    blocks = {}
    for key, runs in value.blocks.items():
        place = key[axis] - (key[axis] >= segment)
        whole = (*runs[:axis], run, *runs[axis + 1 :]) if place == segment - 1 else runs
        blocks[(*key[:axis], place, *key[axis + 1 :])] = whole
    return Value(tuple(cuts), blocks)


def slice_(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """A range of entries on every axis."""
    value, params = operands[0], equation.params
    starts, limits = ([int(i) for i in params[f"{end}_indices"]] for end in ("start", "limit"))
    strides = params["strides"] or (1,) * value.ndim
    strided = [axis for axis, stride in enumerate(strides) if stride != 1]
    known = None
    if value.known is not None:
        ranges = zip(starts, limits, strides, strict=True)
        known = value.known[tuple(slice(*one) for one in ranges)]
    for axis, (start, limit) in enumerate(zip(starts, limits, strict=True)):
        if axis not in strided:
            value = taken(analysis, value, axis, start, limit)
    if strided:
        value = with_frozen(analysis, value, strided, equation.shapes[0], "strided slice")
    return [value._replace(known=known)]


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


def pad(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Equal entries before and after; between others, these keep their order."""
    value = operands[0]
    config = [tuple(map(int, sizes)) for sizes in equation.params["padding_config"]]
    spread = [axis for axis, (_, _, inner) in enumerate(config) if inner]
    for axis, (low, high, _) in enumerate(config):
        if axis in spread:
            continue
        value = taken(analysis, value, axis, max(-low, 0), value.shape[axis] - max(-high, 0))
        around = [
            flat([*value.shape[:axis], max(size, 0), *value.shape[axis + 1 :]])
            for size in (low, high)
        ]
        value = join(analysis, [around[0], value, around[1]], axis)
    if spread:
        value = with_frozen(analysis, value, spread, equation.shapes[0], "pad")
    return [value]


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
    if np.prod(shape, dtype=int) <= FEW:
        apart = [-1 if i == axis else 1 for i in range(len(shape))]
        known = np.broadcast_to(np.arange(shape[axis]).reshape(apart), shape)
    return [Value(value.cuts, blocks, known)]


RULES: dict[str, Rule] = {
    "reshape": reshape,
    "squeeze": squeeze,
    "transpose": transpose,
    "broadcast_in_dim": broadcast_in_dim,
    "concatenate": concatenate,
    "stack": stack,
    "unstack": unstack,
    "slice": slice_,
    "split": split,
    "pad": pad,
    "rev": reverse,
    "iota": iota,
}
