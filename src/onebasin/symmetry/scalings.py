r"""scalings_of: how the units of each group may be scaled without changing the function.

A *scaling* of a unit is a set of powers $p$, one for each of its weights: the function stays the
same if each weight $w$ becomes $s^p w$, for every $s > 0$. After relu, weights that make the unit
have the power 1, and those that read it -1.
"""

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from onebasin import _trees
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.symmetry.axes_values import Function
from onebasin.symmetry.discovery.scales import Scaling, Spot
from onebasin.symmetry.discovery.walk import scalings_in
from onebasin.symmetry.layout import Piece
from onebasin.symmetry.roles import argument_shapes, roles_of_leaves, unknown_role
from onebasin.types import Params

Powers: TypeAlias = dict[Place, float]
"""The power of each axis of `symmetry.leaves` that lists the units of a group."""


def scalings_of(symmetry: Symmetry, params: Params) -> dict[str, list[Powers]]:
    """The scalings of the units of every group that have powers above and below 0.

    They are read off the function that the symmetry is declared of, once. Without a function, axes
    that make units have the power 1 and axes that read them have -1. This is right for layers
    after relu, and nothing here checks that they are such.

    Raises:
        ValueError: If the units of a group cannot be scaled, or if their roles are not known.
    """
    if symmetry.function is None:
        return {group: [_by_roles(symmetry, params, group)] for group in symmetry.sizes}
    leaves = _trees.named_leaves(params)
    place_at = {
        spot: Place(name, axis)
        for name, piece in symmetry.pieces.items()
        for axis, spot in enumerate(_spots(piece, np.shape(leaves[piece.leaf])))
    }
    known = [
        {place_at[spot]: float(power) for spot, power in scaling.items() if spot in place_at}
        for scaling in _of_function(symmetry.function, params)
        if scaling.keys() <= place_at.keys()
    ]
    scalings: dict[str, list[Powers]] = {}
    for group in symmetry.sizes:
        places = symmetry.places(group)
        scalings[group] = [
            powers for powers in known if powers.keys() <= set(places) and _is_balance(powers)
        ]
        if not scalings[group]:
            raise ValueError(
                f"Units to be balanced may be scaled without changing the function. Got {group!r}, "
                "whose units cannot. Is its activation relu or another with f(s x) = s f(x)? "
                "Leave the group out of the symmetry."
            )
        for powers in scalings[group]:
            check_once(group, powers)
    return scalings


def check_once(group: str, places: Iterable[Place]) -> None:
    """Raise ValueError if an array lists the units of a group on two of its axes."""
    leaves = [place.leaf for place in places]
    repeated = sorted({leaf for leaf in leaves if leaves.count(leaf) > 1})
    if repeated:
        raise ValueError(
            "A group to be balanced may stand on one axis of each array. Got two of "
            f"{repeated[0]} for {group!r}. Leave the group out of the symmetry."
        )


def _is_balance(powers: Powers) -> bool:
    """Whether some weights grow and others shrink, so that there is a least norm."""
    return min(powers.values()) < 0 < max(powers.values())


def _of_function(function: Function, params: Params) -> list[Scaling]:
    """The scalings that the function shows; they are kept with the function."""
    if function.scalings is None:
        function.scalings = scalings_in(function.apply, *argument_shapes(function, params))
    return function.scalings


def _spots(piece: Piece, shape: tuple[int, ...]) -> list[Spot]:
    """For every axis of a piece, the entries of its leaf that it lists, as the walk names them.

    None for units inside of others whose axis is cut into segments: their scales are not found.
    """
    if piece.split not in (None, shape):
        return []
    sizes = tuple(
        size if length is None else length
        for length, size in zip(piece.lengths, shape, strict=True)
    )
    spots: list[Spot] = []
    for axis, factors in enumerate(piece.factors):
        lengths = [sizes[axis] if factor is None else factor for factor in factors]
        for at, units in enumerate(lengths):
            step = math.prod(lengths[at + 1 :])
            spots.append(Spot(piece.leaf, piece.starts, sizes, axis, units, step))
    return spots


def _by_roles(symmetry: Symmetry, params: Params, group: str) -> Powers:
    """The power 1 for axes that make the units of a group, and -1 for those that read them."""
    check_once(group, symmetry.places(group))
    roles = roles_of_leaves(symmetry, params)
    powers: Powers = {}
    for place in symmetry.places(group):
        role = roles[place.leaf][place.axis]
        if role is None:
            raise unknown_role("Balancing scales", place.leaf, place.axis)
        powers[place] = 1.0 if role == "makes" else -1.0
    makes = [place.leaf for place, power in powers.items() if power > 0]
    reads = [place.leaf for place, power in powers.items() if power < 0]
    if not makes or not reads:
        raise ValueError(
            "To be balanced a group needs incoming arrays (an axis that makes its units) and "
            f"outgoing ones (an axis that reads them). Got {makes} and {reads} for {group!r}. "
            "Leave the group out of the symmetry."
        )
    return powers
