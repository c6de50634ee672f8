"""Reductions, which forget an axis, and windows, scans and sorts, which keep its order."""

from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import frozen_like, frozen_run, keep_signs
from onebasin.symmetry.discovery.rules.elementwise import unify_runs
from onebasin.symmetry.discovery.values import Runs, Value


def reduce(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """A sum, product, maximum or the like does not depend on the order of its terms."""
    # Under vmap they come as integers of NumPy.
    return [forget(operands[0], [int(axis) for axis in equation.params["axes"]])]


def forget(value: Value, axes: Sequence[int]) -> Value:
    """A value without some axes, whose segments meet."""
    kept = [axis for axis in range(value.ndim) if axis not in axes]
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        place, left = tuple(key[i] for i in kept), tuple(runs[i] for i in kept)
        for axis in axes:
            keep_signs(runs[axis])
        blocks[place] = unify_runs(blocks[place], left) if place in blocks else left
    return Value(tuple(value.cuts[i] for i in kept), blocks, is_data=value.is_data)


def arg_reduce(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Which entry is the largest depends on their order."""
    for axis in equation.params["axes"]:
        analysis.freeze_axis(operands[0], axis, f"position-dependent: {equation.name}")
    return reduce(analysis, equation, operands)


def ordered(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Running sums and the like depend on the order along an axis."""
    axis = equation.params["axis"]
    analysis.freeze_axis(operands[0], axis, f"position-dependent: {equation.name}")
    return [operands[0]._replace(known=None)]


def sort(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Sorted alone, entries forget their order; sorted with others, these keep it."""
    axis, reason = equation.params["dimension"], "position-dependent: sort"
    if len(operands) > 1:
        return analysis.keep_order(operands, equation, reason)
    return [_in_new_order(operands[0], axis, operands[0].shape[axis], reason)]


def top_k(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """The largest entries do not depend on the order, which of them they are does."""
    value, reason = operands[0], "position-dependent: top_k"
    axis, k = equation.params.get("axis", value.ndim - 1), equation.params["k"]
    if equation.is_read[1]:
        analysis.freeze_axis(value, axis, reason)
    return [_in_new_order(value, axis, k, reason) for _ in equation.shapes]


def _in_new_order(value: Value, axis: int, size: int, reason: str) -> Value:
    rest = forget(value, [axis])
    run = frozen_run(size, reason)
    insert = lambda items, item: (*items[:axis], item, *items[axis:])
    blocks = {insert(key, 0): insert(runs, run) for key, runs in rest.blocks.items()}
    return Value(insert(rest.cuts, (size,)), blocks)


def window(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Pooling depends on the order along the axes that its window spans."""
    if len(equation.shapes) > 1:
        return analysis.keep_order(operands, equation, f"position-dependent: {equation.name}")
    params, ndim = equation.params, len(equation.shapes[0])
    still = (1,) * ndim
    options = [
        params["window_dimensions"],
        params.get("window_strides") or still,
        params.get("base_dilation") or still,
        [1 + low + high for low, high in params.get("padding") or [(0, 0)] * ndim],
    ]
    spanned = [axis for axis in range(ndim) if any(option[axis] != 1 for option in options)]
    return [with_frozen(analysis, operands[0], spanned, equation.shapes[0], equation.name)]


def with_frozen(
    analysis: Analysis, value: Value, axes: Sequence[int], shape: Sequence[int], what: str
) -> Value:
    """A value some of whose axes keep their order and have new lengths from then on."""
    reason = f"position-dependent: {what}"
    for axis in axes:
        analysis.freeze_axis(value, axis, reason)
    kept = forget(value, axes)
    cuts, places = [], iter(range(kept.ndim))
    at = [None if axis in axes else next(places) for axis in range(value.ndim)]
    cuts = tuple(
        (shape[axis],) if place is None else kept.cuts[place] for axis, place in enumerate(at)
    )
    fresh = {axis: frozen_like([*value.at(axis)], shape[axis], reason) for axis in axes}
    blocks = {
        tuple(0 if place is None else key[place] for place in at): tuple(
            fresh[axis] if place is None else runs[place] for axis, place in enumerate(at)
        )
        for key, runs in kept.blocks.items()
    }
    return Value(cuts, blocks)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"],
        reduce,
    ),
    "reduce_xor": reduce,
    **dict.fromkeys(["argmax", "argmin"], arg_reduce),
    **dict.fromkeys(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"], ordered),
    "sort": sort,
    "top_k": top_k,
    **dict.fromkeys(
        ["reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"], window
    ),
}
