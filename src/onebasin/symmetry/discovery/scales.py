"""scales: which weights may be scaled with a unit, from one more walk through a function.

Behind relu a unit may be multiplied by any positive number $s$, if what reads it is divided by
it: each of its arrays takes a power of $s$. Every axis of the params that lists units gets an
unknown power. Products add powers, sums and maxima need them to be equal, roots and squares
multiply them, and all other functions need them to be 0, as the function's outputs do.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from onebasin.symmetry.discovery.jax_names import ADDING, CALLS, LOOPS, OVERWRITING
from onebasin.symmetry.discovery.labels import Label, Marked, Run, resolve, size_of
from onebasin.symmetry.discovery.parity import (
    Unknowns,
    keeps_zeros,
    positive,
    unsigned,
    without_indices,
    without_zeros,
)
from onebasin.symmetry.discovery.values import Value

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
"""Primitives that give twice as much of twice as much, or twice as much for each operand."""

_POWERS = {
    "square": Fraction(2), "sqrt": Fraction(1, 2), "rsqrt": Fraction(-1, 2), "cbrt": Fraction(1, 3),
}  # fmt: skip
_COMPARISONS = frozenset({"eq", "ge", "gt", "le", "lt", "ne"})

Terms: TypeAlias = tuple[tuple[int, Fraction], ...]
"""A sum of multiples of unknowns."""


@dataclasses.dataclass(frozen=True)
class Power:
    """With which power of a unit's scale entries go; `zeros` collects what has to be 0."""

    terms: Terms
    zeros: set[Terms] = dataclasses.field(compare=False)

    def meet(self, other: "Power", *, is_product: bool) -> "Power":
        """Products add up powers; for all else both must be the same."""
        if is_product:
            return Power(_sum(self.terms, other.terms, Fraction(1)), self.zeros)
        Power(_sum(self.terms, other.terms, Fraction(-1)), self.zeros).keep()
        return self

    def keep(self) -> None:
        """Entries must not be scaled."""
        if self.terms:
            self.zeros.add(self.terms)


def _sum(one: Terms, other: Terms, factor: Fraction) -> Terms:
    total = dict(one)
    for unknown, power in other:
        total[unknown] = total.get(unknown, Fraction(0)) + factor * power
    return tuple(sorted((unknown, power) for unknown, power in total.items() if power))


class Scales(Unknowns):
    """The unknown powers of a walk, the sums of them that have to be 0, and what solves these."""

    def __init__(self) -> None:
        super().__init__()
        self._conditions: set[Terms] = set()

    def mark(self, number: int) -> Power:
        """An unknown by its number."""
        return Power(((number, Fraction(1)),), self._conditions)

    def of_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """The operands of a primitive with the powers that its rule may see."""
        if not keeps_zeros(name, operands):
            operands = [without_zeros(value) for value in operands]
        if (name in _COMPARISONS and any(value.is_zero for value in operands)) or name == "sign":
            return [unsigned(value) for value in operands]
        power = Fraction(params["y"]) if name == "integer_pow" else _POWERS.get(name)
        if power is not None:
            return [_raised(value, power) for value in operands]
        is_float = name == "convert_element_type" and _is_float(params["new_dtype"])
        is_padded = name == "pad" and operands[1].is_zero
        if not (name in _HOMOGENEOUS or is_float or is_padded):
            return [positive(value) for value in operands]
        if name == "div":
            return [operands[0], _raised(operands[1], Fraction(-1))]
        return without_indices(name, operands)

    def scalings(self, leaves: Mapping[str, Value]) -> "list[Scaling]":
        """Independent ways to scale a unit, each a power for all places that it is listed at."""
        label_of = dict(enumerate(self._labels))
        conditions: dict[Label, list[Terms]] = {label: [] for label in self._labels}
        for terms in self._conditions:
            labels = {label_of[unknown] for unknown, _ in terms}
            # Units of two groups are never scaled together.
            alone = [((unknown, Fraction(1)),) for unknown, _ in terms]
            for condition in [terms] if len(labels) == 1 else alone:
                conditions[label_of[condition[0][0]]].append(condition)
        named = list(leaves.items())
        spots = {
            number: spot_in(*named[place.argument], place.block, place.axis, place.factor)
            for number, place in enumerate(self._places)
            if place is not None
        }
        found: list[Scaling] = []
        for label, some in conditions.items():
            unknowns = [number for number, one in label_of.items() if one is label]
            for vector in null_space(some, unknowns):
                scaling = {spots[n]: power for n, power in vector.items() if n in spots}
                found += [scaling] if scaling else []
        return found


def _is_float(dtype: Any) -> bool:
    return np.dtype(dtype).kind not in "biu"


def _raised(value: Value, power: Fraction) -> Value:
    def raised(run: Run) -> Run:
        return tuple(
            Marked(one.label, Power(_sum((), one.mark.terms, power), one.mark.zeros))
            if isinstance(one, Marked) and isinstance(one.mark, Power)
            else one
            for one in run
        )

    return value.marked(raised)


class Spot(NamedTuple):
    """What lists units: a block of a leaf, one of its axes, how many units, and entries of each.

    Axes that list several things have several spots, of which the last has one entry a unit.
    """

    leaf: str
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    axis: int
    units: int
    step: int


Scaling: TypeAlias = dict[Spot, Fraction]


def spot_in(leaf: str, value: Value, block: tuple[int, ...], axis: int, factor: int) -> Spot:
    """The spot of a factor of an axis in a block of a value."""
    starts = tuple(sum(sizes[:at]) for sizes, at in zip(value.cuts, block, strict=True))
    sizes = tuple(sizes[at] for sizes, at in zip(value.cuts, block, strict=True))
    run = resolve(value.blocks[block][axis])
    return Spot(leaf, starts, sizes, axis, run[factor].size, size_of(run[factor + 1 :]))


def null_space(conditions: Sequence[Terms], unknowns: Sequence[int]) -> list[dict[int, Fraction]]:
    """A basis of the numbers for unknowns at which all of these sums are 0."""
    rows: dict[int, dict[int, Fraction]] = {}
    for terms in conditions:
        row = dict(terms)
        for pivot in [number for number in row if number in rows]:
            row = _without(row, pivot, rows[pivot])
        if row:
            pivot = max(row)
            row = {number: power / row[pivot] for number, power in row.items()}
            rows = {p: _without(other, pivot, row) for p, other in rows.items()}
            rows[pivot] = row
    return [
        {number: Fraction(1)} | {p: -row[number] for p, row in rows.items() if number in row}
        for number in unknowns
        if number not in rows
    ]


def _without(
    row: dict[int, Fraction], pivot: int, other: dict[int, Fraction]
) -> dict[int, Fraction]:
    """A row minus the multiple of another one that has a 1 at the pivot."""
    factor = row.get(pivot, Fraction(0))
    total = {
        n: row.get(n, Fraction(0)) - factor * other.get(n, Fraction(0)) for n in {*row, *other}
    }
    return {number: power for number, power in total.items() if power}
