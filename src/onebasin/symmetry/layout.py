"""Layout: arrays cut and reshaped into pieces of which every axis lists one thing.

`Axes` and `Blocks` say what arrays hold; here that is turned into slices and shapes.
"""

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._types import Array, Params
from onebasin.symmetry.axes_values import Role, Roles, is_axes


class Piece(NamedTuple):
    """A block of a leaf, its shape with one axis for each thing, and what each axis lists.

    `split` is the shape that the leaf has where its axes are split before they are cut.
    """

    leaf: str
    split: tuple[int, ...] | None
    starts: tuple[int, ...]
    lengths: tuple[int | None, ...]
    factors: tuple[tuple[int | None, ...], ...]
    names: tuple[str | None, ...]

    @property
    def axes(self) -> list[int]:
        """The axis of the leaf that each name is of."""
        return [axis for axis, parts in enumerate(self.factors) for _ in parts]


def _blocks(axes: Any) -> list[tuple[tuple[int, ...], tuple[int | None, ...], Any]]:
    """Starts, lengths (None: all there is) and Axes of every block."""
    if not hasattr(axes, "cuts"):
        count = len(axes.names)
        return [((0,) * count, (None,) * count, axes)]
    ranges = []
    for sizes in axes.cuts:
        ends = list(itertools.accumulate(sizes))
        ranges.append([(end - size, size) for end, size in zip(ends, sizes, strict=True)])
    return [
        (tuple(s for s, _ in one), tuple(n for _, n in one), block)
        for one, block in zip(itertools.product(*ranges), axes.axes, strict=True)
    ]


def sizes_of(
    axes: Any, params: Params, known: dict[str, int], num_batch_axes: int = 0
) -> dict[str, int]:
    """The units of every name that axes list for params behind batch axes, by name.

    Raises: ValueError where trees or sizes disagree, or shapes leave a size open.
    """
    leaves = _trees.named_leaves(params)
    named = _trees.named_leaves(axes, is_axes)
    if list(named) != list(leaves):
        raise ValueError(
            "The params must have the leaves that the symmetry lists, one Axes for each. "
            f"{_trees.difference(leaves, named) or f'Got the order {list(leaves)}.'}"
        )
    shapes = {name: np.shape(leaf)[num_batch_axes:] for name, leaf in leaves.items()}
    return dict(sorted(sizes(named, shapes, known).items()))


