"""The layers of any function of params, and their pre-activations.

A *layer* is one product of data with an array of the params, its kernel, and the array that is
added next, its bias. Layers are read off the function's jaxpr, so that no layout of the params is
assumed. Those inside of loops, as in recurrent networks, are not found, nor are those whose kernel
or bias is used a second time.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var
from jaxtyping import Int

from onebasin import _trees
from onebasin.symmetry.discovery.jax_names import CALLS, body_and_constants, inner_function
from onebasin.types import Array, Params

_ROUNDING = frozenset({"convert_element_type", "reduce_precision", "stop_gradient", "copy"})
_MOVING = frozenset({"reshape", "squeeze", "transpose", "broadcast_in_dim", "slice", "rev"})
_CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated"})
_SUMS = frozenset({"add", "add_any"})


class Layer(NamedTuple):
    """One product with a kernel, and the bias that is added next.

    Args:
        equation: The number of the equation that gives the pre-activations.
        unit_of: For each pre-activation the number of its unit.
        kernel: The path of the kernel.
        weights: For each unit the places of its weights in the flattened kernel.
        bias: The path of the bias; None if there is none.
        biases: For each unit the place of its bias in the flattened array.
    """

    equation: int
    unit_of: Int[np.ndarray, "..."]
    kernel: str
    weights: Int[np.ndarray, "units inputs"]
    bias: str | None = None
    biases: Int[np.ndarray, " units"] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """A function as equations without inner calls, and its layers in the order of computation."""

    equations: ClosedJaxpr
    layers: list[Layer]

    def run(
        self,
        params: Params,
        inputs: tuple[Any, ...],
        replace: Callable[[Layer, Array], Array],
    ) -> None:
        """Compute the function, with what `replace` makes of the pre-activations of each layer."""
        jaxpr, layers = self.equations.jaxpr, {layer.equation: layer for layer in self.layers}
        arguments = map(jnp.asarray, jax.tree.leaves((params, inputs)))
        values: dict[Var, Any] = dict(
            zip(
                [*jaxpr.constvars, *jaxpr.invars], [*self.equations.consts, *arguments], strict=True
            )
        )
        for number, eqn in enumerate(jaxpr.eqns):
            results = _computed(eqn, [_read(values, atom) for atom in eqn.invars])
            if number in layers:
                results = [replace(layers[number], results[0])]
            values.update(zip(eqn.outvars, results, strict=True))


def trace(apply: Callable[..., Any], params: Params, inputs: tuple[Any, ...]) -> Traced:
    """The function at arrays of these shapes, called as `apply(params, *inputs)`."""
    with jax.default_matmul_precision("highest"):
        closed = jax.make_jaxpr(apply)(params, *inputs)
        arguments = jax.tree.leaves((params, inputs))
        flat = jax.make_jaxpr(lambda *leaves: _without_calls(closed, leaves))(*arguments)
    shapes = {name: np.shape(leaf) for name, leaf in _trees.named_leaves(params).items()}
    return Traced(flat, _Reader(flat.jaxpr, shapes).layers())


def _without_calls(function: ClosedJaxpr | Jaxpr, arguments: Sequence[Any]) -> list[Any]:
    """What a function gives, computed without calls of functions inside of it."""
    body, constants = body_and_constants(function)
    given = zip([*body.constvars, *body.invars], [*constants, *arguments], strict=True)
    values: dict[Var, Any] = dict(given)
    for eqn in body.eqns:
        operands = [_read(values, atom) for atom in eqn.invars]
        if eqn.primitive.name in CALLS:
            results = _without_calls(inner_function(eqn.params), operands)
        else:
            results = _computed(eqn, operands)
        values.update(zip(eqn.outvars, results, strict=True))
    return [_read(values, atom) for atom in body.outvars]


def _read(values: dict[Var, Any], atom: Any) -> Any:
    return atom.val if isinstance(atom, Literal) else values[atom]


def _computed(eqn: Any, operands: Sequence[Any]) -> list[Any]:
    results = eqn.primitive.bind(*operands, **eqn.primitive.get_bind_params(eqn.params))
    return list(results) if eqn.primitive.multiple_results else [results]


class _View(NamedTuple):
    """A value made of entries of one array of the params: their places, if it is flattened."""

    leaf: str
    places: Int[np.ndarray, "..."]


class _Reader:
    """Finds the layers in equations without calls, given the shapes of the params by path."""

    def __init__(self, jaxpr: Jaxpr, shapes: dict[str, tuple[int, ...]]):
        self._equations, self._outputs = jaxpr.eqns, jaxpr.outvars
        self._uses: dict[Any, list[int]] = {}
        self._data = set(jaxpr.invars[len(shapes) :])
        self._views: dict[Any, _View] = {
            variable: _View(name, _numbers(shape))
            for variable, (name, shape) in zip(jaxpr.invars, shapes.items(), strict=False)
        }
        self._num_uses: Counter[str] = Counter()
        for number, eqn in enumerate(jaxpr.eqns):
            source = _moved_operand(eqn)
            if source in self._views:
                leaf, places = self._views[source]
                self._views[eqn.outvars[0]] = _View(leaf, _moved(eqn, places))
            else:
                self._count_uses(eqn.invars)
            for variable in (atom for atom in eqn.invars if not isinstance(atom, Literal)):
                self._uses.setdefault(variable, []).append(number)
                if variable in self._data:
                    self._data.update(eqn.outvars)
        self._count_uses(jaxpr.outvars)

    def _count_uses(self, atoms: Sequence[Any]) -> None:
        """Count how often arrays of the params are used, other than to view them."""
        variables = (atom for atom in atoms if not isinstance(atom, Literal))
        self._num_uses.update(self._views[one].leaf for one in variables if one in self._views)

    def layers(self) -> list[Layer]:
        """All layers, in the order in which they are computed."""
        found = (self._layer(number) for number in range(len(self._equations)))
        return [layer for layer in found if layer is not None]

    def _layer(self, number: int) -> Layer | None:
        """The layer whose product is an equation; None if it is not the product of a layer."""
        eqn = self._equations[number]
        if eqn.primitive.name not in _CONTRACTIONS:
            return None
        sides = [side for side, atom in enumerate(eqn.invars) if self._is_once(atom)]
        if len(sides) != 1 or eqn.invars[1 - sides[0]] not in self._data:
            return None
        axes = _unit_axes(eqn, sides[0])
        if axes is None:
            return None
        of_kernel, of_result = axes
        kernel = self._views[eqn.invars[sides[0]]]
        rows = np.moveaxis(kernel.places, of_kernel, range(len(of_kernel)))
        sizes = rows.shape[: len(of_kernel)]
        weights = rows.reshape(int(np.prod(sizes)), -1)
        if len(np.unique(weights)) != weights.size:
            return None
        shape = np.ones(len(_shape(eqn.outvars[0])), int)
        shape[list(of_result)] = sizes
        unit_of = np.broadcast_to(_numbers(sizes).reshape(shape), _shape(eqn.outvars[0]))
        return self._with_bias(Layer(number, unit_of, kernel.leaf, weights))

    def _is_once(self, atom: Any) -> bool:
        """Whether a value is a view of an array of the params that is used once."""
        is_view = not isinstance(atom, Literal) and atom in self._views
        return is_view and self._num_uses[self._views[atom].leaf] == 1

    def _with_bias(self, layer: Layer) -> Layer:
        """The layer, with the bias if nothing but moves of entries comes before it is added."""
        number, unit_of = layer.equation, layer.unit_of
        while True:
            variable = self._equations[number].outvars[0]
            uses = self._uses.get(variable, [])
            if len(uses) != 1 or variable in self._outputs:
                return layer
            number = uses[0]
            eqn = self._equations[number]
            if _moved_operand(eqn) is variable:
                unit_of = _moved(eqn, unit_of)
                if unit_of.size != layer.unit_of.size:
                    return layer
            elif eqn.primitive.name in _SUMS:
                other = eqn.invars[1 - eqn.invars.index(variable)]
                shape = _shape(eqn.outvars[0])
                if not self._is_once(other) or shape != unit_of.shape:
                    return layer
                leaf, places = self._views[other]
                biases = _entry_of_each(unit_of, np.broadcast_to(places, shape))
                if biases is None:
                    return layer
                return layer._replace(equation=number, unit_of=unit_of, bias=leaf, biases=biases)
            else:
                return layer


def _numbers(shape: Sequence[int]) -> Int[np.ndarray, "..."]:
    return np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _moved_operand(eqn: Any) -> Any:
    """The operand whose entries an equation gives as they are or rounded; None if it does more.

    Products with the number 1 count, which PyTorch's operations are full of.
    """
    name = eqn.primitive.name
    if name in _ROUNDING or name in _MOVING:
        return None if isinstance(eqn.invars[0], Literal) else eqn.invars[0]
    if name == "mul":
        is_one = [isinstance(x, Literal) and np.ndim(x.val) == 0 and x.val == 1 for x in eqn.invars]
        if sum(is_one) == 1:
            other = eqn.invars[is_one.index(False)]
            return None if isinstance(other, Literal) else other
    return None


def _moved(eqn: Any, numbers: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """Where an equation moves the entries of an array."""
    if eqn.primitive.name not in _MOVING:
        return numbers
    return np.asarray(_computed(eqn, [jnp.asarray(numbers)])[0])


def _unit_axes(eqn: Any, side: int) -> tuple[Sequence[int], Sequence[int]] | None:
    """The axes of a kernel that list units, and those of the result; None if a batch has its own.

    `side` is the operand that is the kernel.
    """
    numbers = eqn.params["dimension_numbers"]
    if eqn.primitive.name == "conv_general_dilated":
        return ([numbers.rhs_spec[0]], [numbers.out_spec[1]]) if side == 1 else None
    summed, batch = numbers[0][side], numbers[1][side]
    num_axes, num_result_axes = len(_shape(eqn.invars[side])), len(_shape(eqn.outvars[0]))
    free = [axis for axis in range(num_axes) if axis not in summed]
    first = 0 if side == 0 else num_result_axes - len(free)
    return None if batch else (free, range(first, first + len(free)))


def _entry_of_each(
    unit_of: Int[np.ndarray, "..."], places: Int[np.ndarray, "..."]
) -> Int[np.ndarray, " units"] | None:
    """The one entry of an array that is added to each unit; None if units share some or have more.

    Both arguments give a number for every pre-activation.
    """
    units, first = np.unique(unit_of, return_index=True)
    biases = places.ravel()[first]
    is_own = len(np.unique(biases)) == len(units) and bool((biases[unit_of] == places).all())
    return biases if is_own else None
