"""Functions of entries: of one array, of several that are made to fit, of whole numbers."""

from functools import partial

from operations import enter, operation
from scope import FLOATS, NothingFits, Scope

UNARY = {
    "abs": "lax.abs({})",
    "acos": "lax.acos(0.9 * lax.sin({}))",
    "acosh": "lax.acosh(1.1 + lax.square({}))",
    "asin": "lax.asin(0.9 * lax.sin({}))",
    "asinh": "lax.asinh({})",
    "atan": "lax.atan({})",
    "atanh": "lax.atanh(0.9 * lax.sin({}))",
    "bessel_i0e": "lax.bessel_i0e({})",
    "bessel_i1e": "lax.bessel_i1e({})",
    "cbrt": "lax.cbrt({})",
    "cos": "lax.cos({})",
    "cosh": "lax.cosh(lax.tanh({}))",
    "digamma": "lax.digamma(1.2 + lax.square({}))",
    "erf": "lax.erf({})",
    "erf_inv": "lax.erf_inv(0.9 * lax.tanh({}))",
    "erfc": "lax.erfc({})",
    "exp": "lax.exp(lax.sin({}))",
    "exp2": "lax.exp2(lax.sin({}))",
    "expm1": "lax.expm1(lax.sin({}))",
    "cube": "lax.integer_pow(lax.tanh({}), 3)",
    "fourth_power": "lax.integer_pow({}, 4)",
    "inverse_cube": "lax.integer_pow(1.5 + lax.sin({}), -3)",
    "lgamma": "lax.lgamma(1.2 + lax.square({}))",
    "log": "lax.log(0.3 + lax.square({}))",
    "log1p": "lax.log1p(lax.square({}))",
    "logistic": "lax.logistic({})",
    "neg": "lax.neg({})",
    "rsqrt": "lax.rsqrt(0.3 + lax.square({}))",
    "sin": "lax.sin({})",
    "sinh": "lax.sinh(lax.tanh({}))",
    "sqrt": "lax.sqrt(0.3 + lax.square({}))",
    "square": "lax.square({})",
    "tan": "lax.tan(lax.sin({}))",
    "tanh": "lax.tanh({})",
    "scaled": "{} * 1.7",
    "scaled_by_a_constant_array": "{0} * jnp.full({0}.shape, -0.7, {0}.dtype)",
    "shifted": "{} + 0.3",
    "zeros_added": "{0} + jnp.zeros({0}.shape, {0}.dtype)",
    "clipped": "lax.clamp({0}.dtype.type(-0.7), {0}, {0}.dtype.type(0.7))",
    "clipped_by_one": "lax.clamp({0}.dtype.type(-0.7), {0}, {0}.dtype.type(0.9))",
    "copied": "jnp.array({}, copy=True)",
    "stopped": "lax.stop_gradient({})",
    "relu": "jax.nn.relu({})",
    "gelu": "jax.nn.gelu({})",
    "polygamma": "lax.polygamma(1.0 + 0.0 * {0}, 1.2 + lax.square({0}))",
    "softsign": "{0} / (1.0 + lax.abs({0}))",
    "signed_square": "{0} * lax.abs({0})",
}  # fmt: skip
"""Functions that are finite everywhere and lose no precision."""

JUMPS = {
    "ceil": "lax.ceil({})",
    "floor": "lax.floor(2.0 * {})",
    "round": "lax.round(2.0 * {})",
    "round_to_even": "lax.round(2.0 * {}, lax.RoundingMethod.TO_NEAREST_EVEN)",
    "sign": "lax.sign({0}) + {0}",
    "reduced_precision": "lax.reduce_precision({}, 8, 10)",
    "is_finite": "jnp.where(lax.is_finite(1.0 / lax.floor(2.0 * {0})), {0}, 0.4)",
    "truncated_to_whole_numbers": "(3.0 * lax.tanh({})).astype('int32')",
    "rounded_to_whole_numbers": "lax.round(3.0 * lax.sin({})).astype('int64')",
    "rounded_to_unsigned_numbers": "lax.round(2.5 + 2.0 * lax.sin({})).astype('uint32')",
    "cast_to_unsigned_numbers": "(3.0 * {}).astype('uint32')",
    "cast_to_bytes": "(30.0 * lax.tanh({})).astype('int8')",
    "nonzero": "{} > 0.1",
    "high_bits": "(lax.bitcast_convert_type({}, 'int64') >> 44).astype('int32')",
    "bits_of_all_words": "lax.bitcast_convert_type({}, 'uint32')[..., 1] >> 12",
    "there_and_back_in_bits": "lax.bitcast_convert_type("
    "lax.bitcast_convert_type({}, 'uint32'), 'float64')",
}
"""Functions with jumps, at places that no value is at but by chance."""

