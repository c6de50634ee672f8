"""Primitives that join arrays along an axis, or repeat and pad them."""

from collections.abc import Sequence

import numpy as np

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Flat, frozen_like, resolve
from onebasin.symmetry.discovery.parity import with_zeros
from onebasin.symmetry.discovery.rules.reduction import forget, with_frozen
from onebasin.symmetry.discovery.rules.shape import taken
from onebasin.symmetry.discovery.values import Value, flat


def concatenate(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Segments one after another."""
    return [join(analysis, operands, int(equation.params["dimension"]))]


def join(analysis: Analysis, values: Sequence[Value], axis: int) -> Value:
    """Values one after another along an axis."""
    values = [value for value in values if value.shape[axis]]
    if analysis.unknowns is not None:
        values = [with_zeros(value) for value in values]
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
    parts = [runs[axis] for key, runs in value.blocks.items() if segment - key[axis] in (0, 1)]
    run = frozen_like(parts, size, "joined of parts that keep their order")
    blocks = {}
    for key, runs in value.blocks.items():
        place = key[axis] - (key[axis] >= segment)
        whole = (*runs[:axis], run, *runs[axis + 1 :]) if place == segment - 1 else runs
        blocks[(*key[:axis], place, *key[axis + 1 :])] = whole
    return Value(tuple(cuts), blocks)


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


def pad(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Equal entries before and after; between others, these keep their order."""
    value = operands[0]
    config = [tuple(map(int, sizes)) for sizes in equation.params["padding_config"]]
    spread = [axis for axis, (_, _, inner) in enumerate(config) if inner]
    for axis, (low, high, _) in enumerate(config):
        if axis in spread:
            continue
        value = taken(analysis, value, axis, max(-low, 0), value.shape[axis] - max(-high, 0))
        before, after = (
            _padding([*value.shape[:axis], max(size, 0), *value.shape[axis + 1 :]], operands[1])
            for size in (low, high)
        )
        value = join(analysis, [before, value, after], axis)
    if spread:
        value = with_frozen(analysis, value, spread, equation.shapes[0], "pad")
    return [value]


def _padding(shape: Sequence[int], padded: Value) -> Value:
    zeros = np.broadcast_to(np.float32(0), shape) if padded.is_zero else None
    return flat(shape)._replace(known=zeros)


def tile(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """All entries of an axis, several times over."""
    value = operands[0]
    for axis, count in enumerate(map(int, equation.params["reps"])):
        if count > 1 and len(value.cuts[axis]) == 1:
            value = _repeated(value, axis, count)
        elif count > 1:
            value = join(analysis, [value] * count, axis)
    return [value]


def _repeated(value: Value, axis: int, count: int) -> Value:
    size = value.cuts[axis][0]
    cuts = (*value.cuts[:axis], (count * size,), *value.cuts[axis + 1 :])
    return value.map(
        lambda runs: (*runs[:axis], (Flat(count), *runs[axis]), *runs[axis + 1 :]), cuts
    )


RULES: dict[str, Rule] = {
    "concatenate": concatenate,
    "stack": stack,
    "unstack": unstack,
    "pad": pad,
    "tile": tile,
}
