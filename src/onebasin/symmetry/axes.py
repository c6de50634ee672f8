"""Axes, Blocks and Symmetry: which array axes are the same hidden units.

A symmetry is data: a pytree shaped like the params whose leaves name each array axis.
What to do with it (permuting, matching) lives in the modules that take it; how arrays are laid
out so that every axis lists one thing is `layout`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Params, Permutation
from onebasin.symmetry import layout

Name: TypeAlias = str | tuple[str | int, ...] | None
"""What an axis lists: a group's units, entries that never move, or several in row-major order."""


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Axes:
    """The group of every axis of one array; axes of one name are permuted together.

    `Axes(None, "hidden")` says that axis 0 never moves and axis 1 lists the units of `hidden`.
    `Axes(("channels", 49), None)` lists 49 entries that stay together for each channel.
    """

    names: tuple[Name, ...]

    def __init__(self, *names: Name):
        object.__setattr__(self, "names", names)

    def __repr__(self) -> str:
        return f"Axes({', '.join(map(repr, self.names))})"

    @property
    def is_plain(self) -> bool:
        """Whether every axis lists one thing."""
        return not any(isinstance(name, tuple) for name in self.names)


@dataclasses.dataclass(frozen=True, repr=False)
class Blocks:
    """The Axes of an array that is cut into segments, one for each block in row-major order.

    `Blocks([[8], [6, 6]], [Axes("in", "up"), Axes("in", "gate")])` is an array of shape (8, 12)
    whose columns list six units of `up` and then six of `gate`.
    """

    cuts: tuple[tuple[int, ...], ...]
    axes: tuple[Axes, ...]

    def __init__(self, cuts: Sequence[Sequence[int]], axes: Sequence[Axes]):
        object.__setattr__(self, "cuts", tuple(tuple(sizes) for sizes in cuts))
        object.__setattr__(self, "axes", tuple(axes))
        wanted = math.prod(map(len, self.cuts))
        if wanted != len(self.axes):
            raise ValueError(
                f"Blocks must have one Axes for each of the {wanted} blocks that the cuts make. "
                f"Got {len(self.axes)}."
            )

    def __repr__(self) -> str:
        return f"Blocks({[list(sizes) for sizes in self.cuts]}, {list(self.axes)})"


def _is_axes(leaf: Any) -> bool:
    return isinstance(leaf, Axes | Blocks)


