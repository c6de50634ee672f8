"""Value: what lies along the axes of an array, block by block.

Axes may be cut into segments (concatenations, slices); a block is one segment of every axis, and
has a run for each axis. Blocks differ: what one slice of an array holds may be permuted
where another may not.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from onebasin.symmetry.discovery.labels import Flat, Run, frozen_run, resolve

Cuts: TypeAlias = tuple[tuple[int, ...], ...]
"""The sizes of the segments of every axis."""

FEW = 2**16
"""Arrays of no more entries are followed by their numbers, where rules need them."""

Runs: TypeAlias = tuple[Run, ...]
"""A run for each axis of a block."""

Cutter: TypeAlias = Callable[[Run, int], tuple[Run, Run]]
"""Cuts a run at a position."""


class Positions(NamedTuple):
    """What whole numbers point to: entries along an axis; shifted ones are not these numbers."""

    run: Run
    is_shifted: bool = False


class Value(NamedTuple):
    """An array of an analysis.

    `known` holds its numbers where these are few and certain, `positions` what they point to.
    `source` says whether it is given (inputs and constants), a param, or made of both; `distinct`
    along which axes no two entries are equal, but for params of probability 0.
    `is_data` says, of the walk that asks for roles, whether it depends on more than the params.
    """

    cuts: Cuts
    blocks: dict[tuple[int, ...], Runs]
    known: np.ndarray | None = None
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
        return self.known is not None and not self.known.any()

    def at(self, axis: int) -> Iterator[Run]:
        """The runs of an axis in all blocks."""
        return (runs[axis] for runs in self.blocks.values())

    def map(self, function: Callable[[Runs], Runs], cuts: Cuts) -> "Value":
        """A value with other axes, whose blocks are made of these one by one."""
        blocks = {key: function(runs) for key, runs in self.blocks.items()}
        return Value(cuts, blocks, is_data=self.is_data)

    def remade(self, function: Callable[[Run], Run]) -> "Value":
        """The same value with other runs along its axes, such as runs that are marked."""
        blocks = {key: tuple(map(function, runs)) for key, runs in self.blocks.items()}
        return self._replace(blocks=blocks)


def whole(runs: Sequence[Run], shape: Sequence[int]) -> Value:
    """A value of a single block."""
    return Value(tuple((size,) for size in shape), {(0,) * len(shape): tuple(runs)})


def flat(shape: Sequence[int]) -> Value:
    """A value whose entries are all equal."""
    return whole([resolve([Flat(size)]) for size in shape], shape)


def frozen(shape: Sequence[int], reason: str) -> Value:
    """A value whose entries keep their order."""
    return whole([frozen_run(size, reason) for size in shape], shape)


def keys(cuts: Cuts) -> Iterator[tuple[int, ...]]:
    """The positions of all blocks."""
    return itertools.product(*(range(len(sizes)) for sizes in cuts))


def ends(sizes: Sequence[int]) -> list[int]:
    """Where segments of these sizes end."""
    return [int(end) for end in np.cumsum(sizes)]


def cut(value: Value, axis: int, positions: Iterable[int], cutter: Cutter) -> Value:
    """The same value with an axis cut at more positions."""
    for position in sorted(set(positions)):
        starts = [0, *ends(value.cuts[axis])]
        if position not in starts:
            segment = int(np.searchsorted(starts, position)) - 1
            value = _cut_segment(value, axis, segment, position - starts[segment], cutter)
    return value


def _cut_segment(value: Value, axis: int, segment: int, position: int, cutter: Cutter) -> Value:
    sizes = value.cuts[axis]
    pieces = (position, sizes[segment] - position)
    cuts = list(value.cuts)
    cuts[axis] = (*sizes[:segment], *pieces, *sizes[segment + 1 :])
    blocks: dict[tuple[int, ...], Runs] = {}
    for key, runs in value.blocks.items():
        moved = lambda step, key=key: (*key[:axis], key[axis] + step, *key[axis + 1 :])
        if key[axis] < segment:
            blocks[key] = runs
        elif key[axis] > segment:
            blocks[moved(1)] = runs
        else:
            for step, part in enumerate(cutter(runs[axis], position)):
                blocks[moved(step)] = (*runs[:axis], part, *runs[axis + 1 :])
    return Value(tuple(cuts), blocks, value.known, is_data=value.is_data)


def align(values: Sequence[Value], axes: Sequence[int], cutter: Cutter) -> list[Value]:
    """Values of which one axis each (of equal lengths) is cut where any of them is."""
    found = [ends(value.cuts[axis]) for value, axis in zip(values, axes, strict=True)]
    positions = set(itertools.chain(*found))
    return [cut(value, axis, positions, cutter) for value, axis in zip(values, axes, strict=True)]


def align_all(values: Sequence[Value], cutter: Cutter) -> list[Value]:
    """Values of one shape, cut alike on every axis."""
    for axis in range(values[0].ndim):
        values = align(values, [axis] * len(values), cutter)
    return list(values)