def sizes(
    named: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], known: dict[str, int]
) -> dict[str, int]:
    """The units of every name, from the shapes of leaves and from those that are known.

    Raises: ValueError where they disagree or are left open.
    """
    found: dict[str, int] = {}
    open_axes: list[tuple[str, tuple[str | int, ...], int]] = []
    for leaf, axes in named.items():
        shape = _shape_before_cuts(axes, tuple(shapes[leaf]), leaf)
        for _, lengths, block in _blocks(axes):
            if len(block.names) != len(shape):
                raise ValueError(
                    f"Axes must name every axis of its array. Got {block} for "
                    f"{leaf} of shape {shape}. Use None for an axis that never moves."
                )
            for name, length, size in zip(block.names, lengths, shape, strict=True):
                units = size if length is None else length
                if isinstance(name, str):
                    _agree(found, name, units, leaf, shape)
                elif name is not None:
                    open_axes.append((leaf, name, units))
    for name in {n for _, names, _ in open_axes for n in names if isinstance(n, str)} & set(known):
        found.setdefault(name, known[name])
    while open_axes:
        leaf, names, units = min(open_axes, key=lambda one: len(_unknown(one[1], found)))
        open_axes.remove((leaf, names, units))
        unknown = _unknown(names, found)
        rest = math.prod(found[n] if isinstance(n, str) else n for n in names if n not in unknown)
        if len(unknown) > 1 or units % rest or (not unknown and units != rest):
            raise ValueError(
                f"An axis must have as many entries as what it lists. Got {names} for {units} "
                f"entries of {leaf}, with sizes {found}. Give `sizes` where shapes leave them open."
            )
        if unknown:
            _agree(found, unknown[0], units // rest, leaf, shapes[leaf])
    return found


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for nested or fixed groups that no axis lists."""
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(
            f"nested and fixed must name what the Axes name, {sorted(known)}. "
            f"Got {sorted(unknown)}."
        )


def checked_roles(
    roles: Mapping[str, Sequence[Role | None]], shapes: Mapping[str, Sequence[int]]
) -> Roles:
    """The roles themselves.

    Raises: ValueError for roles of no leaf, of too few axes, or in other words.
    """
    for leaf, given in roles.items():
        if leaf not in shapes:
            near = difflib.get_close_matches(leaf, shapes, 1) or sorted(shapes)
            raise ValueError(f"roles must name leaves of the params, as {near[0]!r}. Got {leaf!r}.")
        if len(given) != len(shapes[leaf]) or not set(given) <= {"makes", "reads", None}:
            raise ValueError(
                'roles must say "makes", "reads" or None of every axis of its array. '
                f"Got {tuple(given)} for {leaf} of shape {tuple(shapes[leaf])}."
            )
    return {leaf: tuple(given) for leaf, given in roles.items()}


def _split(blocks: Any) -> tuple[int, ...]:
    """The shape of an array that is cut so."""
    return tuple(map(sum, blocks.cuts))


def split_axes(shape: Sequence[int], split: Sequence[int]) -> list[int]:
    """For each axis of an array that is split, the axis of the array that it is a part of."""
    rest, axes = list(split), list[int]()
    for axis, size in enumerate(shape):
        product = rest.pop(0)
        axes.append(axis)
        while product < size:
            product *= rest.pop(0)
            axes.append(axis)
    return axes


def _shape_before_cuts(axes: Any, shape: tuple[int, ...], leaf: str) -> tuple[int, ...]:
    """The shape of an array whose axes are split into those that its Blocks cut."""
    if not hasattr(axes, "cuts"):
        return shape
    rest = list(_split(axes))
    for size in shape:
        product = rest.pop(0) if rest else 0
        while product < size and rest:
            product *= rest.pop(0)
        if product != size:
            break
    else:
        if not rest:
            return _split(axes)
    raise ValueError(
        f"Blocks must be cut where their array ends. Got cuts {axes.cuts} for {leaf} of shape "
        f"{shape}."
    )


def _agree(found: dict[str, int], name: str, units: int, leaf: str, shape: Sequence[int]) -> None:
    if found.setdefault(name, units) != units:
        raise ValueError(
            f"All axes of a group must have one length. Group {name!r} has "
            f"{found[name]} units, but {leaf} of shape {tuple(shape)} has {units}."
        )


def _unknown(names: Sequence[str | int], found: Mapping[str, int]) -> list[str]:
    return [name for name in names if isinstance(name, str) and name not in found]


def pieces(named: Mapping[str, Any], known: Mapping[str, int]) -> dict[str, Piece]:
    """The pieces of all leaves, by the name of the leaf and, where it is cut, their range."""
    found: dict[str, Piece] = {}
    for leaf, axes in named.items():
        split = _split(axes) if hasattr(axes, "cuts") else None
        for starts, lengths, block in _blocks(axes):
            factors: list[tuple[int | None, ...]] = []
            names: list[str | None] = []
            for name, length in zip(block.names, lengths, strict=True):
                if isinstance(name, tuple):
                    factors.append(tuple(known[n] if isinstance(n, str) else n for n in name))
                    names += [n if isinstance(n, str) else None for n in name]
                else:
                    factors.append((length,))
                    names.append(name)
            whole = all(length is None for length in lengths)
            found[leaf if whole else f"{leaf}{_range(starts, lengths)}"] = Piece(
                leaf, split, starts, lengths, tuple(factors), tuple(names)
            )
    return found


def _range(starts: Sequence[int], lengths: Sequence[int | None]) -> str:
    parts = [f"{s}:{s + (n or 0)}" for s, n in zip(starts, lengths, strict=True)]
    return f"[{', '.join(parts)}]"


def _slices(piece: Piece, num_batch_axes: int) -> tuple[slice, ...]:
    ranges = zip(piece.starts, piece.lengths, strict=True)
    ends = [slice(s, None if n is None else s + n) for s, n in ranges]
    return (*[slice(None)] * num_batch_axes, *ends)


def unfold(
    leaves: Mapping[str, Array], parts: Mapping[str, Piece], num_batch_axes: int
) -> dict[str, Array]:
    """All pieces, behind batch axes."""
    found: dict[str, Array] = {}
    for name, piece in parts.items():
        leaf = leaves[piece.leaf]
        if piece.split is not None:
            leaf = leaf.reshape(*leaf.shape[:num_batch_axes], *piece.split)
        block = leaf[_slices(piece, num_batch_axes)]
        batch, shape = block.shape[:num_batch_axes], block.shape[num_batch_axes:]
        apart = [
            size if factor is None else factor
            for size, factors in zip(shape, piece.factors, strict=True)
            for factor in factors
        ]
        found[name] = block.reshape(*batch, *apart)
    return found


def fold(
    found: Mapping[str, Array],
    like: Mapping[str, Array],
    parts: Mapping[str, Piece],
    num_batch_axes: int,
) -> dict[str, Array]:
    """The leaves of which the pieces are parts, with the shapes of `like` behind batch axes."""
    whole: dict[str, Array] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, piece in parts.items():
        leaf, part = like[piece.leaf], found[name]
        own = leaf.shape[num_batch_axes:]
        shape = own if piece.split is None else piece.split
        batch = part.shape[:num_batch_axes]
        shapes[piece.leaf] = (*batch, *own)
        at = _slices(piece, num_batch_axes)
        ranges = zip(at[len(batch) :], shape, strict=True)
        block = part.reshape(*batch, *(len(range(*one.indices(size))) for one, size in ranges))
        if piece.leaf == name:
            whole[name] = block
        elif isinstance(block, np.ndarray):
            target = whole.setdefault(piece.leaf, np.empty((*batch, *shape), block.dtype))
            target[at] = block
        else:
            target: Any = whole.setdefault(piece.leaf, jnp.zeros((*batch, *shape), block.dtype))
            whole[piece.leaf] = target.at[at].set(block)
    return {name: leaf.reshape(shapes[name]) for name, leaf in whole.items()}
