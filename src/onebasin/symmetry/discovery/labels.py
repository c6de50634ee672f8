"""Labels: the identity of the entries along an array axis.

A *label* stands for entries that are permuted together. Axes that have the same label list the
same units. An axis is described by its *factors* in row-major order, the first varying slowest:
a reshape of (2, 3) to (6,) gives an axis with the factors (A of size 2, B of size 3). A factor is

- a `Label`: entries that have an identity and may be permuted;
- a `Flat`: entries that are all equal, as broadcasting makes them, so that their order is no order;
- a `Marked`: a label about which a later walk tracks one more fact (see `marks`).

A walk only ever refines what is known of labels, in four ways:

- *join*: in `h + b`, entry i of h is added to entry i of b. Both axes must be permuted alike, so
  their labels become one. Labels are a union-find structure: `Label.root` stands for all that were
  joined. `unification` does this.
- *split*: a reshape of 6 units to (2, 3) replaces their label by two factors, for everything that
  holds the label.
- *cut*: the slices `h[:4]` and `h[4:]` are treated differently, so that entries 0 to 3 and 4 to 5
  are permuted apart. If the label is the axis of an argument, the argument is cut there before the
  next walk (`Origin` says at which entry). If it lies inside of other units, as an inner factor of
  an axis, it consists of *segments* from then on: ranges of it, each with a label of its own.
- *freeze*: the function depends on the order of the entries, so that they keep it. The label
  stores the reason. Freezing is always sound: it can hide a symmetry, but never invent one.

Labels of the params that are not frozen after the last walk are the groups of the symmetry.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeAlias

from onebasin.symmetry.discovery.marks import Mark

MISFIT = "reshaped in two ways that do not fit"
"""The reason for freezing units that one reshape groups by 2, say, and another one by 3."""


class Origin(NamedTuple):
    """Which entries of an argument a label lists: entry k is entry `start + step * k` of `axis`.

    A cut of the label at k is a cut of the argument there. `step` exceeds 1 after a split: if an
    axis of 6 is split into (2, 3), the outer label has step 3.
    """

    argument: int
    axis: int
    start: int
    step: int


@dataclasses.dataclass(eq=False)
class Label:
    """Entries along an axis that are permuted together. Labels are compared by identity.

    Read a label through its `root`, because it may have been joined with another one.

    - `origin` is the axis of an argument that the label lists, if it lists one.
    - `frozen` is the reason why the entries keep their order; None if they may be permuted.
    - `factors` replace the label once a reshape has split it.
    - `joined` is the label that this one was joined with, on the way to the root.
    - `segments` are the ranges that the label consists of once it was cut, in their order. Entries
      are permuted inside of a segment only.
    - `ranges` are the labels of ranges (start, stop) that were sliced out of this one. The same
      range must have the same label each time.
    """

    size: int
    origin: Origin | None = None
    frozen: str | None = None
    factors: "Factors | None" = None
    joined: "Label | None" = None
    segments: "tuple[Label, ...]" = ()
    ranges: "dict[tuple[int, int], Label]" = dataclasses.field(default_factory=dict)

    @property
    def root(self) -> "Label":
        """The label that stands for all that were joined with this one (path compression)."""
        label = self
        while label.joined is not None:
            label = label.joined
        if self.joined is not None and self.joined is not label:
            self.joined = label
        return label


@dataclasses.dataclass(frozen=True)
class Flat:
    """Entries that are all equal, as broadcasting makes them."""

    size: int


@dataclasses.dataclass(frozen=True)
class Zeros(Flat):
    """Entries that are all 0. Walks for signs and scales tell them from other equal entries.

    Zero has any sign and any scale, so that zeros put no condition on what they are added to.
    """


@dataclasses.dataclass(frozen=True)
class Marked:
    """A label with the mark that a later walk tracks for its entries."""

    label: Label
    mark: Mark

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.label.size

    @property
    def frozen(self) -> str | None:
        """The reason why the entries keep their order, or None."""
        return self.label.frozen


Factor: TypeAlias = Label | Flat | Marked
"""One part of what an axis lists."""

Factors: TypeAlias = tuple[Factor, ...]
"""What an axis lists, in row-major order. An axis of length 1 has no factors."""


def size_of(factors: Sequence[Factor]) -> int:
    """The number of entries of an axis: the product of the sizes of its factors."""
    return math.prod(factor.size for factor in factors)


def resolve(factors: Sequence[Factor]) -> Factors:
    """The factors as they are known by now.

    Labels are replaced by their roots, and split ones by their own factors. Neighbouring `Flat`
    factors become one. Factors of size 1 are left out unless they have a mark.
    """
    resolved: list[Factor] = []
    for factor in factors:
        if factor.size == 1 and not isinstance(factor, Marked):
            continue
        if isinstance(factor, Label):
            factor = factor.root
            if factor.factors is not None:
                resolved.extend(resolve(factor.factors))
                continue
        if isinstance(factor, Flat) and resolved and type(resolved[-1]) is type(factor):
            resolved[-1] = type(factor)(resolved[-1].size * factor.size)
        else:
            resolved.append(factor)
    return tuple(resolved)


def labels_in(factors: Sequence[Factor]) -> list[Label]:
    """The labels among the resolved factors, without their marks."""
    return [factor for factor in without_marks(resolve(factors)) if isinstance(factor, Label)]


def without_marks(factors: Sequence[Factor]) -> tuple[Label | Flat, ...]:
    """The same factors, none of them marked. Nothing is required of the marks that go."""
    return tuple(factor.label if isinstance(factor, Marked) else factor for factor in factors)


def require_invariant(factors: Sequence[Factor]) -> Factors:
    """The factors of entries that must not change, with the marks that this leaves.

    The walk for signs records here that no entry flips, and the walk for scales that no entry is
    scaled.
    """
    return tuple(
        with_mark(factor.label, factor.mark.require_invariant())
        if isinstance(factor, Marked)
        else factor
        for factor in factors
    )


def with_mark(label: Label, mark: Mark | None) -> Label | Marked:
    """The label with the mark, or the label itself if there is no mark."""
    return label if mark is None else Marked(label, mark)


def freeze(factors: Sequence[Factor], reason: str) -> None:
    """Let the entries of an axis keep their order from now on.

    A label keeps its first reason. `MISFIT` replaces any other: it is then unknown which entries
    belong to one unit, so that no group can be nested in the label.
    """
    require_invariant(factors)
    for factor in resolve(factors):
        if isinstance(factor, Label):
            factor.frozen = MISFIT if reason == MISFIT else factor.frozen or reason
            freeze(factor.segments, reason)


def frozen_axis(size: int, reason: str) -> Factors:
    """The factors of a new axis whose entries keep their order."""
    return (Label(size, frozen=reason),) if size > 1 else ()


def frozen_like(axes: Sequence[Factors], size: int, reason: str) -> Factors:
    """The factors of a new axis that keeps its order and is computed from all of `axes`.

    It has the marks that are left of theirs if none of their entries may change.
    """
    mark = combined_mark([factor for axis in axes for factor in require_invariant(resolve(axis))])
    return resolve([with_mark(Label(size, frozen=reason), mark)])


def combined_mark(factors: Sequence[Factor]) -> Mark | None:
    """The mark of a product of one entry of each factor; None if no factor has a mark."""
    marks = [factor.mark for factor in factors if isinstance(factor, Marked)]
    return reduce(lambda a, b: a.combine(b, is_product=True), marks) if marks else None


def segments_of(label: Label) -> list[Label]:
    """The smallest segments of a label in their order; a label that was never cut is its own.

    A label of 6 that was cut at 4, and whose first segment was cut at 1, has segments of sizes
    1, 3 and 2.
    """
    label = label.root
    if not label.segments:
        return [label]
    return [inner for segment in label.segments for inner in segments_of(segment)]


def segment_labels(factors: Sequence[Factor]) -> list[Label]:
    """The smallest labels of an axis: those of every segment of every factor."""
    segments = (segment for label in labels_in(factors) for segment in segments_of(label))
    return [label for segment in segments for label in labels_in((segment,))]
