"""Symmetry: which array axes are the same hidden units.

A symmetry is data: a pytree shaped like the params whose leaves name each array axis.
What to do with it (permuting, matching) lives in the modules that take it; how arrays are laid
out so that every axis lists one thing is `layout`.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from onebasin import _trees
from onebasin._collections import arranged, statistics_in, without_statistics
from onebasin.symmetry import as_json, layout
from onebasin.symmetry.axes_values import (
    Axes as Axes,
    Blocks as Blocks,
    Function as Function,
    Part as Part,
    Place as Place,
    Role as Role,
    Roles as Roles,
    Sign as Sign,
    below,
    is_axes,
)
from onebasin.symmetry.describe import Description, GroupRow
from onebasin.symmetry.permutation import Permutation, joined_permutation
from onebasin.symmetry.permutation_checks import check_known
from onebasin.symmetry.spelling import check_spelling
from onebasin.types import Array, Params


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """The permutation symmetry of a network: a pytree of `Axes` and the units in each group.

    It claims that permuting the units of any group leaves the network's function as it is. It does
    not prove that: `verify` checks it numerically. Make a symmetry with `Symmetry.of`, which reads
    the sizes off the params, or with `find_symmetry`, which reads all off the function.

    Args:
        axes: A pytree shaped like the params, with an `Axes` or `Blocks` for each array.
        sizes: The number of units in each group.
        nested: The groups inside whose units a group is permuted, for each unit anew: the
            dimensions of an attention head inside the head.
        fixed: Names that never move but hold nested groups.
        signs: Optional sign flips, by the name of their entry in a permutation. If an activation is
            odd, the weights into and out of a unit may change sign together. A group may have
            several or none.
        frozen: For each axis that cannot be permuted, the reason. `==` ignores it, as it does the
            next three.
        roles: For each axis, whether it makes units or reads them.
        function: The function that this symmetry claims to preserve. `align` tests it.
        dropped: The groups and signs that failed in that test.

    Examples:
        >>> weights = {"in": np.zeros((3, 8)), "out": np.zeros((8, 1))}
        >>> axes = {"in": ob.Axes(None, "hidden"), "out": ob.Axes("hidden", None)}
        >>> ob.Symmetry.of(axes, weights).sizes["hidden"]
        8
    """

    axes: Any
    sizes: dict[str, int]
    nested: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    fixed: dict[str, int] = dataclasses.field(default_factory=dict)
    signs: dict[str, Sign] = dataclasses.field(default_factory=dict)
    frozen: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    roles: Roles = dataclasses.field(default_factory=dict, compare=False, repr=False)
    function: Function | None = dataclasses.field(default=None, compare=False, repr=False)
    dropped: tuple[Part, ...] = dataclasses.field(default=(), compare=False)

    def __str__(self) -> str:
        return self._description().as_text()

    def _repr_html_(self) -> str:
        return self._description().as_html()

    def _description(self) -> Description:
        rows = [self._row(group) for group in self.sizes]
        return Description(rows, self.log10_num_equivalent(), self.frozen)

    def _row(self, group: str) -> GroupRow:
        num_signs = sum(sign.group == group for sign in self.signs.values())
        around = zip(self.nested.get(group, ()), self.around(group), strict=True)
        places = {  # each once, though segments of one axis are several pieces
            f"{piece.leaf}:{axis}": None
            for piece in self.pieces.values()
            for axis, name in zip(piece.axes, piece.names, strict=True)
            if name == group
        }
        return GroupRow(
            group,
            f"{self.sizes[group]:,}",
            " x ".join(f"{name} ({size})" for name, size in around),
            f"{num_signs} each" if num_signs else "",
            f"{self.log10_num_arrangements(group):.1f}",
            ", ".join(places),
        )

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
        signs: Sequence[Sign] = (),
        roles: Mapping[str, Sequence[Role | None]] | None = None,
    ) -> "Symmetry":
        """The symmetry that `axes` declares for arrays shaped like `params`.

        `sizes` gives the sizes that shapes do not determine, if an axis lists several groups.
        `roles={"w": ("reads", "makes")}` says for each axis whether it reads or makes units.

        Raises: ValueError if the trees, the number of axes or the sizes in a group disagree, if a
        name looks like a misspelled name of another group, or if the axes of a sign or a role do
        not fit.
        """
        found = layout.sizes_of(axes, params, dict(sizes or {}))
        check_spelling(found, _trees.named_leaves(axes, is_axes))
        held = {group: tuple(parents) for group, parents in (nested or {}).items()}
        layout.check_names({*held, *(p for some in held.values() for p in some), *fixed}, found)
        still = {name: found.pop(name) for name in fixed}
        shapes = {name: np.shape(leaf) for name, leaf in _trees.named_leaves(params).items()}
        said = layout.checked_roles(roles or {}, shapes)
        return cls(axes, found, held, still, roles=said).with_signs(signs)

    def with_signs(self, signs: Sequence[Sign]) -> "Symmetry":
        """The same groups with these signs, and no others; their entries are named in turn.

        Raises: ValueError for a sign of axes that do not list its group.
        """
        named: dict[str, Sign] = {}
        for sign in signs:
            for leaf, axis in sign.places:
                axes = self.leaves.get(leaf, Axes()).names
                if axis >= len(axes) or axes[axis] != sign.group or sign.group not in self.sizes:
                    raise ValueError(
                        f"A sign must be of axes that list its group. Got {leaf!r}, axis {axis}, "
                        f"for {sign.group!r}. Its axes are {self.places(sign.group)}."
                    )
            named[self._name_of_sign(sign.group, named)] = sign
        return dataclasses.replace(self, signs=named)

    def _name_of_sign(self, group: str, taken: Mapping[str, Sign]) -> str:
        """The group's name, or for a further sign the first one of `group 2`, ... that is free."""
        numbered = (f"{group} {number}" for number in itertools.count(2))
        free = (name for name in numbered if name not in taken and name not in self.sizes)
        return next(free) if group in taken else group

    def to_json(self) -> str:
        """The symmetry as JSON, without the function that it is of. `from_json` reads it.

        Examples:
            >>> ob.Symmetry.from_json(symmetry.to_json()) == symmetry
            True
        """
        return as_json.as_json(vars(self))

    @classmethod
    def from_json(cls, text: str, like: Params | None = None) -> "Symmetry":
        """The symmetry that `to_json` wrote. `align` cannot test it before it knows the function.

        Params of the network, as `like`, are needed if their tree has nodes that are no dicts,
        lists or tuples, as modules of Equinox.

        Raises:
            ValueError: If the text is something else, or `like` is missing or of another network.
        """
        return cls(**as_json.from_json(text, like))

    def within(self, axes: Any, prefixes: Sequence[str]) -> "Symmetry":
        """The same groups of a larger tree, `axes`; what lies below `prefixes` changes sign.

        The function is that of the params below the first of these.
        """
        signs = {name: sign.within(prefixes) for name, sign in self.signs.items()}
        roles = {below(one, leaf): said for one in prefixes for leaf, said in self.roles.items()}
        function = self.function and self.function.within(prefixes[0])
        return dataclasses.replace(self, axes=axes, signs=signs, roles=roles, function=function)

    @cached_property
    def of_weights(self) -> "Symmetry":
        """The same groups of the weights alone, as matchings see them: no running statistics."""
        held = statistics_in(self.axes, is_axes)
        if not held:
            return self
        is_kept = lambda place: self.pieces[place.leaf].leaf not in held
        signs = {
            name: sign._replace(places=tuple(filter(is_kept, sign.places)))
            for name, sign in self.signs.items()
        }
        axes = without_statistics(self.axes)
        return dataclasses.replace(self, axes=axes, signs=signs, function=None)

    @property
    def parts(self) -> list[Part]:
        """Everything that may move by itself: groups, and then signs."""
        units = [Part("units", group) for group in self.sizes]
        return [*units, *(Part("signs", name) for name in self.signs)]

    @cached_property
    def named(self) -> dict[str, Axes | Blocks]:
        """The Axes or Blocks of every leaf of the params, by path."""
        return _trees.named_leaves(self.axes, is_axes)

    @cached_property
    def pieces(self) -> dict[str, layout.Piece]:
        """Parts of the params of which every axis lists one thing, by name."""
        return layout.pieces(self.named, {**self.sizes, **self.fixed})

    @cached_property
    def is_plain(self) -> bool:
        """Whether every axis of every leaf lists one thing."""
        return all(isinstance(axes, Axes) and axes.is_plain for axes in self.named.values())

    @cached_property
    def leaves(self) -> dict[str, Axes]:
        """The Axes of every leaf by path. If a leaf lists several things, of each of its pieces."""
        if self.is_plain:
            return _trees.named_leaves(self.axes, is_axes)
        return {name: Axes(*piece.names) for name, piece in self.pieces.items()}

    @property
    def is_simple(self) -> bool:
        """Whether every axis of every leaf lists one thing and no group is nested in another."""
        return self.is_plain and not self.nested

    def check_simple(self, purpose: str) -> None:
        """Raise ValueError if an axis lists several things or groups are nested."""
        if not self.is_simple:
            raise ValueError(
                f"{purpose} needs a symmetry whose arrays list one group an axis, none of them "
                f"nested. Got groups {sorted(self.sizes)}, nested {self.nested}."
            )

    def unfold(self, params: Params, num_batch_axes: int = 0) -> Params:
        """The params in pieces of which every axis lists one thing, with batch axes in front."""
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
        return self._places.get(group, [])

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for leaf, axes in self.leaves.items():
            for axis, name in enumerate(axes.names):
                if isinstance(name, str):
                    found.setdefault(name, []).append(Place(leaf, axis))
        return found

    def flips(self, leaf: str) -> list[tuple[str, int]]:
        """The signs that an array of `leaves` takes, each with the axis that lists its units."""
        return self._flips.get(leaf, [])

    @cached_property
    def _flips(self) -> dict[str, list[tuple[str, int]]]:
        found: dict[str, list[tuple[str, int]]] = {}
        for name, sign in self.signs.items():
            for leaf, axis in sign.places:
                found.setdefault(leaf, []).append((name, axis))
        return found

    def around(self, group: str) -> tuple[int, ...]:
        """How many units there are of each of the groups that one is nested in."""
        known = {**self.sizes, **self.fixed}
        return tuple(known[name] for name in self.nested.get(group, ()))

    def identity(self, *batch: int) -> Permutation:
        """The permutation that moves and flips nothing, repeated over leading batch axes."""
        units = {
            group: np.broadcast_to(np.arange(n), (*batch, *self.around(group), n)).copy()
            for group, n in self.sizes.items()
        }
        signs = {
            name: np.ones((*batch, *self.around(sign.group), self.sizes[sign.group]), np.int8)
            for name, sign in self.signs.items()
        }
        return self.joined(units, signs)

    def joined(self, units: Mapping[str, Array], signs: Mapping[str, Array]) -> Permutation:
        """A permutation of entries that are known to be right: nothing is checked."""
        return joined_permutation(units, signs, self.nested, self.sign_groups)

    @property
    def sign_groups(self) -> dict[str, str]:
        """The group of each sign."""
        return {name: sign.group for name, sign in self.signs.items()}

    def permutation(
        self, units: Mapping[str, Any], signs: Mapping[str, Any] | None = None
    ) -> Permutation:
        """A permutation of this symmetry's groups and signs, which knows how they are nested.

        Raises:
            ValueError: For unknown names, and if an entry is no permutation of its group's units.

        Examples:
            >>> symmetry.permutation({"hidden_0": [1, 0, 2, 3, 4, 5, 6, 7]}).batch
            ()
        """
        made = Permutation(units, signs, nested=self.nested, sign_groups=self.sign_groups)
        return self.checked(made)

    def checked(self, permutation: Permutation) -> Permutation:
        """A permutation as one of this symmetry, which leaves signs aside if it has none.

        Raises:
            ValueError: If the permutation has other groups, other signs or other units.
        """
        signs = permutation.signs
        if not self.signs:
            signs = {
                name: entry
                for name, entry in signs.items()
                if permutation.sign_groups[name] not in self.sizes
            }
        for group in permutation.units:
            check_known("Groups", group, self.sizes)
        for name in signs:
            check_known("Signs", name, self.signs)
        entries = [("units", group, group, p) for group, p in permutation.units.items()]
        entries += [("signs", name, self.signs[name].group, p) for name, p in signs.items()]
        for kind, name, group, entry in entries:
            own = (*self.around(group), self.sizes[group])
            if entry.shape[max(0, entry.ndim - len(own)) :] != own:
                raise ValueError(
                    f"{kind}[{name!r}] must have a shape that ends in {own}, the units of the "
                    f"group. Got {entry.shape}."
                )
        return self.joined(permutation.units, signs)

    def log10_num_equivalent(self) -> float:
        r"""The decimal logarithm of the number of equivalent weight settings.

        $\sum \log n!$ over groups, and $n \log 2$ for each of their signs; a nested group counts
        once for each unit that it is nested in.
        """
        return sum((self.log10_num_arrangements(group) for group in self.sizes), 0.0)

    def log10_num_arrangements(self, group: str) -> float:
        """The share that one group has in `log10_num_equivalent`."""
        units, each = self.sizes[group], math.prod(self.around(group))
        num_signs = sum(sign.group == group for sign in self.signs.values())
        return each * (math.lgamma(units + 1) / math.log(10) + units * num_signs * math.log10(2))

    def arranged(self, params: Params) -> Params:
        """The params with the structure of the symmetry, also if they are a PyTorch state_dict."""
        return arranged(params, self.axes)

    def check(self, params: Params, num_batch_axes: int = 0) -> None:
        """Raise ValueError if params (after their batch axes) do not fit this symmetry."""
        known = {**self.sizes, **self.fixed}
        given = {} if self.is_plain else known
        found = layout.sizes_of(self.axes, params, given, num_batch_axes)
        if found != known:
            raise ValueError(
                f"The params must have the units that the symmetry lists, {known}. "
                f"Got {found}. Were they drawn from another network?"
            )
