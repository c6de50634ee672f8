"""Programs: random functions of a few small arrays, as source that can be read and run."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import control_operations
import elementwise_operations
import indexing_operations
import jax
import numpy as np
import shape_operations
from operations import write_step
from scope import NAMESPACE, Choose, Scope, is_float

assert all((control_operations, elementwise_operations, indexing_operations, shape_operations))

SIZES = (3, 2, 4)
INPUTS = {"x": ((3,), "float64"), "t": ((2,), "int32")}
GENTLE = ("unary", "binary", "contraction", "reduction", "unary", "binary", "contraction")
RISKY = (
    "index", "order", "shape", "control", "jump", "window", "call", "random", "complex", "integer",
    "index", "shape", "control", "order", "integer", "index",
)  # fmt: skip
MOST_GENTLE = 5
MOST_RISKY = 5


class Program(NamedTuple):
    """A function of params `p`, numbers `x` and indices `t`, and the seed of their values."""

    source: str
    params: dict[str, jax.ShapeDtypeStruct]
    seed: int

    @property
    def apply(self) -> Callable[..., Any]:
        namespace = dict(NAMESPACE)
        exec(self.source, namespace)
        return namespace["program"]

    def values(self) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, ...]]:
        """Params and inputs at which no two entries are equal."""
        rng = np.random.default_rng(self.seed)
        params = {name: _random(rng, leaf) for name, leaf in self.params.items()}
        x, t = INPUTS.values()
        return params, (rng.standard_normal(x[0]), rng.integers(0, 9, t[0]).astype(t[1]))

    def __repr__(self) -> str:
        shapes = "".join(f"# {n}: {leaf.dtype}{leaf.shape}\n" for n, leaf in self.params.items())
        return f"\n{shapes}# values of seed {self.seed}\n{self.source}"


def _random(rng: np.random.Generator, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    numbers = np.asarray(rng.standard_normal(leaf.shape))
    if np.issubdtype(leaf.dtype, np.complexfloating):
        numbers = numbers + 1j * rng.standard_normal(leaf.shape)
    return numbers.astype(leaf.dtype)


def write_program(choose: Choose, seed: int) -> Program:
    """A program of a few steps; what no step has read is summed up as an output."""
    params = _params(choose)
    inputs = {name: jax.ShapeDtypeStruct(*leaf) for name, leaf in INPUTS.items()}
    scope = Scope(choose, {**inputs, **params})
    for family in _families(choose):
        write_step(scope, family)
    outputs = _outputs(scope, set(params))
    lines = [
        f"{', '.join(params)}, = (p[name] for name in {list(params)})",
        *scope.lines,
        f"return {', '.join(outputs)},",
    ]
    source = "\n".join(["def program(p, x, t):", *(f"    {line}" for line in lines)]) + "\n"
    return Program(source, params, seed)


def _params(choose: Choose) -> dict[str, jax.ShapeDtypeStruct]:
    every = ["float64", "float32", "bfloat16", "float16", "complex128"]
    dtypes = choose([["float64"], ["float64"], ["float64", "float64", "complex128"], every])
    sizes = choose([(3,), (2,), *itertools.permutations(SIZES, 2), SIZES, (4, 2, 6)])
    shapes = [
        tuple(choose(sizes) for _ in range(choose([2, 1, 2, 3]))) for _ in range(choose([2, 3, 4]))
    ]
    return {
        f"w{number}": jax.ShapeDtypeStruct(shape, choose(dtypes))
        for number, shape in enumerate(shapes)
    }


def _families(choose: Choose) -> Sequence[str]:
    """Of a few risky families, and a few of others between them."""
    families = [choose(RISKY) for _ in range(choose(range(1, MOST_RISKY + 1)))]
    for _ in range(choose(range(1, MOST_GENTLE + 1))):
        families.insert(choose(range(len(families) + 1)), choose(GENTLE))
    return families


def _outputs(scope: Scope, params: set[str]) -> list[str]:
    """Sums of what nothing has read, some of it made to meet before."""
    is_left = lambda name: name not in scope.used and name not in INPUTS
    while len(left := [name for name in scope.floats() if is_left(name)]) > 1:
        if not scope.choose([False, True, True]):
            break
        one, other = sorted(left[:2], key=scope.ndim)[::-1]
        fitted = scope.fitted(other, scope.shape(one), scope.dtype(one))
        scope.let(scope.choose(["lax.sin({}) * {}", "lax.tanh({} + {})"]).format(one, fitted))
    left = [name for name in scope.variables if is_left(name)]
    return [_output(scope, name, name in params) for name in left]


def _output(scope: Scope, name: str, is_param: bool) -> str:
    if is_param or not is_float(scope.variables[name]):
        source = scope.choose(["jnp.sum({})", "jnp.sum({} * {})"])
        return source.format(name, name)
    source = scope.choose(["{}", "jnp.sin({})", "jnp.square({})", "{} * {}"]).format(name, name)
    if scope.ndim(name) and scope.choose([False, False, False, True]):
        return f"jnp.sum({source}, axis={scope.axis(name)})"
    return f"jnp.sum({source})"
