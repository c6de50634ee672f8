"""Layout: arrays are cut and reshaped into pieces of which every axis lists one thing.

A leaf of the params may list several groups: `Axes(("heads", "dims"), None)` lists heads and,
inside of each, dimensions; `Blocks` is cut into segments that list different groups. Permuting and
matching work on *pieces*: a piece is one block of a leaf, reshaped so that each of its axes lists
one group, or nothing that moves. For heads of 3 dimensions in an array of shape (12, 8) the piece
has the shape (4, 3, 8). `unfold` makes all pieces of the params, `fold` puts them back.
"""

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin.symmetry.axes_values import Role, Roles, is_axes
from onebasin.types import Array, Params


class Piece(NamedTuple):
    """One block of a leaf, and how it is reshaped so that every axis lists one thing.

    - `leaf` is the path of the leaf.
    - `split` is the shape that the leaf is reshaped to before it is cut; None if it is not cut.
    - `starts` and `lengths` are those of the block on each axis of that shape. A length of None
      means that the axis is not cut.
    - `factors` are the lengths of the axes that each axis of the block becomes. None stands for
      the length that the axis has.
    - `names` are the groups that the axes of the piece list, or None if an axis never moves.
    """

    leaf: str
    split: tuple[int, ...] | None
    starts: tuple[int, ...]
    lengths: tuple[int | None, ...]
    factors: tuple[tuple[int | None, ...], ...]
    names: tuple[str | None, ...]

    @property
    def axes(self) -> list[int]:
        """For each axis of the piece, the axis of the block that it is a part of."""
        return [axis for axis, parts in enumerate(self.factors) for _ in parts]


def _blocks(axes: Any) -> list[tuple[tuple[int, ...], tuple[int | None, ...], Any]]:
    """The starts, the lengths and the Axes of every block; an array that is not cut is one block.

    A length of None means all entries of an axis.
    """
    if not hasattr(axes, "cuts"):
        count = len(axes.names)
        return [((0,) * count, (None,) * count, axes)]
    ranges = []
    for segments in axes.cuts:
        ends = list(itertools.accumulate(segments))
        ranges.append([(end - size, size) for end, size in zip(ends, segments, strict=True)])
    return [
        (tuple(start for start, _ in block), tuple(size for _, size in block), block_axes)
        for block, block_axes in zip(itertools.product(*ranges), axes.axes, strict=True)
    ]


