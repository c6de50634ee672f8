"""Values: what an analysis knows of one array of the jaxpr.

The walk evaluates the jaxpr on `Value`s in place of arrays, as JAX evaluates it on abstract values.
A value describes every axis by its factors (see `labels`). Different parts of one array may list
different units, so an axis may be cut into *segments*, as by a concatenation, and an array
consists of *blocks*: one segment of every axis. For a concatenation of `a` of shape (8, 6) and `b`
of shape (8, 5) along axis 1:

    cuts    ((8,), (6, 5))
    blocks  {(0, 0): (factors of a's axis 0, factors of a's axis 1),
             (0, 1): (factors of b's axis 0, factors of b's axis 1)}

The key of a block counts segments: block (0, 1) lies in segment 0 of axis 0 and segment 1 of axis
1. Most values have a single block.

A value also says what else is known of the array: its concrete numbers, what its numbers point
to, whether it comes from the params, and along which axes no two entries are equal.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from onebasin.symmetry.discovery.labels import (
    Factors,
    Flat,
    Marked,
    frozen_axis,
    require_invariant,
    resolve,
    without_marks,
)

Cuts: TypeAlias = tuple[tuple[int, ...], ...]
"""The sizes of the segments of every axis; they add up to the shape of the array."""

MAX_CONCRETE_SIZE = 2**16
"""Arrays with more entries than this are followed by their labels alone, not by their numbers."""

Block: TypeAlias = tuple[Factors, ...]
"""The factors of every axis of one block."""

Cutter: TypeAlias = Callable[[Factors, int], tuple[Factors, Factors]]
"""Cuts the factors of an axis at a position: what comes before it, and what comes from it on."""


class Positions(NamedTuple):
    """The entries that whole numbers point to, as argmax gives them: those of an axis `factors`.

    `is_shifted` says that a constant was added, so that the numbers are no positions any more.
    """

    factors: Factors
    is_shifted: bool = False


class Value(NamedTuple):
    """An array of the jaxpr, as the analysis sees it.

    - `cuts` and `blocks` say what lies along the axes (see the module).
    - `concrete` are the numbers themselves, if they are few and do not depend on any argument.
    - `positions` are the entries that whole numbers point to, if they do.
    - `source` is "given" for inputs and constants and what is made of these alone, "param" for a
      param and a view of it, "mixed" for all else.
    - `distinct` are the axes along which no two entries are equal, unless the params have special
      values of probability 0.
    - `is_data` is used by the walk for roles alone: the array depends on more than the params.
    """

    cuts: Cuts
    blocks: dict[tuple[int, ...], Block]
    concrete: np.ndarray | None = None
    positions: Positions | None = None
    source: Literal["given", "param", "mixed"] = "mixed"
    distinct: frozenset[int] = frozenset()
    is_data: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(sum(sizes) for sizes in self.cuts)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.cuts)

    @property
    def is_zero(self) -> bool:
        """Whether all entries are known to be 0."""
        return self.concrete is not None and not self.concrete.any()

    def factors_at(self, axis: int) -> Iterator[Factors]:
        """The factors of an axis in every block."""
        return (block[axis] for block in self.blocks.values())

    def map_factors(self, function: Callable[[Factors], Factors]) -> "Value":
        """The same array with `function` applied to the factors of every axis of every block."""
        blocks = {key: tuple(map(function, block)) for key, block in self.blocks.items()}
        return self._replace(blocks=blocks)

    def map_blocks(self, function: Callable[[Block], Block], cuts: Cuts) -> "Value":
        """An array with other axes, cut as `cuts`, whose blocks are `function` of these."""
        blocks = {key: function(block) for key, block in self.blocks.items()}
        return Value(cuts, blocks, is_data=self.is_data)


def single_block(block: Sequence[Factors], shape: Sequence[int]) -> Value:
    """A value whose axes are not cut."""
    return Value(tuple((size,) for size in shape), {(0,) * len(shape): tuple(block)})


def flat_value(shape: Sequence[int]) -> Value:
    """A value whose entries are all equal."""
    return single_block([resolve([Flat(size)]) for size in shape], shape)


def frozen_value(shape: Sequence[int], reason: str) -> Value:
    """A value whose entries keep their order along every axis."""
    return single_block([frozen_axis(size, reason) for size in shape], shape)


def has_marks(value: Value) -> bool:
    """Whether the walk tracks a mark for some entries of a value."""
    axes = (factors for axis in range(value.ndim) for factors in value.factors_at(axis))
    return any(isinstance(factor, Marked) for factors in axes for factor in factors)


def drop_marks(value: Value) -> Value:
    """The same array without marks. Nothing is required of them."""
    return value.map_factors(without_marks)


def require_invariant_entries(value: Value) -> Value:
    """The same array, with the condition that no entry changes sign or scale."""
    return value.map_factors(require_invariant)


def block_keys(cuts: Cuts) -> Iterator[tuple[int, ...]]:
    """The keys of all blocks that cuts make."""
    return itertools.product(*(range(len(sizes)) for sizes in cuts))


def segment_ends(sizes: Sequence[int]) -> list[int]:
    """The positions at which segments of these sizes end: [6, 11] for sizes (6, 5)."""
    return [int(end) for end in np.cumsum(sizes)]


def cut(value: Value, axis: int, positions: Iterable[int], cutter: Cutter) -> Value:
    """The same array with an axis cut at these positions too. `cutter` cuts its factors."""
    for position in sorted(set(positions)):
        starts = [0, *segment_ends(value.cuts[axis])]
        if position not in starts:
            segment = int(np.searchsorted(starts, position)) - 1
            value = _cut_segment(value, axis, segment, position - starts[segment], cutter)
    return value


def _cut_segment(value: Value, axis: int, segment: int, position: int, cutter: Cutter) -> Value:
    """The same array with one segment of an axis cut in two, `position` entries after its start.

    Keys of blocks in later segments move up by one.
    """
    sizes = value.cuts[axis]
    halves = (position, sizes[segment] - position)
    cuts = list(value.cuts)
    cuts[axis] = (*sizes[:segment], *halves, *sizes[segment + 1 :])
    blocks: dict[tuple[int, ...], Block] = {}
    for key, block in value.blocks.items():
        shifted = lambda step, key=key: (*key[:axis], key[axis] + step, *key[axis + 1 :])
        if key[axis] < segment:
            blocks[key] = block
        elif key[axis] > segment:
            blocks[shifted(1)] = block
        else:
            for step, part in enumerate(cutter(block[axis], position)):
                blocks[shifted(step)] = (*block[:axis], part, *block[axis + 1 :])
    return value._replace(cuts=tuple(cuts), blocks=blocks)


def cut_axes_alike(values: Sequence[Value], axes: Sequence[int], cutter: Cutter) -> list[Value]:
    """The values, each cut on one axis at every position at which any of them is cut.

    `axes[n]` is the axis of `values[n]`; all of them have one length. Segments can then be
    unified pair by pair.
    """
    ends = [segment_ends(value.cuts[axis]) for value, axis in zip(values, axes, strict=True)]
    positions = set(itertools.chain(*ends))
    return [cut(value, axis, positions, cutter) for value, axis in zip(values, axes, strict=True)]


def cut_alike(values: Sequence[Value], cutter: Cutter) -> list[Value]:
    """Values of one shape, with every axis cut at every position at which any of them is cut."""
    for axis in range(values[0].ndim):
        values = cut_axes_alike(values, [axis] * len(values), cutter)
    return list(values)