BINARY = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / (0.5 + lax.square({}))",
    "div_by_odd": "lax.tanh({}) / {}",
    "max": "lax.max({}, {})",
    "min": "lax.min({}, {})",
    "atan2": "lax.atan2({}, 1.5 + lax.tanh({}))",
    "pow": "lax.pow(1.2 + lax.square({}), lax.tanh({}))",
    "nextafter": "lax.nextafter({}, {})",
    "igamma": "lax.igamma(1.2 + lax.square(lax.tanh({})), 0.3 + lax.square({}))",
    "igammac": "lax.igammac(1.2 + lax.square(lax.tanh({})), 0.3 + lax.square({}))",
    "zeta": "lax.zeta(2.2 + lax.square(lax.tanh({})), 1.2 + lax.square({}))",
    "betainc": "lax.betainc(1.2 + lax.square(lax.tanh({0})), 1.4 + lax.square(lax.tanh({1})), "
    "lax.logistic({0}))",
    "clipped_between": "lax.clamp(-lax.abs({0}), {1}, 0.5 + lax.abs({0}))",
}
BINARY_JUMPS = {
    "rem": "lax.rem({}, 0.8 + lax.square({}))",
    "where": "jnp.where({0} > {1} + 0.1, {0}, {1})",
    "where_or_zero": "jnp.where(lax.abs({0}) > 0.3, {1}, 0.0)",
    "compared": "({0} <= {1} + 0.1) | ({0} >= 1.1) & ({0} < {1} * {1})",
    "equal": "(lax.round({0}) == lax.round({1})) ^ (lax.round(2.0 * {0}) != lax.round({1}))",
}
INTEGER = {
    "integer_sum": "{} + {}",
    "integer_product": "{} * {}",
    "integer_difference": "{} - {}",
    "integer_bits": "({0} & {1}) ^ ({0} | 5) ^ ~{1}",
    "integer_shifts": "lax.shift_left({0}, {1} & 3) + lax.shift_right_arithmetic({1}, {0} & 1)",
    "integer_shift_logical": "lax.shift_right_logical({0}, {1} & 3)",
    "integer_counts": "lax.population_count({0}) + lax.clz({1})",
    "integer_division": "lax.div({0}, 2 * ({1} & 1) + 1) + lax.rem({1}, 0 * {0} + 3)",
    "integer_extremes": "lax.max({0}, {1}) + lax.min({0}, 0 * {1} + 2)",
    "integer_choice": "jnp.where({0} > {1}, {0}, -{1})",
    "integer_sign": "lax.sign({0}) + lax.abs({1}) + lax.integer_pow({0}, 2)",
    "integer_wrapped": "({0} % 3) + ({1} // 2)",
    "integer_clip": "jnp.clip({0} + {1}, -1, 3)",
}
COMPLEX = {
    "complex_product": "{} * {}",
    "complex_conjugate": "lax.conj({}) + {}",
    "complex_parts": "lax.complex(lax.imag({}), lax.real({}))",
    "complex_exp": "lax.exp(1j * {}) * {}",
}


def _unary(source: str, exact: bool, scope: Scope) -> None:
    scope.let(source.format(scope.one(scope.floats(exact=exact))))


def pair(scope: Scope, options: list[str]) -> tuple[str, str]:
    """A variable, and another as it fits the first one's shape and dtype."""
    one = scope.one(options)
    other = scope.one([name for name in options if name != one] or options)
    if scope.ndim(other) > scope.ndim(one):
        one, other = other, one
    return one, scope.fitted(other, scope.shape(one), scope.dtype(one))


def _binary(source: str, exact: bool, scope: Scope) -> None:
    one, other = pair(scope, scope.floats(exact=exact))
    if source.startswith("lax.nextafter") and scope.dtype(one) == "float16":
        raise NothingFits
    first, second = scope.choose([(one, other), (other, one)])
    scope.let(source.format(first, second))


