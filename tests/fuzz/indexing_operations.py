"""Reading and writing at indices: known ones, constants, traced ones, and those of the params."""

from functools import partial

from elementwise_operations import whole_numbers
from operations import enter, operation
from scope import NothingFits, Scope

MODES = ("'clip'", "'wrap'", "'fill', fill_value=0.4")


def known_number(scope: Scope, size: int, depth: int = 0) -> str:
    """A whole number that the jaxpr computes from constants."""
    number = scope.choose(range(size))
    dtype = scope.choose(["int32", "int64", "uint8", "int8"])
    simple = [f"jnp.asarray({number}, '{dtype}')", f"jnp.arange({size})[{number}]"]
    if depth:
        return scope.choose(simple)
    one, other = (known_number(scope, size, depth + 1) for _ in range(2))
    source = scope.choose(
        [simple[0], *simple, "({0} & {1})", "({0} | {1})", "({0} ^ {1})", "({0} + {1})",
         "({0} * {1})", "({0} - {1})", "({0} * 100 + {1})", "jnp.maximum({0}, {1})", "(~{0} + {1})",
         "jnp.where({0} > {1}, {0}, 1)", "jnp.clip({0} + {1}, 1, 2)", "jnp.minimum({0}, {1})",
         "jnp.asarray({0} > {1}, 'int32')", "(({0} != 0) & ({1} != 0)).astype('int32')",
         "(-{0})", "({0} // ({1} + 1))", "({0} << {1})"]
    )  # fmt: skip
    return f"({source.format(one, other)} % {size})"


def number(scope: Scope, size: int) -> str:
    """An index: a number of Python, a known one, a traced one, or one that params decide."""
    options = ["python", "known", "known", "traced"]
    labelled = scope.integers(0, 0)
    kind = scope.choose([*options, "labelled"] if labelled else options)
    if kind == "python":
        return str(scope.choose(range(size)))
    if kind == "known":
        return known_number(scope, size)
    if kind == "traced":
        return f"t[{scope.choose([0, 1])}] % {size}"
    return f"{scope.one(labelled)} % {size}"


def numbers(scope: Scope, size: int, count: int) -> str:
    """A vector of indices."""
    labelled = [name for name in scope.integers(1, 1) if scope.shape(name) == (count,)]
    options = ["constant", "known", "traced"]
    kind = scope.choose([*options, "labelled"] if labelled else options)
    if kind == "constant":
        return f"np.array({[scope.choose(range(size)) for _ in range(count)]})"
    if kind == "known":
        number = known_number(scope, size)
        source = scope.choose(
            [
                "jnp.arange({0})",
                "jnp.arange({0})[::-1]",
                "jnp.full(({0},), 1)",
                "(jnp.arange({0}) * 2)",
                "(jnp.arange({0}) ^ 1)",
            ]
        ).format(count)
        return f"(({source} + {number}) % {size})"
    if kind == "traced":
        return f"(t[0] + jnp.arange({count})) % {size}"
    return f"{scope.one(labelled)} % {size}"


def _taken(scope: Scope, low: int = 1) -> tuple[str, int, int]:
    name = scope.one(scope.floats(low))
    axis = scope.axis(name)
    return name, axis, scope.shape(name)[axis]


