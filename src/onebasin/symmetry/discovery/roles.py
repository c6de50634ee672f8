"""roles: what makes units and what reads them, from one more walk through a function.

A contraction with data reads its summed axes and makes the others; what is added to data, or
multiplied with it, makes. Arrays that are first combined with each other are followed until they
meet data: what depends on more than the arguments whose roles are asked for.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from onebasin.symmetry.axes_values import Role
from onebasin.symmetry.discovery.jax_names import CALLS, LOOPS
from onebasin.symmetry.discovery.labels import Label, Marked, labels_in, with_mark
from onebasin.symmetry.discovery.parity import unsigned
from onebasin.symmetry.discovery.values import Value

_VIEWS = frozenset(
    {
        "reshape", "squeeze", "transpose", "broadcast_in_dim", "slice", "split", "unstack", "rev",
        "copy", "copy_p", "convert_element_type", "reduce_precision", "stop_gradient", "neg",
    }
)  # fmt: skip
"""Primitives behind which a product is what it was."""

_CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated"})
_INDEXED = frozenset({"gather", "dynamic_slice"})


@dataclasses.dataclass(frozen=True)
class Origins:
    """The axes of arguments whose entries are along an axis: a bit for each."""

    bits: int

    def meet(self, other: "Origins", *, is_product: bool) -> "Origins":
        """Entries come from both."""
        return Origins(self.bits | other.bits)

    def keep(self) -> "Origins":
        """Entries come from where they came from."""
        return self


class Evidence:
    """How axes of arguments were used, each a bit of a set.

    `summed` are axes of products with data that are then summed, as in a contraction that is
    written out: they read, unless something else says that they make. `picked` are axes whose
    entries are read one by one, as a list of arrays: they make, unless something else says that
    they read. `products` are the summed and the other axes of arguments that are contracted with
    each other: a factor that makes the units of both, as in `x @ (a @ b)`, reads those between.
    Data are marked as long as they are products that nothing has used.
    """

    def __init__(self, shapes: Sequence[Sequence[int]]):
        self._starts = [0, *itertools.accumulate(map(len, shapes))]
        lengths = itertools.chain(*shapes)
        self._long = sum(1 << place for place, length in enumerate(lengths) if length > 1)
        self.made = self.read = self.summed = self.picked = 0
        self._products: list[tuple[int, int]] = []

    def ask(self, number: int, value: Value) -> Value:
        """An argument whose entries say where they come from."""
        asked = lambda axis, run: tuple(
            with_mark(label, Origins(1 << self._starts[number] + axis))
            for label in labels_in(run) or [Label(1, frozen="one entry")]
        )
        runs_of = lambda runs: tuple(asked(axis, run) for axis, run in enumerate(runs))
        return value._replace(blocks={key: runs_of(runs) for key, runs in value.blocks.items()})

    def roles(self, number: int) -> tuple[Role | None, ...]:
        """What every axis of an argument does; None where it does both or is not known."""
        return tuple(self._role(at) for at in range(*self._starts[number : number + 2]))

    def _role(self, place: int) -> Role | None:
        makes, reads = self.made >> place & 1, self.read >> place & 1
        if makes or reads:
            return _either(makes, reads)
        if self.summed >> place & 1:
            return "reads"
        if self.picked >> place & 1:
            return "makes"
        free = reduce(or_, (free for summed, free in self._products if summed >> place & 1), 0)
        return _either(free & self.read, free & self.made)

    def make(self, value: Value, axes: Sequence[int] | None = None) -> None:
        """All entries along these axes, or along all, make units."""
        self.made |= _bits(value, range(value.ndim) if axes is None else axes)

    def of_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """What an equation says of its operands; those that it has decided come back unmarked."""
        if name in ("squeeze", "unstack") and not operands[0].is_data:
            axes = params["dimensions"] if name == "squeeze" else [params["axis"]]
            self.picked |= _bits(operands[0], axes) & self._long
        if name in CALLS or name in LOOPS or name in _VIEWS:
            return list(operands)
        if name in _CONTRACTIONS:
            return self._contracted(operands, _summed_axes(name, params))
        if name in _INDEXED:
            return self._indexed(operands, params["slice_sizes"])
        if not any(value.is_data for value in operands):
            return list(operands)
        if name == "reduce_sum":
            self.summed |= _bits(operands[0], [int(axis) for axis in params["axes"]])
            return list(operands)
        if name in ("mul", "div"):
            # Of several factors the earlier ones were used by the last one.
            is_first = sum(map(_is_marked, operands)) < 2
            return [x if is_first or not x.is_data else self._decided(x) for x in operands]
        return [self._decided(value) for value in operands]

    def _decided(self, value: Value) -> Value:
        self.make(value)
        return unsigned(value)

    def _read(self, value: Value, axes: Sequence[int]) -> Value:
        self.read |= _bits(value, axes)
        self.make(value, [axis for axis in range(value.ndim) if axis not in axes])
        return unsigned(value)

    def _contracted(
        self, operands: Sequence[Value], summed: Sequence[Sequence[int]]
    ) -> list[Value]:
        found: list[Value] = []
        for value, other, axes in zip(operands, reversed(operands), summed, strict=True):
            if value.is_data:
                found.append(self._decided(value))
            elif other.is_data or not _is_marked(other):
                found.append(self._read(value, axes))
            else:
                free = [axis for axis in range(value.ndim) if axis not in axes]
                self._products.append((_bits(value, axes), _bits(value, free)))
                found.append(value)
        return found

    def _indexed(self, operands: Sequence[Value], sizes: Sequence[int]) -> list[Value]:
        """Data picks entries to read; a loop picks one after another, each with units to make."""
        value, *indices = operands
        picked = [axis for axis in range(value.ndim) if sizes[axis] != value.shape[axis]]
        if value.is_data:
            value = self._decided(value)
        elif any(index.is_data for index in indices):
            value = self._read(value, picked)
        elif any(index.known is None and math.prod(index.shape[:-1]) == 1 for index in indices):
            self.make(value, [axis for axis in picked if sizes[axis] == 1])
        return [value, *indices]

    def handed_on(self, name: str, given: Sequence[Value], found: list[Value]) -> list[Value]:
        """What an equation gives, knowing whether it depends on data: constants are data too
        where they are contracted with arguments.
        """
        if name in CALLS or name in LOOPS:
            return found
        is_data = any(value.is_data for value in given)
        if name in _CONTRACTIONS:
            is_data |= sum(map(_is_marked, given)) == 1
        return [value._replace(is_data=is_data) for value in found]


def _either(makes: int, reads: int) -> Role | None:
    if makes and reads:
        return None
    return "makes" if makes else "reads" if reads else None


def origins(value: Value) -> tuple[bool, tuple[int, ...]]:
    """Whether a value depends on data, and what lies along each of its axes."""
    return value.is_data, tuple(_bits(value, [axis]) for axis in range(value.ndim))


def _bits(value: Value, axes: Sequence[int]) -> int:
    bits = 0
    for axis in axes:
        for factor in (factor for run in value.at(axis) for factor in run):
            if isinstance(factor, Marked) and isinstance(factor.mark, Origins):
                bits |= factor.mark.bits
    return bits


def _is_marked(value: Value) -> bool:
    return bool(_bits(value, range(value.ndim)))


def _summed_axes(name: str, params: dict[str, Any]) -> list[list[int]]:
    """The axes of both operands over which a contraction sums; those of a window as well."""
    numbers = params["dimension_numbers"]
    if name == "dot_general":
        return [list(axes) for axes in numbers[0]]
    return [[numbers.lhs_spec[1]], list(numbers.rhs_spec[1:])]
