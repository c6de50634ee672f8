"""Reductions, which drop an axis; running sums, windows, sorts and FFTs, which freeze it."""

from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import frozen_axis, frozen_like, require_invariant
from onebasin.symmetry.discovery.positions import distinct_entries, is_arange
from onebasin.symmetry.discovery.rules.elementwise import unify_blocks, unify_values
from onebasin.symmetry.discovery.values import Block, Positions, Value


def reduce(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """reduce_sum, reduce_max, ...: out[j] = sum_i operand[i,j]. i is dropped, j passes through.

    The order of the terms does not matter, so i stays free.
    """
    # Under vmap the axes come as integers of NumPy.
    return [drop_axes(operands[0], [int(axis) for axis in equation.params["axes"]])]


def drop_axes(value: Value, axes: Sequence[int]) -> Value:
    """out[j] = op_i value[i,j] for the axes i: labels of i are dropped, those of j pass through.

    Blocks that differ in i alone are combined, so that their labels of j are joined.
    """
    kept = [axis for axis in range(value.ndim) if axis not in axes]
    blocks: dict[tuple[int, ...], Block] = {}
    for key, block in value.blocks.items():
        new_key, rest = tuple(key[i] for i in kept), tuple(block[i] for i in kept)
        for axis in axes:
            require_invariant(block[axis])
        blocks[new_key] = unify_blocks(blocks[new_key], rest) if new_key in blocks else rest
    return Value(tuple(value.cuts[i] for i in kept), blocks, is_data=value.is_data)


def arg_reduce(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """argmax: out[j] = the i at which operand[i,j] is the largest. i is dropped, j passes through.

    The result points to the entries along i (see `positions`). If two of these may be equal, the
    first is taken, so that i is frozen.
    """
    value, axes = operands[0], [int(axis) for axis in equation.params["axes"]]
    factors = distinct_entries(value, axes[0]) if len(axes) == 1 else None
    if factors is None:
        for axis in axes:
            analysis.freeze_axis(value, axis, f"position-dependent: {equation.name}")
        return reduce(analysis, equation, operands)
    return [
        result._replace(positions=Positions(factors))
        for result in reduce(analysis, equation, operands)
    ]


def cumulative(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """cumsum: out[i,j] = sum_{l<=i} operand[l,j]. i is frozen, j passes through."""
    axis = equation.params["axis"]
    return [with_frozen_axes(analysis, operands[0], [axis], equation.shapes[0], equation.name)]


def sort(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """sort: out[i,j] = the i-th smallest of operand[:,j]. i is dropped, j passes through.

    The result has a new, frozen axis in place of i. Sorted together with 0, 1, 2, ..., as argsort
    does, the second result points to the entries along i (see `positions`), unless two of them may
    be equal. With any other second operand, all is frozen.
    """
    axis, reason = equation.params["dimension"], "position-dependent: sort"
    keys, *carried = operands
    in_order = _with_new_axis(analysis, keys, axis, keys.shape[axis], reason)
    if not carried:
        return [in_order]
    is_numbered = len(carried) == 1 and is_arange(carried[0].concrete, axis)
    factors = (
        distinct_entries(keys, axis) if is_numbered and equation.params["num_keys"] == 1 else None
    )
    if factors is None:
        return analysis.freeze_operands(operands, equation, reason)
    return [in_order, in_order._replace(positions=Positions(factors))]


def top_k(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """top_k: out[j,r] = the r-th largest of operand[j,:]. i is dropped, j passes through.

    r is a new, frozen axis. The second result points to the entries along i (see `positions`). If
    it is read, and two of these may be equal, i is frozen.
    """
    value, reason = operands[0], "position-dependent: top_k"
    axis, k = equation.params.get("axis", value.ndim - 1), equation.params["k"]
    factors = distinct_entries(value, axis)
    if equation.is_read[1] and factors is None:
        analysis.freeze_axis(value, axis, reason)
    in_order = _with_new_axis(analysis, value, axis, k, reason)
    if factors is None:
        return [in_order, in_order]
    return [in_order, in_order._replace(positions=Positions(factors))]


def _with_new_axis(analysis: Analysis, value: Value, axis: int, size: int, reason: str) -> Value:
    """The value with an axis dropped, and a new, frozen one of length `size` in its place."""
    rest = analysis.record_mixture(drop_axes(value, [axis]))
    factors = frozen_axis(size, reason)
    insert = lambda items, item: (*items[:axis], item, *items[axis:])
    blocks = {insert(key, 0): insert(block, factors) for key, block in rest.blocks.items()}
    return Value(insert(rest.cuts, (size,)), blocks)


def window(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """reduce_window_max, ...: out[p,j] = max_w operand[p+w,j]. p is frozen, j passes through.

    j are the axes on which the window, its stride, its dilation and the padding are trivial.
    Operands that are reduced together, as numbers and where they stand, are joined.
    """
    params, shape = equation.params, equation.shapes[0]
    trivial = (1,) * len(shape)
    options = [
        params["window_dimensions"],
        params.get("window_strides") or trivial,
        params.get("base_dilation") or trivial,
        [1 + low + high for low, high in params.get("padding") or [(0, 0)] * len(shape)],
    ]
    spanned = [axis for axis in range(len(shape)) if any(option[axis] != 1 for option in options)]
    values = [
        with_frozen_axes(analysis, value, spanned, shape, equation.name)
        for value in operands[: len(equation.shapes)]
    ]
    return [unify_values(analysis, values)] * len(values)


def fourier(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """fft: out[j,k] = sum_i operand[j,i] w[k,i]. i is frozen, and so is k; j passes through."""
    shape = equation.shapes[0]
    transformed = range(len(shape))[-len(equation.params["fft_lengths"]) :]
    return [with_frozen_axes(analysis, operands[0], transformed, shape, "fft")]


def with_frozen_axes(
    analysis: Analysis, value: Value, axes: Sequence[int], shape: Sequence[int], what: str
) -> Value:
    """out[p,j] = f(value[:,j])[p] for the axes i: i is frozen, p is too, and j passes through.

    `shape` is that of the result, which may have other lengths on `axes`. `what` is the operation,
    as the user reads it in the reason. Without `axes`, all labels pass through.
    """
    reason = f"position-dependent: {what}"
    for axis in axes:
        analysis.freeze_axis(value, axis, reason)
    kept = analysis.record_mixture(drop_axes(value, axes)) if axes else value
    cuts, places = [], iter(range(kept.ndim))
    at = [None if axis in axes else next(places) for axis in range(value.ndim)]
    cuts = tuple(
        (shape[axis],) if place is None else kept.cuts[place] for axis, place in enumerate(at)
    )
    frozen = {axis: frozen_like([*value.factors_at(axis)], shape[axis], reason) for axis in axes}
    blocks = {
        tuple(0 if place is None else key[place] for place in at): tuple(
            frozen[axis] if place is None else block[place] for axis, place in enumerate(at)
        )
        for key, block in kept.blocks.items()
    }
    return Value(cuts, blocks)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"],
        reduce,
    ),
    "reduce_xor": reduce,
    **dict.fromkeys(["argmax", "argmin"], arg_reduce),
    **dict.fromkeys(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"], cumulative),
    "sort": sort,
    "top_k": top_k,
    "fft": fourier,
    **dict.fromkeys(
        ["reduce_window", "reduce_window_sum", "reduce_window_max", "reduce_window_min"], window
    ),
}
