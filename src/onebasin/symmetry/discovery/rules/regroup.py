"""reshape: axes merged into one and split into others, entries staying in row-major order."""

import math
from collections.abc import Iterator, Sequence

from onebasin.symmetry.discovery.analysis import Analysis
from onebasin.symmetry.discovery.labels import (
    MISFIT,
    Run,
    freeze,
    frozen_like,
    frozen_run,
    labels_in,
    split_run,
)
from onebasin.symmetry.discovery.rules.reduction import with_frozen
from onebasin.symmetry.discovery.values import Runs, Value, cut

_MOST_SEGMENTS = 1024


def reshape_value(analysis: Analysis, value: Value, shape: Sequence[int]) -> Value:
    """A value with its entries laid out in another shape."""
    if math.prod(shape) == 0:
        cuts = tuple((size,) for size in shape)
        return Value(cuts, {(0,) * len(shape): tuple(frozen_run(size, "") for size in shape)})
    done = 0
    for num_old, new in _groups(value.shape, shape):
        if num_old != 1 or len(new) != 1:
            value = _split(analysis, _merge(analysis, value, done, num_old), done, new)
        done += len(new)
    return value


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Runs of old axes and the new axes that hold the same entries, as few as can be."""
    i = j = 0
    while i < len(old) or j < len(new):
        a, b = i, j
        left = right = 1
        while True:
            if left <= right and i < len(old) and (left < right or i == a):
                left *= old[i]
                i += 1
            elif j < len(new) and (right < left or j == b):
                right *= new[j]
                j += 1
            else:
                break
        yield i - a, tuple(new[b:j])


def _merge(analysis: Analysis, value: Value, first: int, count: int) -> Value:
    """Some axes as one."""
    if count == 0:
        insert = lambda items, item: (*items[:first], item, *items[first:])
        blocks = {insert(key, 0): insert(runs, ()) for key, runs in value.blocks.items()}
        return Value(insert(value.cuts, (1,)), blocks)
    last = first + count
    cut_axes = [axis for axis in range(first, last) if len(value.cuts[axis]) > 1]
    if cut_axes and max(cut_axes) > first:
        value = _explode(analysis, value, range(first, max(cut_axes)), max(cut_axes))
    cuts = value.cuts[first:last]
    merged: list[int] = [1]
    for sizes in cuts:
        merged = [before * size for before in merged for size in sizes]
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        place = 0
        for at, sizes in zip(key[first:last], cuts, strict=True):
            place = place * len(sizes) + at
        run = tuple(factor for run in runs[first:last] for factor in run)
        blocks[(*key[:first], place, *key[last:])] = (*runs[:first], run, *runs[last:])
    return Value((*value.cuts[:first], tuple(merged), *value.cuts[last:]), blocks)


def _explode(analysis: Analysis, value: Value, outer: Sequence[int], inner: int) -> Value:
    """Outer axes cut into single entries, so that segments of an inner one lie in order.

    That would end what may be permuted on the outer axes, so there the inner axis ends instead.
    """
    is_free = any(
        label.frozen is None for axis in outer for run in value.at(axis) for label in labels_in(run)
    )
    num_segments = math.prod(value.shape[axis] for axis in outer) * len(value.cuts[inner])
    if is_free or num_segments > _MOST_SEGMENTS:
        return whole_axis(analysis, value, inner)
    for axis in outer:
        value = cut(value, axis, range(1, value.shape[axis]), analysis.cut)
    return value


def whole_axis(analysis: Analysis, value: Value, axis: int) -> Value:
    """An axis as one segment again, at the price that its entries keep their order."""
    return with_frozen(analysis, value, [axis], value.shape, "reshape")


def _split(analysis: Analysis, value: Value, axis: int, sizes: Sequence[int]) -> Value:
    """One axis as several."""
    large = [size for size in sizes if size > 1]
    if not large:
        large = [1]
    inner = math.prod(large[1:])
    if any(size % inner for size in value.cuts[axis]):
        value = whole_axis(analysis, value, axis)
    parts = [tuple(size // inner for size in value.cuts[axis]), *((size,) for size in large[1:])]
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        split = _split_or_freeze(runs[axis], [value.cuts[axis][key[axis]] // inner, *large[1:]])
        place = (*key[:axis], key[axis], *(0 for _ in large[1:]), *key[axis + 1 :])
        blocks[place] = (*runs[:axis], *split, *runs[axis + 1 :])
    cuts = (*value.cuts[:axis], *parts, *value.cuts[axis + 1 :])
    return _with_ones(Value(cuts, blocks), axis, sizes)


def _split_or_freeze(run: Run, sizes: Sequence[int]) -> list[Run]:
    split = split_run(run, sizes)
    if split is None:
        freeze(run, MISFIT)
        return [frozen_like([run], size, MISFIT) for size in sizes]
    return split


def _with_ones(value: Value, axis: int, sizes: Sequence[int]) -> Value:
    """Axes of length 1 put in where they belong among the split ones."""
    count = max(1, sum(size > 1 for size in sizes))
    order: list[int | None] = []
    places = iter(range(axis, axis + count))
    for size in sizes:
        order.append(next(places) if size > 1 else None)
    if order and all(place is None for place in order):
        order[0] = axis
    every = [*range(axis), *order, *range(axis + count, value.ndim)]
    pick = lambda items, one: tuple(one if at is None else items[at] for at in every)
    blocks = {pick(key, 0): pick(runs, ()) for key, runs in value.blocks.items()}
    return Value(pick(value.cuts, (1,)), blocks)
