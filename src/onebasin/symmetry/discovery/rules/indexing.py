"""Primitives that read or write at indices: slices at a start that is data, gather and scatter.

If there is one index and its numbers are known, it means a range of entries, as in a slice, so that
labels are cut there and pass through. Otherwise the axes that are indexed are frozen, and only
those that are read or written as a whole pass through, unless the indices point to entries of the
axis (see `positions`).
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jax.lax import GatherScatterMode

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import ADDING, OVERWRITING, SCATTERS
from onebasin.symmetry.discovery.labels import size_of
from onebasin.symmetry.discovery.positions import freeze_positions
from onebasin.symmetry.discovery.rules.elementwise import unify_values
from onebasin.symmetry.discovery.rules.joining import concatenate_values
from onebasin.symmetry.discovery.rules.reduction import drop_axes, with_frozen_axes
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.rules.shape import slice_axis, transpose_value
from onebasin.symmetry.discovery.unification import unify
from onebasin.symmetry.discovery.values import Block, Value


def dynamic_slice(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """dynamic_slice: out[i] = operand[start + i]. If start is known, i is cut as in a slice.

    Otherwise i is frozen. Axes that are read as a whole pass through.
    """
    value, shape = operands[0], equation.shapes[0]
    partial = [axis for axis in range(value.ndim) if shape[axis] != value.shape[axis]]
    unknown = []
    for axis in partial:
        start = _concrete_number(operands[1 + axis])
        if start is None:
            unknown.append(axis)
        else:
            start = int(np.clip(start, 0, value.shape[axis] - shape[axis]))
            value = slice_axis(analysis, value, axis, start, start + shape[axis])
    return [with_frozen_axes(analysis, value, unknown, shape, "dynamic slice")]


def _concrete_number(value: Value) -> int | None:
    return None if value.concrete is None else int(value.concrete)


def dynamic_update_slice(
    analysis: Analysis, equation: Equation, operands: list[Value]
) -> list[Value]:
    """dynamic_update_slice: out[start + i] = update[i], and operand elsewhere.

    If start is known, out is a concatenation of what comes before, the update and what comes after.
    Otherwise i is frozen. On axes that are written as a whole, labels of both are joined.
    """
    value, update = operands[:2]
    partial = [axis for axis in range(value.ndim) if update.shape[axis] != value.shape[axis]]
    starts = [_concrete_number(operands[2 + axis]) for axis in partial]
    if all(start is not None for start in starts):
        concrete = {
            axis: int(np.clip(start or 0, 0, value.shape[axis] - update.shape[axis]))
            for axis, start in zip(partial, starts, strict=True)
        }
        return [_write_range(analysis, value, update, concrete)]
    terms = [update] if value.is_zero else [value, update]
    terms = [with_frozen_axes(analysis, x, partial, value.shape, "dynamic update") for x in terms]
    return [unify_values(analysis, terms)]


def _write_range(
    analysis: Analysis, value: Value, update: Value, starts: dict[int, int], is_sum: bool = False
) -> Value:
    """out[start + i] = update[i], or with `is_sum` value[start + i] + update[i]; value elsewhere.

    `starts` are those of the axes that the update does not span. Others are written as a whole.
    """
    if not starts:
        return unify_values(analysis, [value, update]) if is_sum else update
    (axis, start), *rest = starts.items()
    end = start + update.shape[axis]
    before = slice_axis(analysis, value, axis, 0, start)
    middle = slice_axis(analysis, value, axis, start, end)
    after = slice_axis(analysis, value, axis, end, value.shape[axis])
    middle = _write_range(analysis, middle, update, dict(rest), is_sum)
    return concatenate_values(analysis, [before, middle, after], axis)


def gather(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """gather: out[b,i] = operand[indices[b] + i]. Labels of b pass through from the indices.

    Labels of axes i that are read as a whole pass through. An axis that is indexed is cut if there
    is one index and it is known, joined with what the indices point to if they do (see
    `positions`), and frozen otherwise. Batch axes of both are joined.
    """
    (value,), indices = freeze_positions(operands[:1]), operands[1]
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    starts = _starts_of_range(equation, indices, numbers.start_index_map, value.shape, sizes)
    for axis, start in (starts or {}).items():
        value = slice_axis(analysis, value, axis, start, start + sizes[axis])
    pointed = _axis_pointed_to(equation, value, indices)
    if pointed is None:
        (indices,) = freeze_positions([indices])
    batched = list(numbers.operand_batching_dims)
    indexed = [
        axis
        for axis in range(value.ndim)
        if sizes[axis] != value.shape[axis] and axis != pointed and axis not in batched
    ]
    shape = [value.shape[axis] if axis in batched else n for axis, n in enumerate(sizes)]
    value = with_frozen_axes(analysis, value, indexed, shape, "indexed")
    return [_gathered(analysis, equation, value, indices)]


def _axis_pointed_to(equation: Equation, value: Value, indices: Value) -> int | None:
    """The axis of the operand whose entries the indices point to, joined with these; else None."""
    numbers, positions = equation.params["dimension_numbers"], indices.positions
    if positions is None or positions.is_shifted or len(numbers.start_index_map) != 1:
        return None
    (axis,) = numbers.start_index_map
    is_uncut = axis in numbers.collapsed_slice_dims and len(value.cuts[axis]) == 1
    if not is_uncut or value.shape[axis] != size_of(positions.factors):
        return None
    for factors in value.factors_at(axis):
        unify(factors, positions.factors)
    return axis


def _gathered(analysis: Analysis, equation: Equation, value: Value, indices: Value) -> Value:
    """out[b,i] = value[indices[b] + i] once the axes that are indexed are frozen or joined.

    Axes of the result are b at the places that are no `offset_dims`, and i at these. Collapsed axes
    of the operand are dropped.
    """
    numbers, shape = equation.params["dimension_numbers"], equation.shapes[0]
    value = analysis.record_mixture(drop_axes(value, numbers.collapsed_slice_dims))
    batch = drop_axes(indices, [indices.ndim - 1])
    uncollapsed = lambda axis: axis - sum(a < axis for a in numbers.collapsed_slice_dims)
    pairs = [
        (uncollapsed(axis), batch_axis)
        for axis, batch_axis in zip(
            numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True
        )
    ]
    for pair in pairs:
        value, batch = analysis.cut_axes_alike([value, batch], pair)
    offsets = numbers.offset_dims
    places = [axis for axis in range(len(shape)) if axis not in offsets]
    rest = [axis for axis in range(value.ndim) if axis not in [paired for paired, _ in pairs]]
    blocks: dict[tuple[int, ...], Block] = {}
    for (key, block), (batch_key, batch_block) in product(
        value.blocks.items(), batch.blocks.items()
    ):
        if any(key[axis] != batch_key[batch_axis] for axis, batch_axis in pairs):
            continue
        at = {place: (batch_key[i], batch_block[i]) for i, place in enumerate(places)}
        at |= {place: (key[a], block[a]) for place, a in zip(offsets, rest, strict=True)}
        for axis, batch_axis in pairs:
            factors = unify(block[axis], batch_block[batch_axis], is_product=True)
            at[places[batch_axis]] = (key[axis], factors)
        blocks[tuple(at[a][0] for a in range(len(shape)))] = tuple(
            at[a][1] for a in range(len(shape))
        )
    cuts = dict(zip(offsets, [value.cuts[a] for a in rest], strict=True))
    cuts |= dict(zip(places, batch.cuts, strict=True))
    return Value(tuple(cuts[axis] for axis in range(len(shape))), blocks)


def _starts_of_range(
    equation: Equation,
    indices: Value,
    axes: Sequence[int],
    shape: Sequence[int],
    sizes: Sequence[int],
) -> dict[int, int] | None:
    """The start of the only range that is indexed, on each axis that it does not span.

    `axes` are those that the columns of the indices are of, `sizes` the lengths of the range. None
    if there are several ranges, if the indices are not known, or if the range leaves the array and
    the mode does not clip it.
    """
    if indices.concrete is None or np.prod(indices.shape[:-1], dtype=int) != 1:
        return None
    index = dict(zip(axes, indices.concrete.reshape(-1).tolist(), strict=True))
    starts: dict[int, int] = {}
    for axis in range(len(shape)):
        start = int(index.get(axis, 0))
        inside = int(np.clip(start, 0, shape[axis] - sizes[axis]))
        if inside != start and equation.params["mode"] is not GatherScatterMode.CLIP:
            return None
        if sizes[axis] != shape[axis]:
            starts[axis] = inside
    return starts


def scatter(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """scatter: out[indices[b] + w] = updates[b,w], or operand + updates; operand elsewhere.

    A single range at a known index is written as by `dynamic_update_slice`. Otherwise b and the
    axes that are indexed are frozen, and labels of axes w that are written as a whole are joined.
    With batch axes, all is frozen.
    """
    value, indices, updates = operands
    numbers = equation.params["dimension_numbers"]
    if numbers.operand_batching_dims:
        return analysis.freeze_operands(operands, equation, "position-dependent: scatter")
    kept = [a for a in range(value.ndim) if a not in numbers.inserted_window_dims]
    window = dict(zip(numbers.update_window_dims, kept, strict=True))
    if equation.name in OVERWRITING | ADDING:
        sizes = [1] * value.ndim
        for update_axis, axis in window.items():
            sizes[axis] = updates.shape[update_axis]
        axes = numbers.scatter_dims_to_operand_dims
        starts = _starts_of_range(equation, indices, axes, value.shape, sizes)
        if starts is not None:
            update = _as_range(analysis, updates, window, sizes)
            is_sum = equation.name in ADDING and not value.is_zero
            return [_write_range(analysis, value, update, starts, is_sum)]
    return [_scattered(analysis, value, indices, updates, window)]


def _as_range(
    analysis: Analysis, updates: Value, window: dict[int, int], sizes: Sequence[int]
) -> Value:
    """Updates of a single range, with the axes of the array that they are written to.

    `window` maps the axes w of the updates to those of the array; all other axes have length 1.
    """
    update = drop_axes(updates, [axis for axis in range(updates.ndim) if axis not in window])
    to = [window[axis] for axis in sorted(window)]
    update = transpose_value(update, [to.index(axis) for axis in sorted(to)])
    return reshape_value(analysis, update, sizes)


def _scattered(
    analysis: Analysis, value: Value, indices: Value, updates: Value, window: dict[int, int]
) -> Value:
    """Updates at several or unknown indices, which are frozen with the axes that they index.

    `window` is that of `_as_range`. Its axes that are written as a whole are joined.
    """
    whole = {u: a for u, a in window.items() if updates.shape[u] == value.shape[a]}
    reason = "position-dependent: scatter"
    for axis in range(indices.ndim):
        analysis.freeze_axis(indices, axis, reason)
    partial = [axis for axis in range(updates.ndim) if axis not in whole]
    for axis in partial:
        analysis.freeze_axis(updates, axis, reason)
    order = sorted(whole, key=lambda u: whole[u])
    dense = analysis.record_mixture(drop_axes(updates, partial))
    dense = transpose_value(dense, [sorted(whole).index(u) for u in order])
    indexed = [axis for axis in range(value.ndim) if axis not in whole.values()]
    is_zero = value.is_zero
    value = with_frozen_axes(analysis, value, indexed, value.shape, "scatter")
    return _join_axes(analysis, value, dense, [whole[u] for u in order], is_zero=is_zero)


def _join_axes(
    analysis: Analysis, value: Value, dense: Value, axes: Sequence[int], *, is_zero: bool
) -> Value:
    """The value with axis `axes[n]` joined with axis n of `dense`; these are all axes of `dense`.

    A value that `is_zero` takes the labels of `dense` instead.
    """
    for at, axis in enumerate(axes):
        value, dense = analysis.cut_axes_alike([value, dense], [axis, at])
    blocks: dict[tuple[int, ...], Block] = {}
    for key, block in value.blocks.items():
        joined = list(block)
        for at, factors in enumerate(dense.blocks[tuple(key[axis] for axis in axes)]):
            joined[axes[at]] = factors if is_zero else unify(block[axes[at]], factors)
        blocks[key] = tuple(joined)
    return Value(value.cuts, blocks)


RULES: dict[str, Rule] = {
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "gather": gather,
    **dict.fromkeys(SCATTERS, scatter),
}
