"""Primitives that read or write at indices.

Where there is one index and its numbers are known, a range of entries is meant, as in a slice.
Elsewhere the axes that are indexed keep their order, and only those that are read or written as a
whole are followed.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jax.lax import GatherScatterMode

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.jax_names import ADDING, OVERWRITING, SCATTERS
from onebasin.symmetry.discovery.labels import size_of, unify
from onebasin.symmetry.discovery.positions import settled
from onebasin.symmetry.discovery.rules.elementwise import unify_all
from onebasin.symmetry.discovery.rules.joining import join
from onebasin.symmetry.discovery.rules.reduction import forget, with_frozen
from onebasin.symmetry.discovery.rules.regroup import reshape_value
from onebasin.symmetry.discovery.rules.shape import taken, transposed
from onebasin.symmetry.discovery.values import Runs, Value


def dynamic_slice(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """out[i] = operand[start + i]: a range of entries that begins at given indices."""
    value, shape = operands[0], equation.shapes[0]
    partial = [axis for axis in range(value.ndim) if shape[axis] != value.shape[axis]]
    unknown = []
    for axis in partial:
        start = _number(operands[1 + axis])
        if start is None:
            unknown.append(axis)
        else:
            start = int(np.clip(start, 0, value.shape[axis] - shape[axis]))
            value = taken(analysis, value, axis, start, start + shape[axis])
    return [with_frozen(analysis, value, unknown, shape, "dynamic slice")]


def _number(value: Value) -> int | None:
    return None if value.known is None else int(value.known)


def dynamic_update_slice(
    analysis: Analysis, equation: Equation, operands: list[Value]
) -> list[Value]:
    """out[start + i] = update[i], and elsewhere the operand."""
    value, update = operands[:2]
    partial = [axis for axis in range(value.ndim) if update.shape[axis] != value.shape[axis]]
    starts = [_number(operands[2 + axis]) for axis in partial]
    if all(start is not None for start in starts):
        known = {
            axis: int(np.clip(start or 0, 0, value.shape[axis] - update.shape[axis]))
            for axis, start in zip(partial, starts, strict=True)
        }
        return [_overwritten(analysis, value, update, known)]
    terms = [update] if value.is_zero else [value, update]
    terms = [with_frozen(analysis, x, partial, value.shape, "dynamic update") for x in terms]
    return [unify_all(analysis, terms)]


def _overwritten(
    analysis: Analysis, value: Value, update: Value, starts: dict[int, int], is_sum: bool = False
) -> Value:
    """A value with an update in place of a range, or added to it, that begins at `starts`.

    Axes without a start are written as a whole.
    """
    if not starts:
        return unify_all(analysis, [value, update]) if is_sum else update
    (axis, start), *rest = starts.items()
    end = start + update.shape[axis]
    before = taken(analysis, value, axis, 0, start)
    middle = taken(analysis, value, axis, start, end)
    after = taken(analysis, value, axis, end, value.shape[axis])
    middle = _overwritten(analysis, middle, update, dict(rest), is_sum)
    return join(analysis, [before, middle, after], axis)


def gather(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """out[batch, offset] = operand[indices[batch] + offset]: axes read as a whole stay the same."""
    (value,), indices = settled(operands[:1]), operands[1]
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    starts = _starts(equation, indices, numbers.start_index_map, value.shape, sizes)
    for axis, start in (starts or {}).items():
        value = taken(analysis, value, axis, start, start + sizes[axis])
    pointed = _pointed(equation, value, indices)
    if pointed is None:
        (indices,) = settled([indices])
    paired = list(numbers.operand_batching_dims)
    read = [
        axis
        for axis in range(value.ndim)
        if sizes[axis] != value.shape[axis] and axis != pointed and axis not in paired
    ]
    shape = [value.shape[axis] if axis in paired else n for axis, n in enumerate(sizes)]
    value = with_frozen(analysis, value, read, shape, "indexed")
    return [_gathered(analysis, equation, value, indices)]


def _pointed(equation: Equation, value: Value, indices: Value) -> int | None:
    """The axis whose entries the indices point to, where they are the units of that axis."""
    numbers, pointing = equation.params["dimension_numbers"], indices.positions
    if pointing is None or pointing.is_shifted or len(numbers.start_index_map) != 1:
        return None
    (axis,) = numbers.start_index_map
    is_alone = axis in numbers.collapsed_slice_dims and len(value.cuts[axis]) == 1
    if not is_alone or value.shape[axis] != size_of(pointing.run):
        return None
    for run in value.at(axis):
        unify(run, pointing.run)
    return axis


def _gathered(analysis: Analysis, equation: Equation, value: Value, indices: Value) -> Value:
    """What is read of an operand whose axes that are indexed keep their order."""
    numbers, shape = equation.params["dimension_numbers"], equation.shapes[0]
    value = analysis.mix(forget(value, numbers.collapsed_slice_dims))
    batch = forget(indices, [indices.ndim - 1])
    left = lambda axis: axis - sum(a < axis for a in numbers.collapsed_slice_dims)
    pairs = [
        (left(one), other)
        for one, other in zip(
            numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True
        )
    ]
    for pair in pairs:
        value, batch = analysis.align([value, batch], pair)
    offsets = numbers.offset_dims
    places = [axis for axis in range(len(shape)) if axis not in offsets]
    rest = [axis for axis in range(value.ndim) if axis not in [one for one, _ in pairs]]
    blocks: dict[tuple[int, ...], Runs] = {}
    for (key, runs), (batch_key, batch_runs) in product(value.blocks.items(), batch.blocks.items()):
        if any(key[one] != batch_key[other] for one, other in pairs):
            continue
        at = {place: (batch_key[i], batch_runs[i]) for i, place in enumerate(places)}
        at |= {place: (key[a], runs[a]) for place, a in zip(offsets, rest, strict=True)}
        for one, other in pairs:
            run = unify(runs[one], batch_runs[other], is_product=True)
            at[places[other]] = (key[one], run)
        blocks[tuple(at[a][0] for a in range(len(shape)))] = tuple(
            at[a][1] for a in range(len(shape))
        )
    cuts = dict(zip(offsets, [value.cuts[a] for a in rest], strict=True))
    cuts |= dict(zip(places, batch.cuts, strict=True))
    return Value(tuple(cuts[axis] for axis in range(len(shape))), blocks)


def _starts(
    equation: Equation,
    indices: Value,
    axes: Sequence[int],
    shape: Sequence[int],
    sizes: Sequence[int],
) -> dict[int, int] | None:
    """Where the only range that is indexed begins on each axis that it does not span.

    None where there are several ranges, or it is not known which, or it ends outside of the array
    and does not move inside.
    """
    if indices.known is None or np.prod(indices.shape[:-1], dtype=int) != 1:
        return None
    known = dict(zip(axes, indices.known.reshape(-1).tolist(), strict=True))
    found: dict[int, int] = {}
    for axis in range(len(shape)):
        start = int(known.get(axis, 0))
        inside = int(np.clip(start, 0, shape[axis] - sizes[axis]))
        if inside != start and equation.params["mode"] is not GatherScatterMode.CLIP:
            return None
        if sizes[axis] != shape[axis]:
            found[axis] = inside
    return found


def scatter(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """The operand, whose entries at indices[batch] + window meet updates[batch, window]."""
    value, indices, updates = operands
    numbers = equation.params["dimension_numbers"]
    if numbers.operand_batching_dims:
        return analysis.keep_order(operands, equation, "position-dependent: scatter")
    kept = [a for a in range(value.ndim) if a not in numbers.inserted_window_dims]
    window = dict(zip(numbers.update_window_dims, kept, strict=True))
    if equation.name in OVERWRITING | ADDING:
        sizes = [1] * value.ndim
        for u, a in window.items():
            sizes[a] = updates.shape[u]
        axes = numbers.scatter_dims_to_operand_dims
        starts = _starts(equation, indices, axes, value.shape, sizes)
        if starts is not None:
            update = _as_range(analysis, updates, window, sizes)
            is_sum = equation.name in ADDING and not value.is_zero
            return [_overwritten(analysis, value, update, starts, is_sum)]
    return [_scattered(analysis, value, indices, updates, window)]


def _as_range(
    analysis: Analysis, updates: Value, window: dict[int, int], sizes: Sequence[int]
) -> Value:
    """Updates of a single range, with the axes of the array that they are written to."""
    alone = forget(updates, [axis for axis in range(updates.ndim) if axis not in window])
    to = [window[axis] for axis in sorted(window)]
    alone = transposed(alone, [to.index(axis) for axis in sorted(to)])
    return reshape_value(analysis, alone, sizes)


def _scattered(
    analysis: Analysis, value: Value, indices: Value, updates: Value, window: dict[int, int]
) -> Value:
    """Updates at several or unknown places: only axes that are written as a whole are followed."""
    whole = {u: a for u, a in window.items() if updates.shape[u] == value.shape[a]}
    reason = "position-dependent: scatter"
    for axis in range(indices.ndim):
        analysis.freeze_axis(indices, axis, reason)
    others = [axis for axis in range(updates.ndim) if axis not in whole]
    for axis in others:
        analysis.freeze_axis(updates, axis, reason)
    order = sorted(whole, key=lambda u: whole[u])
    dense = analysis.mix(forget(updates, others))
    dense = transposed(dense, [sorted(whole).index(u) for u in order])
    written = [axis for axis in range(value.ndim) if axis not in whole.values()]
    is_zero = value.is_zero
    value = with_frozen(analysis, value, written, value.shape, "scatter")
    for u in order:
        value, dense = analysis.align([value, dense], [whole[u], order.index(u)])
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        found = list(runs)
        for at, run in enumerate(dense.blocks[tuple(key[whole[u]] for u in order)]):
            axis = whole[order[at]]
            found[axis] = run if is_zero else unify(runs[axis], run)
        blocks[key] = tuple(found)
    return Value(value.cuts, blocks)


RULES: dict[str, Rule] = {
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "gather": gather,
    **dict.fromkeys(SCATTERS, scatter),
}
