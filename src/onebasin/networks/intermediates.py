"""Intermediates: the arrays that a function computes from its params and its inputs.

The function is traced to a jaxpr, and the jaxpr is evaluated equation by equation, also inside of
calls such as `jit` and `checkpoint`. Arrays inside of loops are not seen, but what a loop gives is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from onebasin.symmetry.discovery.jax_names import CALLS, body_and_constants, inner_function
from onebasin.symmetry.jaxprs import coarsest_eps
from onebasin.types import Array, Params

_VIEWS = frozenset(
    {
        "broadcast_in_dim", "concatenate", "convert_element_type", "copy", "copy_p",
        "dynamic_slice", "expand_dims", "gather", "optimization_barrier", "pad", "reshape", "rev",
        "slice", "split", "squeeze", "stack", "tile", "transpose", "unstack",
    }
)  # fmt: skip
"""Primitives that show entries of their operands and compute nothing."""

_READERS = frozenset({"dot_general", "conv_general_dilated"})
"""Primitives by which layers read the units of the layer before."""


class Plan(NamedTuple):
    """How a function computes its intermediates.

    Args:
        names: The primitive of every equation, in order. Two programs with the same names have
            the same intermediates.
        sources: For each intermediate, the numbers of those whose entries it shows: its own number
            if it is computed, and others if it is a slice, a transpose or another view of them.
        reads: The numbers of the intermediates that a product or a convolution reads.
        eps: The machine epsilon of the coarsest dtype that the function computes in.
    """

    names: tuple[str, ...]
    sources: tuple[frozenset[int], ...]
    reads: tuple[int, ...]
    eps: float


class Intermediates(eqx.Module):
    """The floating-point arrays that depend on params and on inputs, in order, and their plan."""

    arrays: list[Any]
    plan: Plan = eqx.field(static=True)


def intermediates(
    apply: Callable[[Params, Array], Array], params: Params, inputs: Array
) -> Intermediates:
    """All intermediates of `apply(params, inputs)`; it may be traced by JAX."""
    jaxpr = jax.make_jaxpr(apply)(params, inputs)
    recorder = _Recorder()
    of_params = [_Value(leaf, True, False) for leaf in jax.tree.leaves(params)]
    recorder.evaluate(jaxpr, [*of_params, _Value(inputs, False, True)])
    seen = tuple(recorder.names), tuple(recorder.sources), tuple(recorder.reads)
    return Intermediates(recorder.arrays, Plan(*seen, coarsest_eps(jaxpr)))


class _Value(NamedTuple):
    """An array, what it depends on, and its number if it is an intermediate."""

    array: Any
    has_params: bool = False
    has_inputs: bool = False
    number: int | None = None


class _Recorder:
    """What is recorded while a jaxpr is evaluated. The fields are those of `Intermediates`."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self.names: list[str] = []
        self.sources: list[frozenset[int]] = []
        self.reads: list[int] = []

    def evaluate(self, function: ClosedJaxpr | Jaxpr, arguments: list[_Value]) -> list[_Value]:
        """The outputs of a jaxpr."""
        jaxpr, constants = body_and_constants(function)
        values = dict(zip(jaxpr.invars, arguments, strict=True))
        values |= {v: _Value(x) for v, x in zip(jaxpr.constvars, constants, strict=True)}
        read = lambda x: _Value(x.val) if isinstance(x, Literal) else values[x]
        for equation in jaxpr.eqns:
            operands = [read(x) for x in equation.invars]
            if equation.primitive.name in CALLS:
                results = self.evaluate(inner_function(equation.params), operands)
            else:
                results = self._evaluate_one(equation, operands)
            values |= dict(zip(equation.outvars, results, strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _evaluate_one(self, equation: Any, operands: list[_Value]) -> list[_Value]:
        """The results of an equation that calls no function."""
        primitive = equation.primitive
        self.names.append(primitive.name)
        results = primitive.bind(*(value.array for value in operands), **equation.params)
        if primitive.name in _READERS:
            self.reads += [value.number for value in operands if value.number is not None]
        return [
            self._recorded(primitive.name, array, operands)
            for array in (results if primitive.multiple_results else [results])
        ]

    def _recorded(self, name: str, array: Array, operands: list[_Value]) -> _Value:
        """A result, which is an intermediate if it depends on params and on inputs."""
        has_params = any(value.has_params for value in operands)
        has_inputs = any(value.has_inputs for value in operands)
        is_number = jnp.issubdtype(jnp.result_type(array), jnp.inexact)
        if not (has_params and has_inputs and is_number):
            return _Value(array, has_params, has_inputs)
        number = len(self.arrays)
        seen = [self.sources[v.number] for v in operands if v.number is not None]
        shown = frozenset().union(*seen) if name in _VIEWS else frozenset[int]()
        self.arrays.append(array)
        self.sources.append(shown or frozenset({number}))
        return _Value(array, True, True, number)
