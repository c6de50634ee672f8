"""Parity: which units may change sign, found by one more walk through the function.

After an odd activation, f(-h) = -f(h), a unit may flip together with everything that makes it and
everything that reads it. Every axis of the params that lists units gets a binary *variable*: 1 if
its array flips with the unit along that axis. Each primitive puts conditions on these, modulo 2:

    out = a * b          the sign of out is the sum of the signs of a and b
    out = a + b          a and b must have the same sign (and so for max, where, concatenate, ...)
    out = f(a), odd      the sign is that of a: tanh, erf, sin, neg, ...
    out = f(a), even     the result has no sign: abs, cos, square, ...
    out = f(a), else     a must not change: relu, exp, sigmoid, ...
    sum_k a[k] b[k]      a[k] * b[k] must not change sign with k
    the outputs          must not change

The null space of these conditions are the signs of a group (see `linear_systems`). A unit of
relu(x @ w + b) @ v has none; with tanh, there is one: w, b and v flip together.

Zeros have any sign, so they put no condition on what is added to them.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from onebasin.symmetry.discovery.jax_names import ADDING, CALLS, INDICES, LOOPS, OVERWRITING
from onebasin.symmetry.discovery.labels import (
    Factor,
    Factors,
    Flat,
    Label,
    Marked,
    Zeros,
    labels_in,
    resolve,
    size_of,
)
from onebasin.symmetry.discovery.linear_systems import (
    binary_null_space,
    independent_vectors,
    sparse_basis,
)
from onebasin.symmetry.discovery.marks import Mark
from onebasin.symmetry.discovery.values import Value, drop_marks, require_invariant_entries

_ODD_OR_LINEAR = frozenset(
    {
        "add", "add_any", "asin", "asinh", "atan", "atanh", "cbrt", "complex", "conj", "copy",
        "copy_p", "div", "dot_general", "conv_general_dilated", "cumsum", "erf", "erf_inv", "fft",
        "imag", "mul", "neg",
        "real", "reduce_precision", "reduce_sum", "reduce_window_sum", "round", "select_n", "sign",
        "sin", "sinh", "stop_gradient", "sub", "tan", "tanh",
        "reshape", "squeeze", "transpose", "broadcast_in_dim", "concatenate", "stack", "unstack",
        "slice", "split", "rev", "dynamic_slice", "dynamic_update_slice", "gather", "tile",
    }
    | OVERWRITING | ADDING | CALLS | LOOPS
)  # fmt: skip
"""Primitives that are odd in each operand, f(-a) = -f(a). Their rules see the operands' signs."""

_LINEAR = CALLS | {
    "broadcast_in_dim", "concatenate", "conv_general_dilated", "convert_element_type", "copy",
    "dot_general", "mul", "neg", "reduce_sum", "reshape", "slice", "split", "squeeze", "stack",
    "transpose", "unstack",
}  # fmt: skip
"""Primitives whose result is 0 in those blocks in which an operand is 0."""

