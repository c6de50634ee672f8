"""Reductions, which forget an axis; windows, scans, sorts and fft, which keep its order."""

from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import frozen_like, frozen_run, keep_signs
from onebasin.symmetry.discovery.positions import entries_of, is_arange
from onebasin.symmetry.discovery.rules.elementwise import unify_all, unify_runs
from onebasin.symmetry.discovery.values import Positions, Runs, Value


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
    """out[i] = the j at which operand[i, j] is the largest: a position among its entries.

    Where entries may be equal, it depends on their order.
    """
    value, axes = operands[0], [int(axis) for axis in equation.params["axes"]]
    run = entries_of(value, axes[0]) if len(axes) == 1 else None
    if run is None:
        for axis in axes:
            analysis.freeze_axis(value, axis, f"position-dependent: {equation.name}")
        return reduce(analysis, equation, operands)
    return [
        found._replace(positions=Positions(run)) for found in reduce(analysis, equation, operands)
    ]


def ordered(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Running sums and the like depend on the order along an axis, all of whose entries meet."""
    axis = equation.params["axis"]
    return [with_frozen(analysis, operands[0], [axis], equation.shapes[0], equation.name)]


def sort(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Sorted alone, entries forget their order; sorted with their numbers, these are positions.

    Sorted with anything else, all keep their order.
    """
    axis, reason = equation.params["dimension"], "position-dependent: sort"
    value, *others = operands
    fresh = _in_new_order(analysis, value, axis, value.shape[axis], reason)
    if not others:
        return [fresh]
    is_numbered = len(others) == 1 and is_arange(others[0].known, axis)
    run = entries_of(value, axis) if is_numbered and equation.params["num_keys"] == 1 else None
    if run is None:
        return analysis.keep_order(operands, equation, reason)
    return [fresh, fresh._replace(positions=Positions(run))]


def top_k(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """The largest entries do not depend on the order; which of them they are is a position."""
    value, reason = operands[0], "position-dependent: top_k"
    axis, k = equation.params.get("axis", value.ndim - 1), equation.params["k"]
    run = entries_of(value, axis)
    if equation.is_read[1] and run is None:
        analysis.freeze_axis(value, axis, reason)
    fresh = _in_new_order(analysis, value, axis, k, reason)
    return [fresh, fresh if run is None else fresh._replace(positions=Positions(run))]


def _in_new_order(analysis: Analysis, value: Value, axis: int, size: int, reason: str) -> Value:
    rest = analysis.mix(forget(value, [axis]))
    run = frozen_run(size, reason)
    insert = lambda items, item: (*items[:axis], item, *items[axis:])
    blocks = {insert(key, 0): insert(runs, run) for key, runs in rest.blocks.items()}
    return Value(insert(rest.cuts, (size,)), blocks)


def window(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """Pooling depends on the order along the axes that its window spans.

    Operands that are reduced together, such as numbers and where they stand, meet one to one.
    """
    params, shape = equation.params, equation.shapes[0]
    still = (1,) * len(shape)
    options = [
        params["window_dimensions"],
        params.get("window_strides") or still,
        params.get("base_dilation") or still,
        [1 + low + high for low, high in params.get("padding") or [(0, 0)] * len(shape)],
    ]
    spanned = [axis for axis in range(len(shape)) if any(option[axis] != 1 for option in options)]
    values = [
        with_frozen(analysis, value, spanned, shape, equation.name)
        for value in operands[: len(equation.shapes)]
    ]
    return [unify_all(analysis, values)] * len(values)


def fourier(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """fft: out[b, k] = sum_n in[b, n] w[k, n]. Entries of n keep their order, b passes through."""
    shape = equation.shapes[0]
    transformed = range(len(shape))[-len(equation.params["fft_lengths"]) :]
    return [with_frozen(analysis, operands[0], transformed, shape, "fft")]


def with_frozen(
    analysis: Analysis, value: Value, axes: Sequence[int], shape: Sequence[int], what: str
) -> Value:
    """A value some of whose axes keep their order and have new lengths from then on."""
    reason = f"position-dependent: {what}"
    for axis in axes:
        analysis.freeze_axis(value, axis, reason)
    kept = analysis.mix(forget(value, axes)) if axes else value
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
    "fft": fourier,
    **dict.fromkeys(
        ["reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"], window
    ),
}
