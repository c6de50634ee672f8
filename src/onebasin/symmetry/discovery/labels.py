"""Label: what lies along an array axis, and what is known of which labels are the same.

An axis is a *run* of factors in row-major order, the first moving slowest. A factor is a label
(entries that have an identity and may be permuted together) or a `Flat` (entries that are all
equal). Labels are joined where a network needs them to be the same, split into factors where it
reshapes them, and frozen where it depends on their order.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias


class Origin(NamedTuple):
    """Where a label can be cut: an axis of an argument, from where, and entries in one step."""

    argument: int
    axis: int
    start: int
    step: int


@dataclasses.dataclass(eq=False)
class Label:
    """The entries along an axis. Look at `root`: it may have been joined to another."""

    size: int
    origin: Origin | None = None
    frozen: str | None = None
    factors: "Run | None" = None
    joined: "Label | None" = None
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


Factor: TypeAlias = Label | Flat
Run: TypeAlias = tuple[Factor, ...]


def size_of(run: Sequence[Factor]) -> int:
    """The number of entries of an axis."""
    return math.prod(factor.size for factor in run)


def resolve(run: Sequence[Factor]) -> Run:
    """The run in its smallest factors that are known, without those of size 1."""
    found: list[Factor] = []
    for factor in run:
        if factor.size == 1:
            continue
        if isinstance(factor, Label):
            factor = factor.root
            if factor.factors is not None:
                found.extend(resolve(factor.factors))
                continue
        if isinstance(factor, Flat) and found and isinstance(found[-1], Flat):
            found[-1] = Flat(found[-1].size * factor.size)
        else:
            found.append(factor)
    return tuple(found)


def labels_in(run: Sequence[Factor]) -> list[Label]:
    """The labels of a run that stand for themselves."""
    return [factor for factor in resolve(run) if isinstance(factor, Label)]


def freeze(run: Sequence[Factor], reason: str) -> None:
    """The entries of a run keep their order from now on; the first reason is kept."""
    for label in labels_in(run):
        if label.frozen is None:
            label.frozen = reason


def frozen_run(size: int, reason: str) -> Run:
    """An axis whose entries keep their order."""
    return (Label(size, frozen=reason),) if size > 1 else ()


def split_factor(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """A factor as two, the slower of size `outer`; a label stays so for all who hold it."""
    inner = factor.size // outer
    if isinstance(factor, Flat):
        return Flat(outer), Flat(inner)
    label = factor.root
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


MISFIT = "reshaped in two ways that do not fit"


def unify(one: Sequence[Factor], other: Sequence[Factor]) -> Run:
    """Two axes whose entries meet one to one are the same from now on; gives what they are."""
    left, right = list(resolve(one)), list(resolve(other))
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
        found.append(_unify_factors(a, b))
    return resolve(found)


def _unify_factors(a: Factor, b: Factor) -> Factor:
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
    a.factors = a.factors or b.factors
    a.origin = a.origin or b.origin
    reason = a.frozen or b.frozen
    b.joined = a
    if reason is not None:
        freeze((a,), reason)
    return a
