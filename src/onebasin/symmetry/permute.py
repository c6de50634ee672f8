"""permute: params whose units have traded places, now or when they are read from the disk."""

import dataclasses
from collections.abc import Mapping
from functools import partial

import numpy as np

from onebasin import _trees
from onebasin._arguments import check_arrays, check_is
from onebasin._stored_array import StoredArray
from onebasin.symmetry import layout
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Axes
from onebasin.symmetry.permutation import Permutation, move_array
from onebasin.types import Array, Params


def permute(params: Params, symmetry: Symmetry, permutation: Permutation) -> Params:
    r"""Params whose unit $i$ of each group is the old unit `permutation.units[group][i]`.

    If the symmetry has signs, that unit is then multiplied by its own. For one hidden layer:
    $W_1[p, :],\ b_1[p],\ W_2[:, p]$, each times $s$ if it has signs. Groups that the permutation
    leaves out stay where they are. A symmetry without signs ignores those of a permutation, as
    a standard deviation has none. NumPy leaves stay on the host. A PyTorch state_dict of arrays
    comes back in the collections of `from_torch`.

    Raises:
        ValueError: If params or permutation do not fit the symmetry, or if params do not lead with
            the batch axes of the permutation.

    Examples:
        >>> moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
        >>> x = data.test.inputs
        >>> bool(jnp.allclose(network.apply(moved, x), network.apply(params, x), atol=1e-5))
        True

    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 2.
    """
    params, permutation = _fitting(params, symmetry, permutation)
    if not (permutation.units or permutation.signs):
        return params
    leaves = _trees.named_leaves(_trees.loaded(params))
    return _trees.rebuild(_permuted(leaves, symmetry, permutation), params)


def permuted_view(params: Params, symmetry: Symmetry, permutation: Permutation) -> Params:
    """What `permute` gives, but stored arrays stay on the disk: what is read of them is permuted.

    An index reads whole axes of units, and of other axes and of draws the chunks that it needs.

    Raises: ValueError as `permute` does.
    """
    params, permutation = _fitting(params, symmetry, permutation)
    if not (permutation.units or permutation.signs):
        return params
    permutation = _trees.to_host(permutation)
    symmetry = dataclasses.replace(symmetry, function=None)  # which may not go to other processes
    leaves = _trees.named_leaves(params)
    in_memory = {path: leaf for path, leaf in leaves.items() if not isinstance(leaf, StoredArray)}
    views = {
        path: _view(leaf, path, symmetry, permutation)
        for path, leaf in leaves.items()
        if isinstance(leaf, StoredArray)
    }
    return _trees.rebuild({**_permuted(in_memory, symmetry, permutation), **views}, params)


def _permuted(
    leaves: Mapping[str, Array], symmetry: Symmetry, permutation: Permutation
) -> dict[str, Array]:
    """Some leaves, by path, with their units permuted. Axes that list no units may be cut."""
    num_batch_axes, parts, pieces = len(permutation.batch), symmetry.pieces, leaves
    if not symmetry.is_plain:
        parts = {name: piece for name, piece in parts.items() if piece.leaf in leaves}
        pieces = layout.unfold(leaves, parts, num_batch_axes)
    moved = {
        name: move_array(
            piece, parts[name].names, permutation, num_batch_axes, symmetry.flips(name)
        )
        for name, piece in pieces.items()
    }
    return moved if symmetry.is_plain else layout.fold(moved, leaves, parts, num_batch_axes)


def _view(
    leaf: StoredArray, path: str, symmetry: Symmetry, permutation: Permutation
) -> StoredArray:
    """A stored leaf that is permuted when it is read, in chunks that have whole axes of units."""
    num_batch_axes, axes = len(permutation.batch), symmetry.named[path]
    num_axes = leaf.ndim - num_batch_axes
    names = axes.names if isinstance(axes, Axes) else ("segments",) * num_axes
    if all(name is None for name in names):
        return leaf
    is_whole = [False] * num_batch_axes + [name is not None for name in names]
    sizes = zip(is_whole, leaf.shape, leaf.chunk_shape, strict=True)
    chunk = tuple(size if whole else part for whole, size, part in sizes)
    read = partial(_read_chunk, leaf, chunk, path, symmetry, permutation)
    return StoredArray(leaf.shape, leaf.dtype, chunk, read)


def _read_chunk(
    leaf: StoredArray,
    chunk: tuple[int, ...],
    path: str,
    symmetry: Symmetry,
    permutation: Permutation,
    places: tuple[int, ...],
) -> np.ndarray:
    """A chunk of the view of a leaf: the same part of the leaf, and then permuted."""
    at = tuple(slice(n * size, (n + 1) * size) for n, size in zip(places, chunk, strict=True))
    draws = permutation[at[: len(permutation.batch)]]
    return np.asarray(_permuted({path: leaf[at]}, symmetry, draws)[path])


def _fitting(
    params: Params, symmetry: Symmetry, permutation: Permutation
) -> tuple[Params, Permutation]:
    """Params as the symmetry lists them, and the permutation as one of the symmetry.

    Raises: ValueError if they do not fit each other.
    """
    check_arrays("params", params)
    check_is("permutation", permutation, Permutation, 'Try Permutation({"hidden": [1, 0, 2]}).')
    params = symmetry.arranged(params)
    permutation = symmetry.checked(permutation)
    if permutation.units or permutation.signs:
        _check_batch(params, permutation.batch)
        symmetry.check(params, len(permutation.batch))
    return params, permutation


def _check_batch(params: Params, batch: tuple[int, ...]) -> None:
    for name, leaf in _trees.named_leaves(params).items():
        if np.shape(leaf)[: len(batch)] != batch:
            raise ValueError(
                f"Params must lead with the batch axes of the permutation, {batch}. "
                f"Got shape {np.shape(leaf)} at {name!r}."
            )
