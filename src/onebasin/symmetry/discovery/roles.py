"""Roles: which axes of the params make units, and which read them, from one more walk.

In h = x @ w + b the last axis of w *makes* the units of h, and so does b; the first axis of w
*reads* those of x. Libraries store w as (inputs, outputs) or as (outputs, inputs), so that shapes
do not tell. Each label gets a mark that says from which axes of the params its entries come, and
what an equation does with data decides:

    sum_k x[n,k] w[k,e]      x is data: k reads, e makes
    h[n,e] + b[e]            what is added to data makes; so does what is multiplied with it
    table[index[n],e]        index is data: the axis that is picked from reads, e makes

*Data* are arrays that depend on more than the params: inputs of the function, constants that are
contracted with params, and what is computed from data. Params that are combined with each other
first are followed until they are combined with data.

An axis that does both, such as that of embeddings which are read out by their own transpose, has no
role.
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
from onebasin.symmetry.discovery.labels import Factors, Label, Marked, labels_in, with_mark
from onebasin.symmetry.discovery.values import Value, drop_marks

_VIEWS = frozenset(
    {
        "reshape", "squeeze", "transpose", "broadcast_in_dim", "slice", "split", "unstack", "rev",
        "copy", "copy_p", "convert_element_type", "reduce_precision", "stop_gradient", "neg",
    }
)  # fmt: skip
"""Primitives that decide nothing: behind them a product with data is still one."""

_CONTRACTIONS = frozenset({"dot_general", "conv_general_dilated"})
_INDEXED = frozenset({"gather", "dynamic_slice"})


@dataclasses.dataclass(frozen=True)
class ArgumentAxes:
    """The mark of entries that come from some axes of the params: a bit for each of these axes."""

    bits: int

    def combine(self, other: "ArgumentAxes", *, is_product: bool) -> "ArgumentAxes":
        """The axes of both, whatever combines them."""
        return ArgumentAxes(self.bits | other.bits)

    def require_invariant(self) -> "ArgumentAxes":
        """The mark itself: where entries come from puts no condition on them."""
        return self


class RoleEvidence:
    """What a walk has seen of the axes of the params. Sets of axes are bits of integers.

    - `made` and `read` are axes that an equation with data has decided.
    - `summed` are axes of products with data that are summed later, as in a contraction that is
      written as `(x[:, :, None] * w).sum(1)`. They read, unless something says that they make.
    - `picked` are axes whose entries are read one by one, as in a list of arrays. They make, unless
      something says that they read.
    - `products` are contractions of two params: the summed axes, and the other ones. Of
      `x @ (a @ b)`, the summed axis of b reads what a makes, as x @ a would.

    A product with data keeps its marks until an equation uses it.
    """

    def __init__(self, shapes: Sequence[Sequence[int]]):
        self._starts = [0, *itertools.accumulate(map(len, shapes))]
        lengths = itertools.chain(*shapes)
        self._long = sum(1 << place for place, length in enumerate(lengths) if length > 1)
        self.made = self.read = self.summed = self.picked = 0
        self._products: list[tuple[int, int]] = []

    def mark_argument(self, number: int, value: Value) -> Value:
        """Param number `number` with a mark on every axis; axes of length 1 get a label for it."""

        def mark_axis(axis: int, factors: Factors) -> Factors:
            return tuple(
                with_mark(label, ArgumentAxes(1 << self._starts[number] + axis))
                for label in labels_in(factors) or [Label(1, frozen="one entry")]
            )

        mark_block = lambda block: tuple(mark_axis(axis, fs) for axis, fs in enumerate(block))
        blocks = {key: mark_block(block) for key, block in value.blocks.items()}
        return value._replace(blocks=blocks)

    def roles(self, number: int) -> tuple[Role | None, ...]:
        """The role of every axis of param number `number`; None if it has both or is not known."""
        return tuple(self._role(at) for at in range(*self._starts[number : number + 2]))

    def _role(self, place: int) -> Role | None:
        """The role of the axis with this bit: what data decided comes first.

        An axis that is summed in a product of two params does the opposite of what the other axes
        of that product do.
        """
        makes, reads = self.made >> place & 1, self.read >> place & 1
        if makes or reads:
            return _role_of(makes, reads)
        if self.summed >> place & 1:
            return "reads"
        if self.picked >> place & 1:
            return "makes"
        free = reduce(or_, (free for summed, free in self._products if summed >> place & 1), 0)
        return _role_of(free & self.read, free & self.made)

    def record_making(self, value: Value, axes: Sequence[int] | None = None) -> None:
        """Record that entries along these axes make units; without `axes`, along all axes."""
        self.made |= _bits(value, range(value.ndim) if axes is None else axes)

    def observe_operands(
        self, name: str, params: dict[str, Any], operands: Sequence[Value]
    ) -> list[Value]:
        """Record what an equation says of its operands; what it has decided loses its marks.

        Of several factors that are multiplied with data one after another, the earlier ones are
        decided by the last product.
        """
        if name in ("squeeze", "unstack") and not operands[0].is_data:
            axes = params["dimensions"] if name == "squeeze" else [params["axis"]]
            self.picked |= _bits(operands[0], axes) & self._long
        if name in CALLS or name in LOOPS or name in _VIEWS:
            return list(operands)
        if name in _CONTRACTIONS:
            return self._observe_contraction(operands, _summed_axes(name, params))
        if name in _INDEXED:
            return self._observe_indexing(operands, params["slice_sizes"])
        if not any(value.is_data for value in operands):
            return list(operands)
        if name == "reduce_sum":
            self.summed |= _bits(operands[0], [int(axis) for axis in params["axes"]])
            return list(operands)
        if name in ("mul", "div"):
            is_first = sum(map(_has_axes, operands)) < 2
            return [x if is_first or not x.is_data else self._decide_making(x) for x in operands]
        return [self._decide_making(value) for value in operands]

    def _decide_making(self, value: Value) -> Value:
        """The value without marks: all of its axes make units."""
        self.record_making(value)
        return drop_marks(value)

    def _decide_reading(self, value: Value, axes: Sequence[int]) -> Value:
        """The value without marks: these axes read units, all others make some."""
        self.read |= _bits(value, axes)
        self.record_making(value, [axis for axis in range(value.ndim) if axis not in axes])
        return drop_marks(value)

    def _observe_contraction(
        self, operands: Sequence[Value], summed: Sequence[Sequence[int]]
    ) -> list[Value]:
        """sum_k a[n,k] b[k,e]: if a is data, k of b reads and e makes; if both are params, wait."""
        observed: list[Value] = []
        for value, partner, axes in zip(operands, reversed(operands), summed, strict=True):
            if value.is_data:
                observed.append(self._decide_making(value))
            elif partner.is_data or not _has_axes(partner):
                observed.append(self._decide_reading(value, axes))
            else:
                free = [axis for axis in range(value.ndim) if axis not in axes]
                self._products.append((_bits(value, axes), _bits(value, free)))
                observed.append(value)
        return observed

    def _observe_indexing(self, operands: Sequence[Value], sizes: Sequence[int]) -> list[Value]:
        """a[index]: if the index is data, the picked axes of a read units.

        A loop that reads one entry after another, at an index that is not known, picks arrays that
        each make units of their own.
        """
        value, *indices = operands
        picked = [axis for axis in range(value.ndim) if sizes[axis] != value.shape[axis]]
        if value.is_data:
            value = self._decide_making(value)
        elif any(index.is_data for index in indices):
            value = self._decide_reading(value, picked)
        elif any(index.concrete is None and math.prod(index.shape[:-1]) == 1 for index in indices):
            self.record_making(value, [axis for axis in picked if sizes[axis] == 1])
        return [value, *indices]

    def with_data_flags(
        self, name: str, given: Sequence[Value], results: list[Value]
    ) -> list[Value]:
        """The results of an equation with `is_data` set: whether an operand in `given` is data.

        Constants are data as well if they are contracted with params.
        """
        if name in CALLS or name in LOOPS:
            return results
        is_data = any(value.is_data for value in given)
        if name in _CONTRACTIONS:
            is_data |= sum(map(_has_axes, given)) == 1
        return [value._replace(is_data=is_data) for value in results]


def _role_of(makes: int, reads: int) -> Role | None:
    if makes and reads:
        return None
    return "makes" if makes else "reads" if reads else None


def argument_axes(value: Value) -> tuple[bool, tuple[int, ...]]:
    """Whether a value is data, and for each axis the bits of the params' axes it comes from."""
    return value.is_data, tuple(_bits(value, [axis]) for axis in range(value.ndim))


def _bits(value: Value, axes: Sequence[int]) -> int:
    """The bits of all axes of the params that entries along these axes come from."""
    bits = 0
    for axis in axes:
        for factor in (factor for factors in value.factors_at(axis) for factor in factors):
            if isinstance(factor, Marked) and isinstance(factor.mark, ArgumentAxes):
                bits |= factor.mark.bits
    return bits


def _has_axes(value: Value) -> bool:
    """Whether entries of a value come from axes of the params that are not decided yet."""
    return bool(_bits(value, range(value.ndim)))


def _summed_axes(name: str, params: dict[str, Any]) -> list[list[int]]:
    """The axes of both operands that a contraction sums over.

    A convolution sums over channels, and of the kernel over the window as well.
    """
    numbers = params["dimension_numbers"]
    if name == "dot_general":
        return [list(axes) for axes in numbers[0]]
    return [[numbers.lhs_spec[1]], list(numbers.rhs_spec[1:])]
