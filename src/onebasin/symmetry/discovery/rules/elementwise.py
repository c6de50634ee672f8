"""Elementwise primitives: operands are combined entry by entry, so that their labels are joined."""

from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Flat
from onebasin.symmetry.discovery.unification import unify
from onebasin.symmetry.discovery.values import (
    Block,
    Value,
    flat_value,
    has_marks,
    require_invariant_entries,
)

_NAMES = (
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh",
    "bessel_i0e", "bessel_i1e", "cbrt", "ceil", "clamp", "clz", "complex",
    "conj", "convert_element_type", "copy", "copy_p", "cos", "cosh", "digamma", "div", "eq", "erf",
    "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "igamma", "igammac", "imag",
    "integer_pow", "is_finite", "le", "lgamma", "log", "log1p", "logistic", "lt", "max", "min",
    "mul", "ne", "neg", "nextafter", "not", "or", "polygamma", "population_count", "pow", "real",
    "reduce_precision", "regularized_incomplete_beta", "rem", "round", "rsqrt", "select_n",
    "shift_left", "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt",
    "square", "stop_gradient", "sub", "tan", "tanh", "xor", "zeta",
)  # fmt: skip


def elementwise(analysis: Analysis, equation: Equation, operands: list[Value]) -> list[Value]:
    """add, mul, tanh, max, ...: out[i] = f(a[i], b[i], ...). Labels of i are joined.

    Operands may be scalars, or have length 1 on some axes: they are constant there. The first
    operand of `select_n` says which of the others is taken, which puts no condition on their signs.
    """
    shape = equation.shapes[0]
    is_product = equation.name in ("mul", "div")
    num_tests = 1 if equation.name == "select_n" else 0
    terms = operands[num_tests:]
    tests, terms = (
        [_repeat_to(shape, value) for value in values if value.ndim]
        for values in (operands[:num_tests], terms if is_product else _terms_of_sum(terms))
    )
    if not tests and not terms:
        return [flat_value(shape)]
    unified = [unify_values(analysis, terms, is_product=is_product)] if terms else []
    return [unify_values(analysis, [*tests, *unified], is_product=True)]


def _terms_of_sum(values: list[Value]) -> list[Value]:
    """The values whose signs and scales have to be equal if they are added, or chosen from.

    Zeros put no condition on the others, so they are left out. Any other scalar does not change, so
    that nothing that is added to it may.
    """
    if any(value.ndim == 0 and not value.is_zero for value in values):
        values = [require_invariant_entries(value) for value in values]
    if any(value.is_zero for value in values) and any(has_marks(value) for value in values):
        values = [value for value in values if not value.is_zero]
    return values


def _repeat_to(shape: tuple[int, ...], value: Value) -> Value:
    """out[i,j] = value[i,0]: axes of length 1 become `Flat` axes of the length in `shape`."""
    repeats = [axis for axis, size in enumerate(value.shape) if size != shape[axis]]
    cuts = tuple((shape[i],) if i in repeats else sizes for i, sizes in enumerate(value.cuts))
    return value.map_blocks(
        lambda block: tuple((Flat(shape[i]),) if i in repeats else f for i, f in enumerate(block)),
        cuts,
    )


def unify_values(analysis: Analysis, values: Sequence[Value], *, is_product: bool = False) -> Value:
    """out[i] = f(values[0][i], values[1][i], ...) for values of one shape. Labels are joined.

    Axes are cut wherever those of any value are. `is_product` is that of `unification.unify`.
    """
    first, *further = analysis.cut_alike(values)
    blocks = dict(first.blocks)
    for value in further:
        for key, block in value.blocks.items():
            blocks[key] = unify_blocks(blocks[key], block, is_product=is_product)
    return Value(first.cuts, blocks, is_data=any(value.is_data for value in values))


def unify_blocks(left: Block, right: Block, *, is_product: bool = False) -> Block:
    """The factors of out[i,j,...] = f(left[i,j,...], right[i,j,...]), axis by axis."""
    return tuple(unify(a, b, is_product=is_product) for a, b in zip(left, right, strict=True))


RULES: dict[str, Rule] = dict.fromkeys(_NAMES, elementwise)