def sizes_of(
    axes: Any, params: Params, known: dict[str, int], num_batch_axes: int = 0
) -> dict[str, int]:
    """The number of units of every group that `axes` name, by the name of the group.

    Args:
        axes: A pytree with the structure of the params, one `Axes` or `Blocks` for each leaf.
        params: Arrays whose shapes give the sizes.
        known: Sizes that shapes leave open, for axes that list several groups.
        num_batch_axes: How many leading axes of each array list draws, not units.

    Raises:
        ValueError: If the trees or the sizes disagree, or if shapes leave a size open.
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


class _OpenAxis(NamedTuple):
    """An axis that lists several things: which, how many entries it has, and of which leaf."""

    leaf: str
    names: tuple[str | int, ...]
    num_entries: int


def sizes(
    named: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], known: dict[str, int]
) -> dict[str, int]:
    """The number of units of every group, from the shapes of leaves and the `known` sizes.

    An axis that lists one group has as many entries as the group has units. An axis that lists
    several, as ("heads", "dims"), has the product of their sizes: it gives the last size that is
    not known yet.

    Raises:
        ValueError: If sizes disagree or are left open.
    """
    num_units: dict[str, int] = {}
    open_axes: list[_OpenAxis] = []
    for leaf, axes in named.items():
        shape = _shape_before_cuts(axes, tuple(shapes[leaf]), leaf)
        for _, lengths, block in _blocks(axes):
            open_axes += _read_sizes(num_units, block, leaf, lengths, shape)
    listed = {name for axis in open_axes for name in axis.names if isinstance(name, str)}
    for name in listed & set(known):
        num_units.setdefault(name, known[name])
    _solve_open_axes(num_units, open_axes, shapes)
    return num_units


def _read_sizes(
    num_units: dict[str, int],
    axes: Any,
    leaf: str,
    lengths: Sequence[int | None],
    shape: tuple[int, ...],
) -> list[_OpenAxis]:
    """Add the sizes of groups that have an axis of a block to themselves; the axes that are left.

    `lengths` are those of the block, `shape` that of the whole leaf.
    """
    if len(axes.names) != len(shape):
        raise ValueError(
            f"Axes must name every axis of its array. Got {axes} for "
            f"{leaf} of shape {shape}. Use None for an axis that never moves."
        )
    open_axes: list[_OpenAxis] = []
    for name, length, size in zip(axes.names, lengths, shape, strict=True):
        num_entries = size if length is None else length
        if isinstance(name, str):
            _add_size(num_units, name, num_entries, leaf, shape)
        elif name is not None:
            open_axes.append(_OpenAxis(leaf, name, num_entries))
    return open_axes


def _solve_open_axes(
    num_units: dict[str, int], open_axes: list[_OpenAxis], shapes: Mapping[str, Sequence[int]]
) -> None:
    """Add the sizes that axes with several groups give: those with fewest unknown sizes first."""
    while open_axes:
        axis = min(open_axes, key=lambda axis: len(_unknown_names(axis.names, num_units)))
        open_axes.remove(axis)
        unknown = _unknown_names(axis.names, num_units)
        rest = math.prod(
            num_units[name] if isinstance(name, str) else name
            for name in axis.names
            if name not in unknown
        )
        is_other_size = not unknown and axis.num_entries != rest
        if len(unknown) > 1 or axis.num_entries % rest or is_other_size:
            raise ValueError(
                f"An axis must have as many entries as what it lists. Got {axis.names} for "
                f"{axis.num_entries} entries of {axis.leaf}, with sizes {num_units}. Give `sizes` "
                "if shapes leave them open."
            )
        if unknown:
            _add_size(num_units, unknown[0], axis.num_entries // rest, axis.leaf, shapes[axis.leaf])


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
    """The roles of axes by the path of the leaf, as given.

    Raises:
        ValueError: If a path is that of no leaf, if the number of roles is not that of the axes, or
            if a role is not "makes", "reads" or None.
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


def _split_shape(blocks: Any) -> tuple[int, ...]:
    """The shape of an array whose axes are cut as `blocks` says."""
    return tuple(map(sum, blocks.cuts))


def split_axes(shape: Sequence[int], split: Sequence[int]) -> list[int]:
    """For each axis of the shape `split`, the axis of `shape` that it is a part of.

    [0, 1, 1] for the shape (8, 20) that is split into (8, 2, 10).
    """
    rest, axes = list(split), list[int]()
    for axis, size in enumerate(shape):
        product = rest.pop(0)
        axes.append(axis)
        while product < size:
            product *= rest.pop(0)
            axes.append(axis)
    return axes


def _shape_before_cuts(axes: Any, shape: tuple[int, ...], leaf: str) -> tuple[int, ...]:
    """The shape that a leaf is reshaped to before its `Blocks` cut it; `shape` for `Axes`."""
    if not hasattr(axes, "cuts"):
        return shape
    rest = list(_split_shape(axes))
    for size in shape:
        product = rest.pop(0) if rest else 0
        while product < size and rest:
            product *= rest.pop(0)
        if product != size:
            break
    else:
        if not rest:
            return _split_shape(axes)
    raise ValueError(
        f"Blocks must be cut where their array ends. Got cuts {axes.cuts} for {leaf} of shape "
        f"{shape}."
    )


def _add_size(
    num_units: dict[str, int], name: str, size: int, leaf: str, shape: Sequence[int]
) -> None:
    """Add the size that an axis gives a group, which must agree with those given before."""
    if num_units.setdefault(name, size) != size:
        raise ValueError(
            f"All axes of a group must have one length. Group {name!r} has "
            f"{num_units[name]} units, but {leaf} of shape {tuple(shape)} has {size}."
        )


