"""Elementwise primitives: entries that meet are the same from then on."""

from collections.abc import Sequence

from onebasin.symmetry.discovery.analysis import Analysis, Equation, Rule
from onebasin.symmetry.discovery.labels import Flat, unify
from onebasin.symmetry.discovery.parity import is_signed, positive
from onebasin.symmetry.discovery.values import Runs, Value, flat

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
    """Operands are scalars, or have the shape of what they give but for axes of length 1."""
    shape = equation.shapes[0]
    is_product = equation.name in ("mul", "div")
    # Which case is taken tells nothing of the signs that all cases have.
    num_tests = 1 if equation.name == "select_n" else 0
    terms = operands[num_tests:]
    tests, terms = (
        [_repeated(value, shape) for value in some if value.ndim]
        for some in (operands[:num_tests], terms if is_product else _terms(terms))
    )
    if not tests and not terms:
        return [flat(shape)]
    found = [unify_all(analysis, terms, is_product=is_product)] if terms else []
    return [unify_all(analysis, [*tests, *found], is_product=True)]


def _terms(values: list[Value]) -> list[Value]:
    """Values that are added or chosen from: zeros have any sign, other numbers one of their own."""
    if any(value.ndim == 0 and not value.is_zero for value in values):
        values = [positive(value) for value in values]
    if any(value.is_zero for value in values) and any(is_signed(value) for value in values):
        values = [value for value in values if not value.is_zero]
    return values


def _repeated(value: Value, shape: tuple[int, ...]) -> Value:
    repeats = [axis for axis, size in enumerate(value.shape) if size != shape[axis]]
    cuts = tuple((shape[i],) if i in repeats else sizes for i, sizes in enumerate(value.cuts))
    return value.map(
        lambda runs: tuple((Flat(shape[i]),) if i in repeats else r for i, r in enumerate(runs)),
        cuts,
    )


def unify_all(analysis: Analysis, values: Sequence[Value], *, is_product: bool = False) -> Value:
    """Values of one shape whose entries meet one to one, as what they are from then on."""
    first, *others = analysis.align_all(values)
    blocks = dict(first.blocks)
    for other in others:
        for key, runs in other.blocks.items():
            blocks[key] = unify_runs(blocks[key], runs, is_product=is_product)
    return Value(first.cuts, blocks, is_data=any(value.is_data for value in values))


def unify_runs(one: Runs, other: Runs, *, is_product: bool = False) -> Runs:
    """Blocks whose entries meet one to one."""
    return tuple(unify(a, b, is_product=is_product) for a, b in zip(one, other, strict=True))


RULES: dict[str, Rule] = dict.fromkeys(_NAMES, elementwise)