@operation("index")
def taken_at_one(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    scope.let(f"jnp.take({name}, {number(scope, size)}, axis={axis}, mode={scope.choose(MODES)})")


@operation("index")
def read_at_one(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    scope.let(f"{name}[{':, ' * axis}{number(scope, size)}]")


@operation("index")
def taken_at_several(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    indices = numbers(scope, size, scope.choose([2, 3]))
    scope.let(f"jnp.take({name}, {indices}, axis={axis}, mode={scope.choose(MODES)})")


@operation("index")
def read_at_several(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    indices = numbers(scope, size, scope.choose([2, 3, size]))
    scope.let(f"{name}[{':, ' * axis}{indices}]")


@operation("index")
def read_at_pairs(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    first, second = scope.shape(name)[:2]
    count = scope.choose([2, 3])
    one, other = numbers(scope, first, count), numbers(scope, second, count)
    source = scope.choose(["{0}[{1}, {2}]", "{0}[({1})[:, None], {2}]"])
    scope.let(source.format(name, one, other))


@operation("index")
def taken_along_axis(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    shape = scope.shape(name)
    indices = scope.fitted(scope.one(whole_numbers(scope)), shape)
    source = scope.choose(
        ["jnp.take_along_axis({0}, {1} % {2}, axis={3})",
         "jnp.take_along_axis({0}, jnp.argsort({0}, axis={3}), axis={3})"]
    )  # fmt: skip
    if "argsort" in source and name in scope.rough:
        raise NothingFits
    scope.let(source.format(name, indices, size, axis))


@operation("index")
def read_row_by_row(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    rows, size = scope.shape(name)[:2]
    indices = numbers(scope, size, rows)
    scope.let(f"jax.vmap(lambda row, index: row[index])({name}, {indices})")


@operation("index")
def dynamic_range(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    length = scope.choose(range(1, size + 1))
    scope.let(f"lax.dynamic_slice_in_dim({name}, {number(scope, size)}, {length}, axis={axis})")


@operation("index")
def dynamic_entry(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    scope.let(
        f"lax.dynamic_index_in_dim({name}, {number(scope, size)}, axis={axis}, keepdims=False)"
    )


@operation("index")
def dynamic_block(scope: Scope) -> None:
    name = scope.one(scope.floats(2, 2))
    shape = scope.shape(name)
    starts = ", ".join(f"jnp.asarray({number(scope, size)}, 'int32')" for size in shape)
    lengths = tuple(scope.choose(range(1, size + 1)) for size in shape)
    scope.let(f"lax.dynamic_slice({name}, ({starts}), {lengths})")


@operation("index")
def windows_at_several(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    indices = numbers(scope, size, 2)
    scope.let(
        f"jax.vmap(lambda start: lax.dynamic_slice_in_dim({name}, start, "
        f"{scope.choose(range(1, size + 1))}, axis={axis}))({indices})"
    )


@operation("index")
def selected_by_comparison(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    shape = tuple(n if i == axis else 1 for i, n in enumerate(scope.shape(name)))
    scope.let(
        f"jnp.where((jnp.arange({size}) == {number(scope, size)}).reshape({shape}), {name}, 0.0)"
    )


def _target(scope: Scope, name: str) -> str:
    """What is written into: the array itself, or one whose entries are equal."""
    source = scope.choose(
        ["{}", "{}", "jnp.zeros({1}, '{2}')", "jnp.full({1}, 0.3, '{2}')", "jnp.zeros_like({0})"]
    )
    return source.replace("{}", "{0}").format(name, scope.shape(name), scope.dtype(name))


WAYS = ("set", "add", "multiply", "subtract", "min", "max")


@operation("index")
def written_at_one(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    rest = (*scope.shape(name)[:axis], *scope.shape(name)[axis + 1 :])
    update = scope.fitted(scope.one(scope.floats()), rest, scope.dtype(name))
    target = _target(scope, name)
    index = number(scope, size)
    scope.let(f"{target}.at[{':, ' * axis}{index}].{scope.choose(WAYS)}({update})")


def _written_at_several(way: str, scope: Scope) -> None:
    name, axis, size = _taken(scope)
    count = scope.choose([2, 3])
    shape = tuple(count if i == axis else n for i, n in enumerate(scope.shape(name)))
    update = scope.fitted(scope.one(scope.floats()), shape, scope.dtype(name))
    target = _target(scope, name)
    indices = numbers(scope, size, count)
    scope.let(f"{target}.at[{':, ' * axis}{indices}].{way}({update})")


for way in WAYS:
    enter("index", f"{way}_at_several", partial(_written_at_several, way))


@operation("index")
def written_at_pairs(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    first, second, *rest = scope.shape(name)
    count = scope.choose([2, 3])
    one, other = numbers(scope, first, count), numbers(scope, second, count)
    update = scope.fitted(scope.one(scope.floats()), (count, *rest), scope.dtype(name))
    scope.let(f"{_target(scope, name)}.at[{one}, {other}].{scope.choose(WAYS)}({update})")


@operation("index")
def written_row_by_row(scope: Scope) -> None:
    name = scope.one(scope.floats(2))
    rows, size, *rest = scope.shape(name)
    indices = numbers(scope, size, rows)
    update = scope.fitted(scope.one(scope.floats()), (rows, *rest), scope.dtype(name))
    scope.let(
        f"jax.vmap(lambda row, index, new: row.at[index].{scope.choose(WAYS)}(new))"
        f"({_target(scope, name)}, {indices}, {update})"
    )


@operation("index")
def segment_sum(scope: Scope) -> None:
    name = scope.one(scope.floats(1))
    indices = numbers(scope, 2, scope.shape(name)[0])
    scope.let(f"jax.ops.segment_sum({name}, {indices}, num_segments=2)")


@operation("index")
def range_overwritten(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    length = scope.choose(range(1, size + 1))
    shape = tuple(length if i == axis else n for i, n in enumerate(scope.shape(name)))
    update = scope.fitted(scope.one(scope.floats()), shape, scope.dtype(name))
    scope.let(
        f"lax.dynamic_update_slice_in_dim({_target(scope, name)}, {update}, "
        f"{number(scope, size)}, axis={axis})"
    )


@operation("index")
def slice_overwritten(scope: Scope) -> None:
    name, axis, size = _taken(scope)
    start = scope.choose(range(size))
    shape = tuple(size - start if i == axis else n for i, n in enumerate(scope.shape(name)))
    update = scope.fitted(scope.one(scope.floats()), shape, scope.dtype(name))
    scope.let(f"{_target(scope, name)}.at[{':, ' * axis}{start}:].{scope.choose(WAYS)}({update})")