def _unknown_names(names: Sequence[str | int], num_units: Mapping[str, int]) -> list[str]:
    return [name for name in names if isinstance(name, str) and name not in num_units]


def pieces(named: Mapping[str, Any], known: Mapping[str, int]) -> dict[str, Piece]:
    """The pieces of all leaves, from their axes by path and the sizes of all groups.

    A piece has the name of its leaf; if the leaf is cut, the range of the block follows:
    "qkv[0:8, 6:12]".
    """
    parts: dict[str, Piece] = {}
    for leaf, axes in named.items():
        split = _split_shape(axes) if hasattr(axes, "cuts") else None
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
            parts[leaf if whole else f"{leaf}{_range(starts, lengths)}"] = Piece(
                leaf, split, starts, lengths, tuple(factors), tuple(names)
            )
    return parts


def _range(starts: Sequence[int], lengths: Sequence[int | None]) -> str:
    """The range of a block in brackets, as NumPy writes it: "[0:8, 6:12]"."""
    ranges = [f"{s}:{s + (n or 0)}" for s, n in zip(starts, lengths, strict=True)]
    return f"[{', '.join(ranges)}]"


def _slices(piece: Piece, num_batch_axes: int) -> tuple[slice, ...]:
    """The index of a piece's block in its leaf, after batch axes that are read as a whole."""
    ranges = zip(piece.starts, piece.lengths, strict=True)
    block = [slice(s, None if n is None else s + n) for s, n in ranges]
    return (*[slice(None)] * num_batch_axes, *block)


def unfold(
    leaves: Mapping[str, Array], parts: Mapping[str, Piece], num_batch_axes: int
) -> dict[str, Array]:
    """The arrays of all pieces by name, cut out of the leaves and reshaped, after batch axes."""
    arrays: dict[str, Array] = {}
    for name, piece in parts.items():
        leaf = leaves[piece.leaf]
        if piece.split is not None:
            leaf = leaf.reshape(*leaf.shape[:num_batch_axes], *piece.split)
        block = leaf[_slices(piece, num_batch_axes)]
        batch, shape = block.shape[:num_batch_axes], block.shape[num_batch_axes:]
        unfolded_shape = [
            size if factor is None else factor
            for size, factors in zip(shape, piece.factors, strict=True)
            for factor in factors
        ]
        arrays[name] = block.reshape(*batch, *unfolded_shape)
    return arrays


def fold(
    unfolded: Mapping[str, Array],
    like: Mapping[str, Array],
    parts: Mapping[str, Piece],
    num_batch_axes: int,
) -> dict[str, Array]:
    """The leaves by path, put together from the arrays of their pieces: the inverse of `unfold`.

    Args:
        unfolded: The arrays of all pieces by name. Their batch axes may differ from those of
            `like`.
        like: The leaves by path, whose shapes after the batch axes the result has.
        parts: The pieces by name.
        num_batch_axes: How many leading axes of each array list draws.
    """
    whole: dict[str, Array] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, piece in parts.items():
        leaf, part = like[piece.leaf], unfolded[name]
        own = leaf.shape[num_batch_axes:]
        shape = own if piece.split is None else piece.split
        batch = part.shape[:num_batch_axes]
        shapes[piece.leaf] = (*batch, *own)
        at = _slices(piece, num_batch_axes)
        ranges = zip(at[len(batch) :], shape, strict=True)
        block = part.reshape(*batch, *(len(range(*taken.indices(size))) for taken, size in ranges))
        if piece.leaf == name:
            whole[name] = block
        elif isinstance(block, np.ndarray):
            target = whole.setdefault(piece.leaf, np.empty((*batch, *shape), block.dtype))
            target[at] = block
        else:
            target: Any = whole.setdefault(piece.leaf, jnp.zeros((*batch, *shape), block.dtype))
            whole[piece.leaf] = target.at[at].set(block)
    return {name: leaf.reshape(shapes[name]) for name, leaf in whole.items()}