_EVEN = frozenset({"abs", "cos", "cosh", "is_finite", "square"})
"""Functions with f(-a) = f(a)."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """The mark of entries that change sign if a sum of variables is 1, modulo 2.

    `variables` has a bit for each variable in the sum. `sums` collects, for the whole walk, the
    sums that have to be 0.
    """

    variables: int
    sums: set[int] = dataclasses.field(compare=False)

    def combine(self, other: "Parity", *, is_product: bool) -> "Parity":
        """The sum of both for a product. For all else both are required to be equal."""
        total = Parity(self.variables ^ other.variables, self.sums)
        if is_product:
            return total
        total.require_invariant()
        return self

    def require_invariant(self) -> None:
        """Require that the entries do not change sign."""
        if self.variables:
            self.sums.add(self.variables)


def constrain_operands(name: str, params: dict[str, Any], operands: Sequence[Value]) -> list[Value]:
    """The operands of a primitive with the signs that its rule may see.

    Odd primitives see them, even ones do not, and for all others no operand may change sign. A
    factor that is 0 makes a product 0, which has any sign.
    """
    if not keeps_zeros(name, operands):
        operands = [without_zeros(value) for value in operands]
    if any(value.is_zero for value in _factors_of_product(name, operands)):
        return [drop_marks(value) for value in operands]
    odd, even = name in _ODD_OR_LINEAR, name in _EVEN
    if name == "integer_pow":
        odd, even = params["y"] % 2 == 1, params["y"] % 2 == 0
    elif name == "convert_element_type":
        odd = np.dtype(params["new_dtype"]).kind not in "biu"  # whole numbers saturate unevenly
    elif name == "pad":
        odd = operands[1].is_zero
    if even:
        return [drop_marks(value) for value in operands]
    if not odd:
        return [require_invariant_entries(value) for value in operands]
    return with_invariant_indices(name, operands)


def with_invariant_indices(name: str, operands: Sequence[Value]) -> list[Value]:
    """The operands of a primitive; indices, and the condition of `select_n`, must not change."""
    constrained = list(operands)
    if name == "select_n":
        constrained[0] = require_invariant_entries(constrained[0])
    if name in INDICES:
        constrained[INDICES[name]] = map(require_invariant_entries, constrained[INDICES[name]])
    return constrained


def product_with_zero(
    name: str, params: dict[str, Any], operands: Sequence[Value], shapes: Sequence[Sequence[int]]
) -> np.ndarray | None:
    """The zeros that a product is if a factor is 0, as recurrent states are at first; else None."""
    for value in _factors_of_product(name, operands):
        if value.concrete is not None and value.is_zero:
            dtype = params.get("preferred_element_type") or value.concrete.dtype
            return np.broadcast_to(np.zeros((), dtype), shapes[0])
    return None


def _factors_of_product(name: str, operands: Sequence[Value]) -> Sequence[Value]:
    """The operands that make the result 0 if one of them is 0: the factors, or the dividend."""
    if name == "div":
        return operands[:1]
    return operands if name in ("conv_general_dilated", "dot_general", "mul") else ()


def keeps_zeros(name: str, operands: Sequence[Value]) -> bool:
    """Whether `Zeros` in the operands of a primitive are `Zeros` of its result, as rules say.

    Sums of arrays keep them if no scalar other than 0 is added.
    """
    if name in ("add", "add_any", "sub"):
        return all(value.ndim or value.is_zero for value in operands)
    return name in _LINEAR or (name == "pad" and operands[1].is_zero)


def without_zeros(value: Value) -> Value:
    """The same array with `Flat` factors in place of `Zeros`."""
    plain = lambda factor: Flat(factor.size) if isinstance(factor, Zeros) else factor
    blocks = {
        key: tuple(tuple(map(plain, factors)) for factors in block)
        for key, block in value.blocks.items()
    }
    return value._replace(blocks=blocks)


def with_zeros(value: Value) -> Value:
    """The same array; if all its numbers are 0, `Zeros` are its factors."""
    if not value.is_zero:
        return value
    blocks = {
        key: tuple(resolve([Zeros(size_of(factors))]) for factors in block)
        for key, block in value.blocks.items()
    }
    return value._replace(blocks=blocks)


class MarkedFactor(NamedTuple):
    """The place of a variable in the params.

    It is factor number `factor` of axis `axis` in the block with the key `block` of leaf number
    `argument`.
    """

    argument: int
    block: tuple[int, ...]
    axis: int
    factor: int


class SignConstraints:
    """The variables of a walk, the conditions that it puts on them, and their solutions.

    `sums` are the sums of variables that have to be 0, as bits (see `Parity`).
    """

    def __init__(self) -> None:
        self.sums: set[int] = set()
        self._labels: list[Label] = []
        self._places: list[MarkedFactor | None] = []

    def variable(self, number: int) -> Mark:
        """The mark of entries that have one variable as their sign."""
        return Parity(1 << number, self.sums)

    def constrain_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """The operands of a primitive with the signs that its rule may see."""
        return constrain_operands(name, params, operands)

    def new_variables(self, argument: int, value: Value) -> Value:
        """A param with a new variable for each factor that lists units of a group.

        `argument` counts the leaves of the params. Frozen labels get no variable.
        """
        blocks = {
            key: tuple(
                self._with_variables(
                    factors,
                    lambda at, key=key, axis=axis: MarkedFactor(argument, key, axis, at),
                )
                for axis, factors in enumerate(block)
            )
            for key, block in value.blocks.items()
        }
        return value._replace(blocks=blocks)

    def fresh_variables(self, value: Value) -> Value:
        """The same array with new variables that belong to no param, as the carry of a loop needs.

        The signs of a carry are unknown before the body of the loop was walked through.
        """
        return drop_marks(value).map_factors(
            lambda factors: self._with_variables(factors, lambda at: None)
        )

    def _with_variables(
        self, factors: Factors, place_of: Callable[[int], MarkedFactor | None]
    ) -> Factors:
        """The factors with a new variable on each label that is not frozen.

        Units that were cut into segments get none, so that their signs are missed.
        """
        if any(label.segments for label in labels_in(factors)):
            return resolve(factors)
        marked: list[Factor] = []
        for at, factor in enumerate(resolve(factors)):
            if isinstance(factor, Label) and factor.frozen is None:
                mark = self.variable(len(self._labels))
                self._labels.append(factor)
                self._places.append(place_of(at))
                factor = Marked(factor, mark)
            marked.append(factor)
        return tuple(marked)

    def solutions(self) -> list[tuple[Label, list[MarkedFactor]]]:
        """The signs of every label: places in the params that flip together.

        They are a basis of all signs of the label's units. A condition on variables of two labels
        can only hold for all units if each of these variables is 0.
        """
        signs: list[tuple[Label, list[MarkedFactor]]] = []
        variables_of: dict[Label, list[int]] = {}
        for number, label in enumerate(self._labels):
            variables_of.setdefault(label, []).append(number)
        sums_of: dict[Label, list[int]] = {label: [] for label in variables_of}
        for total in self.sums:
            bits = [n for n in range(total.bit_length()) if total >> n & 1]
            labels = {self._labels[n] for n in bits}
            parts = [total] if len(labels) == 1 else [1 << n for n in bits]
            for part in parts:
                sums_of[self._labels[part.bit_length() - 1]].append(part)
        in_params = sum(1 << n for n, place in enumerate(self._places) if place is not None)
        for label, numbers in variables_of.items():
            vectors = (v & in_params for v in binary_null_space(sums_of[label], numbers))
            for vector in sparse_basis(independent_vectors(vectors)):
                places = (p for n, p in enumerate(self._places) if vector >> n & 1)
                signs.append((label, [p for p in places if p is not None]))
        return signs
