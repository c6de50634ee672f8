"""Axes and Symmetry: which array axes are the same hidden units.

A symmetry is data: a pytree shaped like the params whose leaves name each array axis.
What to do with it (permuting, matching) lives in the modules that take it.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Params, Permutation


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Axes:
    """The group of every axis of one array; axes of one name are permuted together.

    `Axes(None, "hidden")` says that axis 0 never moves and axis 1 lists the units of `hidden`.
    """

    names: tuple[str | None, ...]

    def __init__(self, *names: str | None):
        object.__setattr__(self, "names", names)

    def __repr__(self) -> str:
        return f"Axes({', '.join(map(repr, self.names))})"


def _is_axes(leaf: Any) -> bool:
    return isinstance(leaf, Axes)


class Place(NamedTuple):
    """Where a group occurs: the path of a leaf and one of its axes."""

    leaf: str
    axis: int


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """The permutation symmetry of a network: a pytree of `Axes` and the units in each group.

    Permuting the units of any group leaves the network's function as it is; nothing here
    proves that. Make one with `Symmetry.of`, which reads the sizes off the params.
    """

    axes: Any
    sizes: dict[str, int]

    def __hash__(self) -> int:
        # Dicts do not hash; networks that differ in their axes alone are rare and still unequal.
        return hash(tuple(self.sizes.items()))

    @classmethod
    def of(cls, axes: Any, params: Params) -> "Symmetry":
        """The symmetry that `axes` declares for arrays shaped like `params`.

        Raises: ValueError where the trees, the number of axes or the sizes in a group disagree.
        """
        leaves = _trees.named_leaves(params)
        named = _trees.named_leaves(axes, _is_axes)
        if list(named) != list(leaves):
            raise ValueError(
                "A symmetry must have one Axes for each leaf of the params. "
                f"Got Axes at {sorted(named)} for leaves {sorted(leaves)}."
            )
        sizes: dict[str, int] = {}
        for name, leaf in leaves.items():
            shape = np.shape(leaf)
            if len(named[name].names) != len(shape):
                raise ValueError(
                    f"Axes must name every axis of its array. Got {named[name]} for "
                    f"{name} of shape {shape}. Use None for an axis that never moves."
                )
            for group, length in zip(named[name].names, shape, strict=True):
                if group is not None and sizes.setdefault(group, length) != length:
                    raise ValueError(
                        f"All axes of a group must have one length. Group {group!r} has "
                        f"{sizes[group]} units, but {name} of shape {shape} has {length}."
                    )
        return cls(axes, dict(sorted(sizes.items())))

    @property
    def leaves(self) -> dict[str, Axes]:
        """The Axes of every leaf, by path."""
        return _trees.named_leaves(self.axes, _is_axes)

    def places(self, group: str) -> list[Place]:
        """Every array axis that lists the units of a group."""
        return [
            Place(leaf, axis)
            for leaf, axes in self.leaves.items()
            for axis, name in enumerate(axes.names)
            if name == group
        ]

    def identity(self, *batch: int) -> Permutation:
        """The permutation that moves nothing, repeated over leading batch axes."""
        return {
            group: np.broadcast_to(np.arange(size), (*batch, size)).copy()
            for group, size in self.sizes.items()
        }

    def log10_num_equivalent(self) -> float:
        """The decimal logarithm of the number of equivalent weight settings, sum log10 n!."""
        return sum(math.lgamma(size + 1) for size in self.sizes.values()) / math.log(10)

    def check(self, params: Params, num_batch_axes: int = 0) -> None:
        """Raise ValueError where params (behind batch axes) do not fit this symmetry."""
        shapes = jax.tree.map(
            lambda leaf: np.empty(np.shape(leaf)[num_batch_axes:], np.bool_), params
        )
        found = Symmetry.of(self.axes, shapes).sizes
        if found != self.sizes:
            raise ValueError(
                f"The params must have the units that the symmetry lists, {self.sizes}. "
                f"Got {found}. Were they drawn from another network?"
            )
