"""reshape: axes are merged into one and split into others, entries staying in row-major order.

A reshape is a sequence of groups of axes that hold the same entries. For (2, 3, 4, 5) to (6, 2, 10)
these are (2, 3) -> (6,) and (4, 5) -> (2, 10). Each group is merged into a single axis, whose
factors are those of its axes one after another, and then split:

    merge   (A of 2), (B of 3)   ->  (A, B) on an axis of 6
    split   (C of 4, D of 5)     ->  (E of 2) and (F of 2, D), where C is split into E and F

Factors that do not fit the new axes are frozen (`MISFIT`).
"""

import math
from collections.abc import Iterator, Sequence

from onebasin.symmetry.discovery.analysis import Analysis
from onebasin.symmetry.discovery.labels import (
    MISFIT,
    Factors,
    freeze,
    frozen_axis,
    frozen_like,
    labels_in,
)
from onebasin.symmetry.discovery.rules.reduction import with_frozen_axes
from onebasin.symmetry.discovery.unification import split_axis
from onebasin.symmetry.discovery.values import Block, Value, cut

_MAX_SEGMENTS = 1024
"""An axis of more segments than this is frozen, so that walks stay fast."""


def reshape_value(analysis: Analysis, value: Value, shape: Sequence[int]) -> Value:
    """The value with its entries, in row-major order, in another shape."""
    if math.prod(shape) == 0:
        cuts = tuple((size,) for size in shape)
        return Value(cuts, {(0,) * len(shape): tuple(frozen_axis(size, "") for size in shape)})
    done = 0
    for num_old, new in _groups_of_axes(value.shape, shape):
        if num_old != 1 or len(new) != 1:
            value = _split(analysis, _merge(analysis, value, done, num_old), done, new)
        done += len(new)
    return value


def _groups_of_axes(
    old: Sequence[int], new: Sequence[int]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Pairs of a number of old axes and the sizes of the new axes that hold the same entries.

    Groups are as small as can be. An axis of length 1 may be a group without a partner.
    """
    i = j = 0
    while i < len(old) or j < len(new):
        first_old, first_new = i, j
        left = right = 1
        while True:
            if left <= right and i < len(old) and (left < right or i == first_old):
                left *= old[i]
                i += 1
            elif j < len(new) and (right < left or j == first_new):
                right *= new[j]
                j += 1
            else:
                break
        yield i - first_old, tuple(new[first_new:j])


def _merge(analysis: Analysis, value: Value, first: int, count: int) -> Value:
    """The value with `count` axes from `first` on merged into one; none become an axis of 1.

    If an inner axis is cut, its segments repeat for every entry of the outer ones, so that these
    are cut into single entries first.
    """
    if count == 0:
        insert = lambda items, item: (*items[:first], item, *items[first:])
        blocks = {insert(key, 0): insert(block, ()) for key, block in value.blocks.items()}
        return Value(insert(value.cuts, (1,)), blocks)
    last = first + count
    for axis in reversed(range(first + 1, last)):
        if len(value.cuts[axis]) > 1:
            value = _cut_into_entries(analysis, value, range(first, axis), axis)
    cuts = value.cuts[first:last]
    merged: list[int] = [1]
    for sizes in cuts:
        merged = [before * size for before in merged for size in sizes]
    blocks: dict[tuple[int, ...], Block] = {}
    for key, block in value.blocks.items():
        segment = 0
        for at, sizes in zip(key[first:last], cuts, strict=True):
            segment = segment * len(sizes) + at
        factors = tuple(factor for axis in block[first:last] for factor in axis)
        blocks[(*key[:first], segment, *key[last:])] = (*block[:first], factors, *block[last:])
    return Value((*value.cuts[:first], tuple(merged), *value.cuts[last:]), blocks)


def _cut_into_entries(analysis: Analysis, value: Value, outer: Sequence[int], inner: int) -> Value:
    """The value with outer axes cut into single entries, for the segments of an inner axis.

    Entries that are cut apart can no longer be permuted. If an outer axis is free, or segments
    would be too many, the inner axis is frozen instead.
    """
    is_free = any(
        label.frozen is None
        for axis in outer
        for factors in value.factors_at(axis)
        for label in labels_in(factors)
    )
    num_segments = math.prod(value.shape[axis] for axis in outer) * len(value.cuts[inner])
    if is_free or num_segments > _MAX_SEGMENTS:
        return freeze_into_one_segment(analysis, value, inner)
    for axis in outer:
        value = cut(value, axis, range(1, value.shape[axis]), analysis.cut)
    return value


def freeze_into_one_segment(analysis: Analysis, value: Value, axis: int) -> Value:
    """The value with all segments of an axis as a single, frozen one."""
    return with_frozen_axes(analysis, value, [axis], value.shape, "reshape")


def _split(analysis: Analysis, value: Value, axis: int, sizes: Sequence[int]) -> Value:
    """The value with an axis split into several of these sizes.

    The first of them that is longer than 1 is cut as the axis was; if that would cut inside of its
    entries, the axis is frozen.
    """
    large = [size for size in sizes if size > 1]
    if not large:
        large = [1]
    inner_size = math.prod(large[1:])
    if any(size % inner_size for size in value.cuts[axis]):
        value = freeze_into_one_segment(analysis, value, axis)
    outer_cuts = tuple(size // inner_size for size in value.cuts[axis])
    parts = [outer_cuts, *((size,) for size in large[1:])]
    blocks: dict[tuple[int, ...], Block] = {}
    for key, block in value.blocks.items():
        outer_size = value.cuts[axis][key[axis]] // inner_size
        axes = _split_or_freeze(block[axis], [outer_size, *large[1:]])
        new_key = (*key[:axis], key[axis], *(0 for _ in large[1:]), *key[axis + 1 :])
        blocks[new_key] = (*block[:axis], *axes, *block[axis + 1 :])
    cuts = (*value.cuts[:axis], *parts, *value.cuts[axis + 1 :])
    return _with_axes_of_one(Value(cuts, blocks), axis, sizes)


def _split_or_freeze(factors: Factors, sizes: Sequence[int]) -> list[Factors]:
    """The factors of the axes that an axis is split into, frozen if they do not fit these."""
    axes = split_axis(factors, sizes)
    if axes is None:
        freeze(factors, MISFIT)
        return [frozen_like([factors], size, MISFIT) for size in sizes]
    return axes


def _with_axes_of_one(value: Value, axis: int, sizes: Sequence[int]) -> Value:
    """The value with axes of length 1 inserted from `axis` on, so that its lengths are `sizes`."""
    count = max(1, sum(size > 1 for size in sizes))
    order: list[int | None] = []
    old_axes = iter(range(axis, axis + count))
    for size in sizes:
        order.append(next(old_axes) if size > 1 else None)
    if order and all(old is None for old in order):
        order[0] = axis
    every = [*range(axis), *order, *range(axis + count, value.ndim)]
    pick = lambda items, item: tuple(item if old is None else items[old] for old in every)
    blocks = {pick(key, 0): pick(block, ()) for key, block in value.blocks.items()}
    return Value(pick(value.cuts, (1,)), blocks)
