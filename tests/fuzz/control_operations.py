"""Branches, loops, calls and random numbers: functions within the program."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.extend.random
from operations import enter, operation, write_step
from scope import NothingFits, Scope

INSIDE = (
    "unary",
    "unary",
    "binary",
    "binary",
    "contraction",
    "reduction",
    "shape",
    "order",
    "index",
)
MOST_DEPTH = 2


def write_some(scope: Scope) -> None:
    """One or two steps inside of a function."""
    for _ in range(scope.choose([1, 0, 2])):
        families = (*INSIDE, "control") if scope.depth < MOST_DEPTH else INSIDE
        write_step(scope, scope.choose(families))


def _function(
    scope: Scope,
    given: Sequence[jax.ShapeDtypeStruct],
    wanted: Sequence[jax.ShapeDtypeStruct],
    handed_on: int = 0,
) -> tuple[str, str]:
    """A function of arrays that gives arrays; before these, its first parameters as they are."""
    parameters = {scope.name("c"): value for value in given}

    def write(inside: Scope) -> list[str]:
        write_some(inside)
        own = set(inside.variables) - set(scope.variables)
        results = [inside.result(value, own) for value in wanted]
        return [*results[:1], *list(parameters)[:handed_on], *results[1:]]

    return scope.function(parameters, write)


def _structs(scope: Scope, names: list[str]) -> list[jax.ShapeDtypeStruct]:
    return [scope.variables[name] for name in names]


def _without_first_axis(value: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(value.shape[1:], value.dtype)


def _condition(scope: Scope) -> str:
    exact = scope.one(scope.floats(exact=True))
    return scope.choose(["x[0] > 0.0", "t[0] > 1", f"jnp.sum({exact}) > 0.1"])


@operation("control")
def branches(scope: Scope) -> None:
    given = [scope.one(scope.floats()) for _ in range(scope.choose([1, 2]))]
    values = _structs(scope, given)
    num_branches = scope.choose([2, 3])
    made = [_function(scope, values, values) for _ in range(num_branches)]
    functions, names = "".join(source for _, source in made), [name for name, _ in made]
    if num_branches == 2:
        call = f"lax.cond({_condition(scope)}, {', '.join(names)}, {', '.join(given)})"
    else:
        which = scope.choose(["t[0] % 3", f"jnp.asarray({_condition(scope)}, 'int32')", "1"])
        call = f"lax.switch({which}, [{', '.join(names)}], {', '.join(given)})"
    scope.let(call, functions)


def _carry(scope: Scope) -> tuple[list[str], list[jax.ShapeDtypeStruct]]:
    """What a loop starts with: arrays, or zeros in the shape of one of them, several times."""
    first = scope.one(scope.floats(0, 2))
    count = scope.choose([1, 2, 3, 5])
    value = scope.variables[first]
    kind = scope.choose(["same", "zeros", "others"])
    if kind == "same":
        return [first, *(f"0.5 * {first}" for _ in range(count - 1))], [value] * count
    if kind == "zeros":
        return [f"jnp.zeros({value.shape}, '{value.dtype}')"] * count, [value] * count
    starts = [scope.one(scope.floats(0, 2)) for _ in range(count)]
    return starts, _structs(scope, starts)


def _step(
    scope: Scope,
    carry: list[jax.ShapeDtypeStruct],
    read: Sequence[jax.ShapeDtypeStruct] = (),
    written: Sequence[jax.ShapeDtypeStruct] = (),
) -> tuple[str, str]:
    """A step of a loop; it may make but one array anew and hand the others on by one place."""
    are_alike = len(carry) > 1 and len({(v.shape, v.dtype) for v in carry}) == 1
    if are_alike and scope.choose([True, False]):
        return _function(scope, [*carry, *read], [carry[0], *written], len(carry) - 1)
    return _function(scope, [*carry, *read], [*carry, *written])


@operation("control")
def scan(scope: Scope) -> None:
    starts, values = _carry(scope)
    stacked = scope.one(scope.floats(1))
    others = [n for n in scope.floats(1) if scope.shape(n)[0] == scope.shape(stacked)[0]]
    stacks = [stacked, *([scope.one(others)] if scope.choose([False, True]) else [])]
    read = [_without_first_axis(value) for value in _structs(scope, stacks)]
    step, source = _step(scope, values, read, [scope.choose([*values, *read])])
    source += f"def {step}_scanned(carry, read):\n"
    source += f"    *carry, out = {step}(*carry, *read)\n    return tuple(carry), out\n"
    arguments = f"{step}_scanned, ({', '.join(starts)},), ({', '.join(stacks)},)"
    reverse = scope.choose([False, True])
    scope.let(
        f"(lambda carry, out: (*carry, out))(*lax.scan({arguments}, reverse={reverse}))", source
    )


@operation("control")
def scan_without_carry(scope: Scope) -> None:
    stacked = scope.one(scope.floats(1))
    read = [_without_first_axis(scope.variables[stacked])]
    name, source = _function(scope, read, read)
    call = scope.choose(
        ["lax.map({0}, {1})[0]", "lax.scan(lambda _, one: ((), {0}(one)), (), {1})[1][0]"]
    )
    scope.let(call.format(name, stacked), source)


@operation("control")
def scan_of_equal_steps(scope: Scope) -> None:
    """Nothing is read step by step and nothing handed on: all steps give the same."""
    one = scope.variables[scope.one(scope.floats(0, 2))]
    name, source = _function(scope, [], [one])
    scope.let(f"lax.scan(lambda *_: ((), {name}()), (), None, length=3)[1][0]", source)


@operation("control")
def mapped(scope: Scope) -> None:
    stacked = scope.one(scope.floats(1))
    read = [_without_first_axis(scope.variables[stacked])]
    name, source = _function(scope, read, read)
    scope.let(f"jax.vmap({name})({stacked})[0]", source)


@operation("control")
def loop(scope: Scope) -> None:
    starts, values = _carry(scope)
    step, source = _step(scope, values)
    bound = scope.choose(["3", "t[0] % 3 + 1"])
    scope.let(
        f"lax.fori_loop(0, {bound}, lambda _, carry: {step}(*carry), ({', '.join(starts)},))",
        source,
    )


@operation("control")
def loop_while(scope: Scope) -> None:
    """How often it goes round depends on what it hands on."""
    if scope.rough:
        raise NothingFits
    start = scope.one(scope.floats(1, 2))
    value = scope.variables[start]
    step, source = _function(scope, [value], [value])
    read = scope.choose(["jnp.sum(carry[1])", "jnp.max(carry[1])", "carry[1].ravel()[0]"])
    source += f"def {step}_test(carry):\n    return (carry[0] < 4) & ({read} < 1.3)\n"
    source += f"def {step}_body(carry):\n"
    source += f"    return carry[0] + 1, 1.2 * {step}(carry[1])[0] + 0.2\n"
    scope.let(f"lax.while_loop({step}_test, {step}_body, (0, {start}))[1]", source)


CALLS = {
    "jitted": "jax.jit({0})({1})[0]",
    "checkpointed": "jax.checkpoint({0})({1})[0]",
    "gradient": "jax.grad(lambda c: jnp.sum(jnp.sin({0}(c)[0]) * c))({1})",
    "linearized": "jax.jvp({0}, ({1},), ({1},))[1][0]",
    "gradient_of_checkpointed": "jax.grad(lambda c: jnp.sum(jax.checkpoint({0})(c)[0] * c))({1})",
}


def _let_with_gradient(scope: Scope, source: str, functions: str) -> None:
    try:
        scope.let(source, functions)
    except (ValueError, NotImplementedError):  # there are functions of which JAX has none
        raise NothingFits from None


def _call(source: str, scope: Scope) -> None:
    given = scope.one(scope.floats(exact="jax.grad" in source or "jvp" in source))
    value = scope.variables[given]
    name, functions = _function(scope, [value], [value])
    _let_with_gradient(scope, source.format(name, given), functions)


for name, source in CALLS.items():
    enter("call", name, partial(_call, source))


GRADIENTS = {
    "jvp": "{0}_own.defjvp(lambda c, d: ({0}(*c), d))\n",
    "vjp": "{0}_own.defvjp(lambda c: ({0}(c), c), lambda c, d: (d[0] * c,))\n",
}


def _with_a_gradient_of_its_own(kind: str, scope: Scope) -> None:
    given = scope.one(scope.floats())
    value = scope.variables[given]
    name, functions = _function(scope, [value], [value])
    functions += f"{name}_own = jax.custom_{kind}({name})\n{GRADIENTS[kind].format(name)}"
    scope.let(f"{name}_own({given})[0]", functions)


for kind in GRADIENTS:
    enter("call", f"with_a_{kind}_of_its_own", partial(_with_a_gradient_of_its_own, kind))


@operation("call")
def gradient_of_a_checkpointed_scan(scope: Scope) -> None:
    """What is computed anew is called by a primitive of its own in some versions of JAX."""
    given = scope.one(scope.floats(1, exact=True))
    value = scope.variables[given]
    name, functions = _function(scope, [value, _without_first_axis(value)], [value])
    source = (
        f"jax.grad(lambda c: jnp.sum(jax.checkpoint(lambda c: lax.scan(lambda carry, one: "
        f"({name}(carry, one)[0], carry[0]), c, c))(c)[0] * c))({given})"
    )
    _let_with_gradient(scope, source, functions)


KEYS = {
    "seed": "jax.random.key({})",
    "fold_in": "jax.random.fold_in(jax.random.key(1), {})",
    "split": "jax.random.split(jax.random.key({}), 2)[0]",
    "cloned": "jax.random.clone(jax.random.key({}))",
    "wrapped": "jax.random.wrap_key_data(jax.random.key_data(jax.random.key({})))",
    "generator": "jax.random.key({}, impl='rbg')",
}
NUMBERS = {
    "normal": "{1} + jax.random.normal({0}, {2}, '{3}')",
    "dropout": "jnp.where(jax.random.bernoulli({0}, 0.6, {2}), {1}, 0.0)",
    "gamma": "jax.random.gamma({0}, 1.3 + lax.square({1}), {2}, '{3}')",
    "gumbel": "{1} * jax.random.gumbel({0}, {2}, '{3}')",
    "permutation": "jax.random.permutation({0}, {1})",
    "bits": "{1} + lax.rng_bit_generator(jnp.arange(4, dtype='uint32'), {2})[1] * 1e-9",
    "threefry": "{1} + jax.extend.random.threefry_2x32(jnp.arange(2, dtype='uint32'), "
    "jnp.arange({1}.size, dtype='uint32')).reshape({2}) * 1e-9",
}


def _random(key: str, source: str, scope: Scope) -> None:
    given = scope.one(scope.floats(1, exact=True))
    key = key.format(scope.choose([0, "t[0]"]))
    scope.let(source.format(key, given, scope.shape(given), scope.dtype(given)))


for name, source in NUMBERS.items():
    enter("random", f"random_{name}", partial(_random, KEYS["seed"], source))
for name, key in KEYS.items():
    enter("random", f"random_key_{name}", partial(_random, key, NUMBERS["normal"]))