def whole_numbers(scope: Scope) -> list[str]:
    """Arrays of whole numbers, of which one is made of the params if there is none."""
    if not set(scope.integers()) - scope.given:
        scope.let(JUMPS["rounded_to_whole_numbers"].format(scope.one(scope.floats(exact=True))))
    return scope.integers()


def truths(scope: Scope) -> list[str]:
    """Arrays of booleans, of which one is made if there is none."""
    if not scope.of_dtype("bool"):
        scope.let(JUMPS["nonzero"].format(scope.one(scope.floats(exact=True))))
    return scope.of_dtype("bool")


def complex_numbers(scope: Scope) -> list[str]:
    """Arrays of complex numbers, of which one is made if there is none."""
    is_complex = lambda name: "complex" in scope.dtype(name)
    if not scope.where(is_complex):
        two_as_complex(scope)
    return scope.where(is_complex)


def _integer(source: str, scope: Scope) -> None:
    scope.let(source.format(*pair(scope, whole_numbers(scope))))


def _complex(source: str, scope: Scope) -> None:
    scope.let(source.format(*pair(scope, complex_numbers(scope))))


for name, source in UNARY.items():
    enter("unary", name, partial(_unary, source, False))
for name, source in JUMPS.items():
    enter("jump", name, partial(_unary, source, True))
for name, source in BINARY.items():
    enter("binary", name, partial(_binary, source, False))
for name, source in BINARY_JUMPS.items():
    enter("jump", name, partial(_binary, source, True))
for name, source in INTEGER.items():
    enter("integer", name, partial(_integer, source))
for name, source in COMPLEX.items():
    enter("complex", name, partial(_complex, source))


@operation("complex")
def two_as_complex(scope: Scope) -> None:
    scope.let("lax.complex({}, {})".format(*pair(scope, scope.of_dtype("float64"))))


@operation("complex")
def complex_as_real(scope: Scope) -> None:
    name = scope.one(complex_numbers(scope))
    source = scope.choose(
        ["lax.real({})", "lax.imag({})", "lax.abs({})", "lax.tanh(lax.real({0} * lax.conj({0})))"]
    )
    scope.let(source.format(name))


@operation("integer")
def whole_numbers_as_floats(scope: Scope) -> None:
    name = scope.one(whole_numbers(scope))
    scope.let(scope.choose(["{}.astype('float64')", "0.3 * {}", "lax.sin(1.0 * {})"]).format(name))


@operation("integer")
def other_whole_numbers(scope: Scope) -> None:
    dtype = scope.choose(["int64", "int32", "uint32", "int8", "uint8", "bool"])
    scope.let(f"{scope.one(whole_numbers(scope))}.astype('{dtype}')")


@operation("integer")
def booleans(scope: Scope) -> None:
    one, other = pair(scope, truths(scope))
    source = scope.choose(
        ["{0} & ~{1}", "{0} ^ {1}", "{0} | {1}", "1.0 * {0} - {1}", "{0}.astype('int32') + {1}"]
    )
    scope.let(source.format(one, other))


@operation("integer")
def chosen_by_booleans(scope: Scope) -> None:
    test = scope.one(truths(scope))
    one, other = (scope.one(scope.floats()) for _ in range(2))
    shape = scope.shape(test)
    cases = (scope.fitted(name, shape, "float64") for name in (one, other))
    scope.let(f"jnp.where({test}, {', '.join(cases)})")


@operation("integer")
def chosen_by_whole_numbers(scope: Scope) -> None:
    test = scope.one(whole_numbers(scope))
    cases = (
        scope.fitted(scope.one(scope.floats()), scope.shape(test), "float64") for _ in range(3)
    )
    scope.let(f"lax.select_n(({test} % 3).astype('int32'), {', '.join(cases)})")


@operation("cast")
def cast(scope: Scope) -> None:
    name = scope.one(scope.floats())
    scope.let(f"{name}.astype('{scope.choose(FLOATS)}')")


@operation("order")
def weighted_by_order(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    axis = scope.axis(name)
    shape = tuple(n if i == axis else 1 for i, n in enumerate(scope.shape(name)))
    source = scope.choose(["jnp.arange({0}) * 0.4", "jnp.array([0.4, -0.2, 1.3, 0.7] * {0})[:{0}]"])
    scope.let(f"{name} * ({source.format(shape[axis])}).reshape({shape})")