class Place(NamedTuple):
    """Where a group occurs: the path of a leaf and one of its axes."""

    leaf: str
    axis: int


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """The permutation symmetry of a network: a pytree of `Axes` and the units in each group.

    Permuting the units of any group leaves the network's function as it is; nothing here
    proves that. Make one with `Symmetry.of`, which reads the sizes off the params, or with
    `find_symmetry`, which reads it off the function.

    `nested` names the groups inside whose units a group is permuted, each time anew: the
    dimensions of a head inside its head. `fixed` are names that never move but hold nested groups.
    `frozen` says of axes that never move why; it is told, not compared.
    """

    axes: Any
    sizes: dict[str, int]
    nested: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    fixed: dict[str, int] = dataclasses.field(default_factory=dict)
    frozen: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        from onebasin.symmetry.describe import as_text  # it knows of this class

        return as_text(self)

    def _repr_html_(self) -> str:
        from onebasin.symmetry.describe import as_html

        return as_html(self)

    def __hash__(self) -> int:
        # Dicts do not hash; networks that differ in their axes alone are rare and still unequal.
        return hash(tuple(self.sizes.items()))

    @classmethod
    def of(
        cls,
        axes: Any,
        params: Params,
        *,
        sizes: Mapping[str, int] | None = None,
        nested: Mapping[str, Sequence[str]] | None = None,
        fixed: Sequence[str] = (),
    ) -> "Symmetry":
        """The symmetry that `axes` declares for arrays shaped like `params`.

        `sizes` are those that shapes leave open, where an axis lists several groups.

        Raises: ValueError where the trees, the number of axes or the sizes in a group disagree.
        """
        leaves = _trees.named_leaves(params)
        named = _trees.named_leaves(axes, _is_axes)
        if list(named) != list(leaves):
            raise ValueError(
                "A symmetry must have one Axes for each leaf of the params. "
                f"Got Axes at {sorted(named)} for leaves {sorted(leaves)}."
            )
        shapes = {name: np.shape(leaf) for name, leaf in leaves.items()}
        found = dict(sorted(layout.sizes(named, shapes, dict(sizes or {})).items()))
        held = {group: tuple(parents) for group, parents in (nested or {}).items()}
        unknown = {*held, *(p for parents in held.values() for p in parents), *fixed} - set(found)
        if unknown:
            raise ValueError(
                f"nested and fixed must name what the Axes name, {sorted(found)}. "
                f"Got {sorted(unknown)}."
            )
        still = {name: found.pop(name) for name in fixed}
        return cls(axes, found, held, still)

    @property
    def named(self) -> dict[str, Axes | Blocks]:
        """The Axes or Blocks of every leaf of the params, by path."""
        return _trees.named_leaves(self.axes, _is_axes)

    @cached_property
    def pieces(self) -> dict[str, layout.Piece]:
        """Parts of the params of which every axis lists one thing, by name."""
        return layout.pieces(self.named, {**self.sizes, **self.fixed})

    @property
    def is_plain(self) -> bool:
        """Whether every axis of every leaf lists one thing."""
        return all(isinstance(axes, Axes) and axes.is_plain for axes in self.named.values())

    @property
    def leaves(self) -> dict[str, Axes]:
        """The Axes of every leaf by path; where leaves list several things, of their pieces."""
        if self.is_plain:
            return _trees.named_leaves(self.axes, _is_axes)
        return {name: Axes(*piece.names) for name, piece in self.pieces.items()}

    def check_simple(self, purpose: str) -> None:
        """Raise ValueError where arrays list several things or groups are nested."""
        if self.nested or not self.is_plain:
            raise ValueError(
                f"{purpose} needs a symmetry whose arrays list one group an axis, none of them "
                f"nested. Got groups {sorted(self.sizes)}, nested {self.nested}."
            )

    def unfold(self, params: Params, num_batch_axes: int = 0) -> Params:
        """The params in pieces of which every axis lists one thing, behind batch axes."""
        if self.is_plain:
            return params
        return layout.unfold(_trees.named_leaves(params), self.pieces, num_batch_axes)

    def fold(self, unfolded: Params, like: Params, num_batch_axes: int = 0) -> Params:
        """The params again from their pieces: the inverse of `unfold`."""
        if self.is_plain:
            return unfolded
        leaves = _trees.named_leaves(like)
        whole = layout.fold(_trees.named_leaves(unfolded), leaves, self.pieces, num_batch_axes)
        return _trees.rebuild(whole, like)

    def places(self, group: str) -> list[Place]:
        """Every axis of `leaves` that lists the units of a group."""
        return [
            Place(leaf, axis)
            for leaf, axes in self.leaves.items()
            for axis, name in enumerate(axes.names)
            if name == group
        ]

    def around(self, group: str) -> tuple[int, ...]:
        """How many units there are of each of the groups that one is nested in."""
        known = {**self.sizes, **self.fixed}
        return tuple(known[name] for name in self.nested.get(group, ()))

    def identity(self, *batch: int) -> Permutation:
        """The permutation that moves nothing, repeated over leading batch axes."""
        return {
            group: np.broadcast_to(np.arange(n), (*batch, *self.around(group), n)).copy()
            for group, n in self.sizes.items()
        }

    def log10_num_equivalent(self) -> float:
        r"""The decimal logarithm of the number of equivalent weight settings, $\sum \log n!$.

        A nested group counts once for each unit that it is nested in.
        """
        terms = (math.prod(self.around(g)) * math.lgamma(n + 1) for g, n in self.sizes.items())
        return sum(terms) / math.log(10)

    def check(self, params: Params, num_batch_axes: int = 0) -> None:
        """Raise ValueError where params (behind batch axes) do not fit this symmetry."""
        shapes = jax.tree.map(
            lambda leaf: np.empty(np.shape(leaf)[num_batch_axes:], np.bool_), params
        )
        known = {**self.sizes, **self.fixed}
        given = {} if self.is_plain else known
        found = Symmetry.of(self.axes, shapes, sizes=given)
        if found.sizes != known:
            raise ValueError(
                f"The params must have the units that the symmetry lists, {known}. "
                f"Got {found.sizes}. Were they drawn from another network?"
            )
