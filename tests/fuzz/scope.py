"""Scope: the typed variables of a program that is being written, and the lines that made them."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Choose: TypeAlias = Callable[[Sequence[Any]], Any]
"""Takes one of several options; the first is the simplest."""

NAMESPACE = {"jax": jax, "jnp": jnp, "lax": lax, "np": np}
FLOATS = ("float64", "float32", "bfloat16", "float16")
MOST_ENTRIES = 64
_COARSE = re.compile("float32|float16|complex64")


class Scope:
    """Variables by name with their shapes and dtypes, in the order in which they were written.

    `rough` are those that something coarser than float64 went into: a function with jumps would
    magnify how these are rounded. `given` are inputs, which are rather left out.
    """

    def __init__(
        self,
        choose: Choose,
        variables: dict[str, jax.ShapeDtypeStruct],
        rough: frozenset[str] = frozenset(),
        numbers: Iterator[int] | None = None,
        depth: int = 0,
    ):
        self.choose = choose
        self.variables = dict(variables)
        self.rough = {*rough, *(n for n, v in variables.items() if _is_rough(v))}
        self.used: set[str] = set()
        self.given = {"x", "t"}
        self.lines: list[str] = []
        self.numbers = count() if numbers is None else numbers
        self.depth = depth

    def inner(self, parameters: dict[str, jax.ShapeDtypeStruct]) -> "Scope":
        """A scope inside a function, which sees all variables of this one."""
        # What a loop hands on may come to be made of any of them.
        known = {*self.rough, *(parameters if self.rough else ())}
        variables = {**self.variables, **parameters}
        return Scope(self.choose, variables, frozenset(known), self.numbers, self.depth + 1)

    def name(self, letter: str) -> str:
        """A name that nothing has."""
        return f"{letter}{next(self.numbers)}"

    def names_in(self, source: str) -> list[str]:
        """The variables that a piece of source reads."""
        return [
            n for n in dict.fromkeys(re.findall(r"\b[a-z]\d*\b", source)) if n in self.variables
        ]

    def shape_of(self, expression: str, functions: str = "") -> Any:
        """What an expression gives, which may call functions that are defined beside it."""
        read = {name: self.variables[name] for name in self.names_in(functions + expression)}
        return jax.eval_shape(lambda values: evaluate(expression, values, functions), read)

    def let(self, expression: str, functions: str = "") -> list[str]:
        """Write a line that gives one variable or several, and return their names."""
        read = self.names_in(functions + expression)
        found = self.shape_of(expression, functions)
        is_one = not isinstance(found, (tuple, list))
        names = [self.name("v") for _ in ([found] if is_one else found)]
        values = dict(zip(names, [found] if is_one else found, strict=True))
        if not all(0 < np.prod(value.shape) <= MOST_ENTRIES for value in values.values()):
            return []
        self.lines += functions.splitlines()
        self.lines.append(f"{', '.join(names)}{',' if not is_one else ''} = {expression}")
        self.variables |= values
        self.used |= set(read)
        is_rough = bool(self.rough & set(read)) or bool(_COARSE.search(functions + expression))
        self.rough |= {n for n, v in values.items() if is_rough or _is_rough(v)}
        return names

    def function(
        self, parameters: dict[str, jax.ShapeDtypeStruct], write: Callable[["Scope"], list[str]]
    ) -> tuple[str, str]:
        """The name and the source of a function; `write` says its body and what it gives."""
        name, inside = self.name("f"), self.inner(parameters)
        results = write(inside)
        lines = [*inside.lines, f"return ({', '.join(results)},)"]
        self.used |= inside.used
        head = f"def {name}({', '.join(parameters)}):"
        return name, "".join(f"{line}\n" for line in [head, *(f"    {line}" for line in lines)])

    def result(self, wanted: jax.ShapeDtypeStruct, own: Sequence[str]) -> str:
        """What a function gives: the newest of its variables, in a shape and a dtype."""
        fresh = [name for name in self.floats() if name in own]
        chosen = self.one(fresh or self.floats())
        return f"jnp.tanh({self.fitted(chosen, wanted.shape, wanted.dtype)})"

    def ndim(self, name: str) -> int:
        return len(self.variables[name].shape)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.variables[name].shape

    def size(self, name: str) -> int:
        return int(np.prod(self.shape(name)))

    def dtype(self, name: str) -> str:
        return str(self.variables[name].dtype)

    def where(self, holds: Callable[[str], bool]) -> list[str]:
        """Variables of some kind, those that were written last first."""
        return [name for name in reversed(self.variables) if holds(name)]

    def floats(self, low: int = 0, high: int = 4, *, exact: bool = False) -> list[str]:
        """Arrays of floating point with so many axes; exact ones are float64 all through."""
        return self.where(
            lambda n: (
                is_float(self.variables[n])
                and low <= self.ndim(n) <= high
                and not (exact and n in self.rough)
            )
        )

    def integers(self, low: int = 0, high: int = 4) -> list[str]:
        """Arrays of whole numbers."""
        is_integer = lambda n: jnp.issubdtype(self.variables[n].dtype, jnp.integer)
        return self.where(lambda n: is_integer(n) and low <= self.ndim(n) <= high)

    def of_dtype(self, dtype: str, low: int = 0) -> list[str]:
        """Arrays of one dtype."""
        return self.where(lambda n: self.dtype(n) == dtype and self.ndim(n) >= low)

    def one(self, options: Sequence[str]) -> str:
        """One of several variables, rather one that nothing has read yet."""
        if not options:
            raise NothingFits
        fresh = [name for name in options if name not in self.used | self.given]
        return self.choose([*fresh, *fresh, *options])

    def axis(self, name: str) -> int:
        """One of the axes of a variable."""
        return self.choose(range(self.ndim(name)))

    def fitted(self, name: str, shape: Sequence[int], dtype: Any = None) -> str:
        """A variable in another shape: axes find one of their length, the others are summed."""
        free, places, left_out = list(range(len(shape))), [], []
        for axis, size in enumerate(self.shape(name)):
            options = [place for place in free if shape[place] == size]
            if options:
                places.append(self.choose(options))
                free.remove(places[-1])
            else:
                left_out.append(axis)
        source = name
        if left_out:
            # Sums of whole numbers have another dtype.
            how = self.choose(("sum", "max")) if is_float(self.variables[name]) else "max"
            source = f"jnp.{how}({source}, axis={tuple(left_out)})"
        if places != sorted(places):
            source = f"jnp.transpose({source}, {tuple(np.argsort(places).tolist())})"
        if len(places) != len(shape):
            source = f"lax.broadcast_in_dim({source}, {tuple(shape)}, {tuple(sorted(places))})"
        if dtype is not None and str(dtype) != self.dtype(name):
            source = f"{source}.astype('{dtype}')"
        return source


class NothingFits(Exception):
    """No variable that is there can be what an operation needs."""


def is_float(value: jax.ShapeDtypeStruct) -> bool:
    return jnp.issubdtype(value.dtype, jnp.floating)


def _is_rough(value: jax.ShapeDtypeStruct) -> bool:
    return _COARSE.search(str(value.dtype)) is not None


def evaluate(expression: str, values: dict[str, Any], functions: str = "") -> Any:
    """The value of an expression at those of its variables."""
    namespace = {**NAMESPACE, **values}
    if functions:
        exec(functions, namespace)
    return eval(expression, namespace)
