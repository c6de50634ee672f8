"""Axes, Blocks, Sign: how one says what lies along the axes of arrays, and of which function.

These are values without behavior; the `Symmetry` of all arrays of a network is made of them.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from onebasin._collections import of_network

Name: TypeAlias = str | tuple[str | int, ...] | None
"""What an axis lists: a group's units, entries that never move, or several in row-major order."""

Role: TypeAlias = Literal["makes", "reads"]
"""What an axis does with units: it makes those that it lists (kernels' outputs, biases, scales),
or reads those of the layer before."""

Roles: TypeAlias = dict[str, tuple[Role | None, ...]]
"""The role of every axis of every leaf, by path; None where it is not known."""


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Axes:
    """The group of every axis of one array. Axes of one name are permuted together.

    Each argument is the group of one axis: a name, None for an axis that never moves, or a tuple of
    names and counts for an axis that is split before it is permuted.

    Examples:
        >>> kernel = ob.Axes(None, "hidden")  # axis 0 never moves, axis 1 lists the units of hidden
        >>> bias = ob.Axes("hidden")  # these move along
        >>> flat = ob.Axes(("channels", 49), None)  # 49 rows for each channel stay together
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

    Axes may be split before they are cut. `Blocks([[8], [2], [5, 5]], ...)` fits an array of shape
    (8, 20) whose columns list two heads, and for each of them first five units of one group and
    then five of another.

    Examples:
        >>> halves = [ob.Axes("in", "up"), ob.Axes("in", "gate")]
        >>> both = ob.symmetry.Blocks([[8], [6, 6]], halves)  # shape (8, 12): 6 columns of each
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


def is_axes(leaf: Any) -> bool:
    """Whether a node of a symmetry's tree says what lies along the axes of one array."""
    return isinstance(leaf, Axes | Blocks)


class Place(NamedTuple):
    """Where a group occurs: the path of a leaf and one of its axes."""

    leaf: str
    axis: int


class Sign(NamedTuple):
    """What changes sign with a unit of a group and leaves the function as it is.

    If an array lists several things, a place names one of its pieces.

    Examples:
        >>> Place = ob.symmetry.Place
        >>> places = (Place("in/kernel", 1), Place("in/bias", 0), Place("out/kernel", 0))
        >>> sign = ob.symmetry.Sign("hidden", places)  # a layer whose activation is odd
    """

    group: str
    places: tuple[Place, ...]

    def within(self, prefixes: Sequence[str]) -> "Sign":
        """The same sign of a tree that holds the params under names, and flips all of them."""
        found = [Place(below(one, leaf), axis) for one in prefixes for leaf, axis in self.places]
        return self._replace(places=tuple(found))


def below(prefix: str, leaf: str) -> str:
    """The path of a leaf in a tree that holds it under a name; an empty one is the top itself."""
    return "/".join(filter(None, (prefix, leaf)))


@dataclasses.dataclass(eq=False)
class Function:
    """A function of params, and its other inputs or their shapes.

    `is_declared` says that somebody wrote the symmetry down: then it is refused if it is wrong, and
    compared with what is found, once (`is_compared`). What is found out about the function is kept:
    `passed` is what was tried of it, `roles` what its params do, `scalings` how its units may be
    scaled, `held` the same function of larger trees.
    """

    apply: Callable[..., Any]
    inputs: tuple[Any, ...]
    passed: dict[Any, bool] = dataclasses.field(default_factory=dict)
    is_declared: bool = False
    is_compared: bool = False
    roles: Roles | None = None
    scalings: Any = None
    held: dict[str, "Function"] = dataclasses.field(default_factory=dict)

    def within(self, name: str) -> "Function":
        """The same function of a tree that holds its params under a name."""
        if name not in self.held:
            apply = partial(_apply_below, self.apply, name)
            self.held[name] = Function(apply, self.inputs, is_declared=self.is_declared)
        return self.held[name]


def _apply_below(apply: Callable[..., Any], name: str, tree: Any, *inputs: Any) -> Any:
    return apply(tree[name] if name else of_network(tree), *inputs)


class Part(NamedTuple):
    """One thing that a symmetry may move by itself: the units of a group, or one sign of them."""

    kind: Literal["units", "signs"]
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "units" else f"signs of {self.name}"
