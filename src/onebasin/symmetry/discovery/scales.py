"""Scales: by which powers of a unit's scale weights may be multiplied, from one more walk.

After relu, f(s h) = s f(h) for s > 0, a unit may be multiplied by any positive number s if what
reads it is divided by s. Every axis of the params that lists units gets a variable, the power of s
that its array is multiplied by. Each primitive puts conditions on the powers:

    out = a * b          the power of out is the sum of the powers of a and b; a / b, the difference
    out = a + b          a and b must have the same power (and so for max, where, concatenate, ...)
    out = sqrt(a)        half the power of a; twice for square, n times for integer_pow
    out = relu(a)        max(a, 0): the power of a, for 0 has any power
    out = a > 0          no power
    out = f(a), else     a must not be scaled: exp, tanh, ...
    sum_k a[k] b[k]      a[k] * b[k] must not be scaled with k
    the outputs          must not be scaled

The null space over the rational numbers are the scalings of a unit. For relu(x @ w + b) @ v there
is one: w and b have the power 1, v has -1. Units in front of a BatchNorm have more.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from onebasin.symmetry.discovery.jax_names import ADDING, CALLS, LOOPS, OVERWRITING
from onebasin.symmetry.discovery.labels import Factors, Label, Marked, resolve, size_of
from onebasin.symmetry.discovery.linear_systems import LinearForm, add_forms, rational_null_space
from onebasin.symmetry.discovery.parity import (
    SignConstraints,
    keeps_zeros,
    with_invariant_indices,
    without_zeros,
)
from onebasin.symmetry.discovery.values import Value, drop_marks, require_invariant_entries

_HOMOGENEOUS = frozenset(
    {
        "abs", "add", "add_any", "concatenate", "conj", "conv_general_dilated", "copy", "copy_p",
        "cummax", "cummin", "cumsum", "div", "dot_general", "dynamic_slice",
        "dynamic_update_slice", "gather", "imag", "max", "min", "mul", "neg", "real",
        "reduce_max", "reduce_min", "reduce_precision", "reduce_sum", "reduce_window_max",
        "reduce_window_min", "reduce_window_sum", "select_n", "stop_gradient", "sub",
        "broadcast_in_dim", "reshape", "rev", "slice", "split", "squeeze", "stack", "tile",
        "transpose", "unstack",
    }
    | OVERWRITING | ADDING | CALLS | LOOPS
)  # fmt: skip
"""Primitives with f(s a) = s f(a) for s > 0: in all operands together, or for products in each."""

_POWERS = {
    "square": Fraction(2), "sqrt": Fraction(1, 2), "rsqrt": Fraction(-1, 2), "cbrt": Fraction(1, 3),
}  # fmt: skip
_COMPARISONS = frozenset({"eq", "ge", "gt", "le", "lt", "ne"})


@dataclasses.dataclass(frozen=True)
class Power:
    """The mark of entries that are multiplied by s to the power `form`, a sum of variables.

    `forms` collects, for the whole walk, the forms that have to be 0.
    """

    form: LinearForm
    forms: set[LinearForm] = dataclasses.field(compare=False)

    def combine(self, other: "Power", *, is_product: bool) -> "Power":
        """The sum of both powers for a product. For all else both are required to be equal."""
        if is_product:
            return Power(add_forms(self.form, other.form, Fraction(1)), self.forms)
        Power(add_forms(self.form, other.form, Fraction(-1)), self.forms).require_invariant()
        return self

    def require_invariant(self) -> None:
        """Require that the entries are not scaled."""
        if self.form:
            self.forms.add(self.form)


class ScaleConstraints(SignConstraints):
    """The powers of a walk as variables, the conditions on them, and their solutions."""

    def __init__(self) -> None:
        super().__init__()
        self._forms: set[LinearForm] = set()

    def variable(self, number: int) -> Power:
        """The mark of entries that have one variable as their power."""
        return Power(((number, Fraction(1)),), self._forms)

    def constrain_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """The operands of a primitive with the powers that its rule may see.

        Positively homogeneous primitives see them; a divisor has the negative of its power. For all
        others no operand may be scaled, except that a comparison with 0 and a sign do not depend
        on positive scales.
        """
        if not keeps_zeros(name, operands):
            operands = [without_zeros(value) for value in operands]
        if (name in _COMPARISONS and any(value.is_zero for value in operands)) or name == "sign":
            return [drop_marks(value) for value in operands]
        power = Fraction(params["y"]) if name == "integer_pow" else _POWERS.get(name)
        if power is not None:
            return [_raised(value, power) for value in operands]
        is_float = name == "convert_element_type" and _is_float(params["new_dtype"])
        is_padded = name == "pad" and operands[1].is_zero
        if not (name in _HOMOGENEOUS or is_float or is_padded):
            return [require_invariant_entries(value) for value in operands]
        if name == "div":
            return [operands[0], _raised(operands[1], Fraction(-1))]
        return with_invariant_indices(name, operands)

    def scalings(self, leaves: Mapping[str, Value]) -> "list[Scaling]":
        """Independent ways to scale the units of each label, for the params `leaves` by path.

        A condition on variables of two labels can only hold for all scales if each of these
        variables is 0, for units of two groups are scaled apart.
        """
        label_of = dict(enumerate(self._labels))
        forms_of: dict[Label, list[LinearForm]] = {label: [] for label in self._labels}
        for form in self._forms:
            labels = {label_of[variable] for variable, _ in form}
            single = [((variable, Fraction(1)),) for variable, _ in form]
            for condition in [form] if len(labels) == 1 else single:
                forms_of[label_of[condition[0][0]]].append(condition)
        named = list(leaves.items())
        spots = {
            number: spot_in(*named[place.argument], place.block, place.axis, place.factor)
            for number, place in enumerate(self._places)
            if place is not None
        }
        scalings: list[Scaling] = []
        for label, forms in forms_of.items():
            variables = [number for number, owner in label_of.items() if owner is label]
            for vector in rational_null_space(forms, variables):
                scaling = {spots[n]: power for n, power in vector.items() if n in spots}
                scalings += [scaling] if scaling else []
        return scalings


def _is_float(dtype: Any) -> bool:
    return np.dtype(dtype).kind not in "biu"


def _raised(value: Value, power: Fraction) -> Value:
    """The value of a ** power: powers of s are multiplied by `power`."""

    def raised(factors: Factors) -> Factors:
        return tuple(
            Marked(factor.label, Power(add_forms((), factor.mark.form, power), factor.mark.forms))
            if isinstance(factor, Marked) and isinstance(factor.mark, Power)
            else factor
            for factor in factors
        )

    return value.map_factors(raised)


class Spot(NamedTuple):
    """Entries of the params that list units: one factor of an axis of a block of a leaf.

    The block is `leaf[start : start + size]` on every axis. Along `axis`, entry k of the block
    belongs to unit `k // step % units`; `step` is 1 unless the axis lists more inside of each unit.
    """

    leaf: str
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    axis: int
    units: int
    step: int


Scaling: TypeAlias = dict[Spot, Fraction]
"""One way to scale a unit by s: the power of s for each spot that it concerns."""


def spot_in(leaf: str, value: Value, block: tuple[int, ...], axis: int, factor: int) -> Spot:
    """The spot of factor number `factor` of an axis in the block with the key `block`."""
    starts = tuple(sum(sizes[:at]) for sizes, at in zip(value.cuts, block, strict=True))
    sizes = tuple(sizes[at] for sizes, at in zip(value.cuts, block, strict=True))
    factors = resolve(value.blocks[block][axis])
    return Spot(leaf, starts, sizes, axis, factors[factor].size, size_of(factors[factor + 1 :]))
