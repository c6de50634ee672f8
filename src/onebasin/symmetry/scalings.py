"""scalings_of: with which powers of a unit's scale its weights go, so that its function stays."""

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from onebasin import _trees
from onebasin._types import Params
from onebasin.symmetry.axes import Place, Symmetry
from onebasin.symmetry.axes_values import Function
from onebasin.symmetry.discovery.scales import Scaling, Spot
from onebasin.symmetry.discovery.walk import scalings_in
from onebasin.symmetry.layout import Piece
from onebasin.symmetry.roles import argument_shapes, roles_of_leaves, unknown_role

Powers: TypeAlias = dict[Place, float]
"""A power for each axis of `symmetry.leaves` at which a unit takes part."""


def scalings_of(symmetry: Symmetry, params: Params) -> dict[str, list[Powers]]:
    """The ways to scale the units of every group, each with powers above and below 0.

    They are read off the function that the symmetry is declared of, once. Without a function, what
    makes units goes with the power 1 and what reads them with -1, as is right for dense layers
    behind relu; then nothing here can tell whether the network is such.

    Raises: ValueError for a group whose units cannot be scaled, or whose roles are not known.
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
    found: dict[str, list[Powers]] = {}
    for group in symmetry.sizes:
        places = symmetry.places(group)
        found[group] = [one for one in known if one.keys() <= set(places) and _is_balance(one)]
        if not found[group]:
            raise ValueError(
                f"Units to be balanced may be scaled without changing the function. Got {group!r}, "
                "whose units cannot. Is its activation relu or another with f(s x) = s f(x)? "
                "Leave the group out of the symmetry."
            )
        for powers in found[group]:
            check_once(group, powers)
    return found


def check_once(group: str, places: Iterable[Place]) -> None:
    """Raise ValueError where an array lists the units of a group on two of its axes."""
    leaves = [place.leaf for place in places]
    repeated = sorted({leaf for leaf in leaves if leaves.count(leaf) > 1})
    if repeated:
        raise ValueError(
            "A group to be balanced may stand on one axis of each array. Got two of "
            f"{repeated[0]} for {group!r}. Leave the group out of the symmetry."
        )


def _is_balance(powers: Powers) -> bool:
    return min(powers.values()) < 0 < max(powers.values())


def _of_function(function: Function, params: Params) -> list[Scaling]:
    if function.scalings is None:
        function.scalings = scalings_in(function.apply, *argument_shapes(function, params))
    return function.scalings


def _spots(piece: Piece, shape: tuple[int, ...]) -> list[Spot]:
    """Where in its leaf every axis of a piece lists units."""
    if piece.split not in (None, shape):
        return []  # of units that lie inside of others in segments no scales are found
    sizes = tuple(
        size if length is None else length
        for length, size in zip(piece.lengths, shape, strict=True)
    )
    found: list[Spot] = []
    for axis, factors in enumerate(piece.factors):
        lengths = [sizes[axis] if factor is None else factor for factor in factors]
        for at, units in enumerate(lengths):
            step = math.prod(lengths[at + 1 :])
            found.append(Spot(piece.leaf, piece.starts, sizes, axis, units, step))
    return found


def _by_roles(symmetry: Symmetry, params: Params, group: str) -> Powers:
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
