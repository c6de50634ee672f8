"""Primitives that read or write at indices: what is indexed keeps its order."""

import numpy as np

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import unify
from onebasin.symmetry.discovery.rules.elementwise import unify_all
from onebasin.symmetry.discovery.rules.reduction import forget, with_frozen
from onebasin.symmetry.discovery.rules.shape import taken
from onebasin.symmetry.discovery.values import Runs, Value


def dynamic_slice(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """A range of entries that begins at given indices."""
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
    """A range of entries is replaced: axes that are replaced as a whole meet."""
    value, update = operands[:2]
    partial = [axis for axis in range(value.ndim) if update.shape[axis] != value.shape[axis]]
    what = "dynamic update"
    value = with_frozen(analysis, value, partial, value.shape, what)
    update = with_frozen(analysis, update, partial, value.shape, what)
    return [unify_all(analysis, [value, update])]


def gather(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Entries at indices: axes that are read as a whole stay what they are."""
    value, indices = operands
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if numbers.operand_batching_dims:
        return analysis.keep_order(operands, equation, "position-dependent: gather")
    start = _single(indices)
    if start is not None:
        low = dict(zip(numbers.start_index_map, start, strict=True))
        for axis, size in enumerate(sizes):
            first = int(np.clip(low.get(axis, 0), 0, value.shape[axis] - size))
            value = taken(analysis, value, axis, first, first + size)
    read = [axis for axis in range(value.ndim) if sizes[axis] != value.shape[axis]]
    value = with_frozen(analysis, value, read, sizes, "indexed")
    value = forget(value, numbers.collapsed_slice_dims)
    batch = forget(indices, [indices.ndim - 1])
    shape, offsets = equation.shapes[0], numbers.offset_dims
    places = [axis for axis in range(len(shape)) if axis not in offsets]
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        for batch_key, batch_runs in batch.blocks.items():
            at = dict(zip(offsets, zip(key, runs, strict=True), strict=True))
            at |= dict(zip(places, zip(batch_key, batch_runs, strict=True), strict=True))
            ordered = [at[axis] for axis in range(len(shape))]
            blocks[tuple(one for one, _ in ordered)] = tuple(run for _, run in ordered)
    cuts = dict(zip(offsets, value.cuts, strict=True))
    cuts |= dict(zip(places, batch.cuts, strict=True))
    return [Value(tuple(cuts[axis] for axis in range(len(shape))), blocks)]


def _single(indices: Value) -> list[int] | None:
    """The index where there is but one and it is known."""
    if indices.known is None or np.prod(indices.shape[:-1], dtype=int) != 1:
        return None
    return [int(index) for index in indices.known.reshape(-1)]


def scatter(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Entries written at indices: axes that are written as a whole meet the operand's."""
    value, indices, updates = operands
    numbers = equation.params["dimension_numbers"]
    if numbers.operand_batching_dims:
        return analysis.keep_order(operands, equation, "position-dependent: scatter")
    kept = [a for a in range(value.ndim) if a not in numbers.inserted_window_dims]
    window = dict(zip(numbers.update_window_dims, kept, strict=True))
    whole = {u: a for u, a in window.items() if updates.shape[u] == value.shape[a]}
    written = [axis for axis in range(value.ndim) if axis not in whole.values()]
    value = with_frozen(analysis, value, written, value.shape, "scatter")
    rest = [axis for axis in range(updates.ndim) if axis not in whole]
    for axis in rest:
        analysis.freeze_axis(updates, axis, "position-dependent: scatter")
    for axis in range(indices.ndim):
        analysis.freeze_axis(indices, axis, "position-dependent: scatter")
    for u, a in whole.items():
        value, updates = analysis.align([value, updates], [a, u])
    for key, runs in value.blocks.items():
        for update_key, update_runs in updates.blocks.items():
            if all(key[a] == update_key[u] for u, a in whole.items()):
                for u, a in whole.items():
                    unify(runs[a], update_runs[u])
    return [value._replace(known=None)]


RULES: dict[str, Rule] = {
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "gather": gather,
    **dict.fromkeys(
        ["scatter", "scatter-add", "scatter_add", "scatter_mul", "scatter-mul"], scatter
    ),
}
