"""Label: what lies along an array axis, and what is known of which labels are the same.

An axis is a *run* of factors in row-major order, the first moving slowest. A factor is a label
(entries that have an identity and may be permuted together) or a `Flat` (entries that are all
equal). Labels are joined where a network needs them to be the same, split into factors where it
reshapes them, and frozen where it depends on their order. Last walks, which ask for more, follow
labels that are `Marked`.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeAlias

from onebasin.symmetry.discovery.marks import Mark

MISFIT = "reshaped in two ways that do not fit"


class Origin(NamedTuple):
    """Where a label can be cut: an axis of an argument, from where, and entries in one step."""

    argument: int
    axis: int
    start: int
    step: int


@dataclasses.dataclass(eq=False)
class Label:
    """The entries along an axis. Look at `root`: it may have been joined to another.

    It may be split into `factors`, or consist of `segments`: ranges one after another, the entries
    of each permuted by themselves. `parts` are ranges that were asked for.
    """

    size: int
    origin: Origin | None = None
    frozen: str | None = None
    factors: "Run | None" = None
    joined: "Label | None" = None
    segments: "tuple[Label, ...]" = ()
    parts: "dict[tuple[int, int], Label]" = dataclasses.field(default_factory=dict)

    @property
    def root(self) -> "Label":
        """The label that stands for all that this one was joined with."""
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
    """Entries of a block that is 0, which have any sign; other walks take them for `Flat`."""


@dataclasses.dataclass(frozen=True)
class Marked:
    """Entries of a label in a walk that follows something else beside."""

    label: Label
    mark: Mark

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.label.size

    @property
    def frozen(self) -> str | None:
        """Why the entries keep their order."""
        return self.label.frozen


Factor: TypeAlias = Label | Flat | Marked
Run: TypeAlias = tuple[Factor, ...]


def size_of(run: Sequence[Factor]) -> int:
    """The number of entries of an axis."""
    return math.prod(factor.size for factor in run)


def resolve(run: Sequence[Factor]) -> Run:
    """The run in its smallest factors that are known, without those of size 1 and no mark."""
    found: list[Factor] = []
    for factor in run:
        if factor.size == 1 and not isinstance(factor, Marked):
            continue
        if isinstance(factor, Label):
            factor = factor.root
            if factor.factors is not None:
                found.extend(resolve(factor.factors))
                continue
        if isinstance(factor, Flat) and found and type(found[-1]) is type(factor):
            found[-1] = type(factor)(found[-1].size * factor.size)
        else:
            found.append(factor)
    return tuple(found)


def labels_in(run: Sequence[Factor]) -> list[Label]:
    """The labels of a run that stand for themselves."""
    return [factor for factor in unmarked(resolve(run)) if isinstance(factor, Label)]


def unmarked(run: Sequence[Factor]) -> tuple[Label | Flat, ...]:
    """The entries of a run as such."""
    return tuple(one.label if isinstance(one, Marked) else one for one in run)


def keep_signs(run: Sequence[Factor]) -> Run:
    """The run, whose entries must not change sign, with what that leaves of its marks."""
    return tuple(
        with_mark(one.label, one.mark.keep()) if isinstance(one, Marked) else one for one in run
    )


def with_mark(label: Label, mark: Mark | None) -> Label | Marked:
    """A label, marked if there is a mark."""
    return label if mark is None else Marked(label, mark)


def freeze(run: Sequence[Factor], reason: str) -> None:
    """The entries of a run keep their order from now on; the first reason is kept but for a misfit.

    What lies inside of the entries of a misfit is not known, so that nothing can be nested there.
    """
    keep_signs(run)
    for factor in resolve(run):
        if isinstance(factor, Label):
            factor.frozen = MISFIT if reason == MISFIT else factor.frozen or reason
            freeze(factor.segments, reason)


def frozen_run(size: int, reason: str) -> Run:
    """An axis whose entries keep their order."""
    return (Label(size, frozen=reason),) if size > 1 else ()


def frozen_like(runs: Sequence[Run], size: int, reason: str) -> Run:
    """An axis whose entries keep their order, with what that leaves of the marks of some runs."""
    mark = _met([factor for run in runs for factor in keep_signs(resolve(run))])
    return resolve([with_mark(Label(size, frozen=reason), mark)])


def _met(factors: Sequence[Factor]) -> Mark | None:
    """The mark of products of entries with the marks of all of these."""
    marks = [factor.mark for factor in factors if isinstance(factor, Marked)]
    return reduce(lambda a, b: a.meet(b, is_product=True), marks) if marks else None


def split_factor(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """A factor as two, the slower of size `outer`; a label stays so for all who hold it."""
    inner = factor.size // outer
    if isinstance(factor, Flat):
        return type(factor)(outer), type(factor)(inner)
    if isinstance(factor, Marked):  # labels were split in walks before those that mark them
        mark = factor.mark.keep()
        parts = (Label(size, frozen=MISFIT) for size in (outer, inner))
        one, other = (with_mark(part, mark) for part in parts)
        return one, other
    label = factor.root
    if label.segments:
        freeze((label,), MISFIT)
    origin = label.origin
    if origin is not None:
        origin = origin._replace(step=origin.step * inner)
    parts = (Label(outer, origin, label.frozen), Label(inner, None, label.frozen))
    label.factors = parts
    return parts


def split_run(run: Sequence[Factor], sizes: Sequence[int]) -> list[Run] | None:
    """A run as several that together are the same entries; None where its factors do not fit."""
    rest, found = list(resolve(run)), []
    for size in sizes:
        part: list[Factor] = []
        while size_of(part) < size:
            missing = size // size_of(part)
            factor = rest.pop(0)
            if missing % factor.size == 0:
                part.append(factor)
            elif factor.size % missing == 0:
                outer, inner = split_factor(factor, missing)
                part.append(outer)
                rest.insert(0, inner)
            else:
                return None
        if size_of(part) != size:
            return None
        found.append(tuple(part))
    return found


def unify(one: Sequence[Factor], other: Sequence[Factor], *, is_product: bool = False) -> Run:
    """Two axes whose entries meet one to one are the same from now on; gives what they are.

    Where entries are multiplied, signs are too; else both must have the same.
    """
    left, right = ([x for x in resolve(run) if x.size > 1] for run in (one, other))
    if not left and not right:
        mark = _met([*resolve(one), *resolve(other)])
        return resolve([with_mark(Label(1, frozen=""), mark)])
    found: list[Factor] = []
    while left and right:
        a, b = left.pop(0), right.pop(0)
        if a.size != b.size:
            large, small, rest = (a, b, left) if a.size > b.size else (b, a, right)
            if large.size % small.size:
                freeze([*left, *right, a, b], MISFIT)
                return (*found, a, *left)
            large, inner = split_factor(large, small.size)
            rest.insert(0, inner)
            a, b = (large, small) if rest is left else (small, large)
        found.append(_unify_factors(a, b, is_product))
    return resolve(found)


def _unify_factors(a: Factor, b: Factor, is_product: bool) -> Factor:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Zeros):
            return one if is_product else other
    if isinstance(a, Marked) and isinstance(b, Marked):
        return Marked(a.label, a.mark.meet(b.mark, is_product=is_product))
    if isinstance(a, Marked) or isinstance(b, Marked):
        if not is_product:
            keep_signs((a, b))
        return a if isinstance(a, Marked) else b
    if isinstance(a, Flat):
        return b
    if isinstance(b, Flat):
        return a
    return _join(a.root, b.root)


def _join(a: Label, b: Label) -> Label:
    if a is b:
        return a
    if a.factors is not None and b.factors is not None:
        a.factors = unify(a.factors, b.factors)
    elif (a.segments or b.segments) and (a.factors or b.factors):
        freeze((a, b), MISFIT)
    elif a.segments and b.segments:
        join_segments(a, b)
    a.factors = a.factors or b.factors
    a.segments = a.segments or b.segments
    a.origin = a.origin or b.origin
    reason = MISFIT if MISFIT in (a.frozen, b.frozen) else a.frozen or b.frozen
    b.joined = a
    if reason is not None:
        freeze((a,), reason)
    return a


def leaves_of(label: Label) -> list[Label]:
    """The smallest segments of a label, in their order; a label without any is its own."""
    label = label.root
    if not label.segments:
        return [label]
    return [leaf for segment in label.segments for leaf in leaves_of(segment)]


def smallest(run: Sequence[Factor]) -> list[Label]:
    """The labels of a run that stand for themselves, segment by segment."""
    leaves = (leaf for label in labels_in(run) for leaf in leaves_of(label))
    return [one for leaf in leaves for one in labels_in((leaf,))]


def divide(label: Label, place: int) -> None:
    """Let segments of a label end at a place."""
    start = 0
    for leaf in leaves_of(label):
        if start < place < start + leaf.size:
            if leaf.factors is not None:
                freeze((leaf,), MISFIT)
            sizes = (place - start, leaf.size - (place - start))
            leaf.segments = (
                Label(sizes[0], frozen=leaf.frozen),
                Label(sizes[1], frozen=leaf.frozen),
            )
        start += leaf.size


def part_of(label: Label, start: int, stop: int) -> Label:
    """A range of a label that is made of whole segments; the same one each time."""
    label = label.root
    if (start, stop) == (0, label.size):
        return label
    if (start, stop) not in label.parts:
        inside, at = list[Label](), 0
        for leaf in leaves_of(label):
            if start <= at and at + leaf.size <= stop:
                inside.append(leaf)
            at += leaf.size
        whole = Label(stop - start, frozen=label.frozen, segments=tuple(inside))
        label.parts[start, stop] = inside[0] if len(inside) == 1 else whole
    return label.parts[start, stop]


def join_segments(a: Label, b: Label) -> None:
    """The segments of two labels that are joined: cut alike, and joined one by one."""
    for one, other in ((a, b), (b, a)):
        end = 0
        for leaf in leaves_of(one)[:-1]:
            end += leaf.size
            divide(other, end)
    for one, other in zip(leaves_of(a), leaves_of(b), strict=True):
        unify((one,), (other,))
