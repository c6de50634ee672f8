"""Sums over draws of what permutations move, in float64 and by blocks that fit in the cache."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Real

from onebasin import _trees
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, move_array
from onebasin.types import Params

_BLOCK_BYTES = 2**21


def permuted_sum(params: Params, symmetry: Symmetry, permutation: Permutation) -> Params:
    """The sum over draws, which lead, of their permuted params, in float64."""
    pieces = symmetry.unfold(params, 1)
    sums = {
        name: _sum_of(leaf, symmetry.leaves[name].names, permutation, symmetry.flips(name))[None]
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    folded = symmetry.fold(_trees.rebuild(sums, pieces), params, 1)
    return jax.tree.map(lambda leaf: np.asarray(leaf[0]), folded)


def _sum_of(
    leaf: Real[np.ndarray, "draw *shape"],
    names: Sequence[Any],
    permutation: Permutation,
    flips: Sequence[tuple[str, int]],
) -> Float[np.ndarray, "*shape"]:
    """The sum over draws of one permuted array."""
    total = np.zeros(leaf.shape[1:])
    for draws, block in _blocks(leaf, names):
        moved = move_array(leaf[draws, *block], names, permutation[draws], 1, flips)
        total[block] += np.asarray(moved).sum(axis=0, dtype=np.float64)
    return total


def _blocks(
    leaf: Real[np.ndarray, "draw *shape"], names: Sequence[Any]
) -> Iterator[tuple[slice, tuple[slice, ...]]]:
    """Cuts of the draws, and of the first axis that lists no units if there is one."""
    free = next((axis for axis, name in enumerate(names) if name is None), None)
    length = 1 if free is None else leaf.shape[1 + free]
    entry = leaf[:1].nbytes // max(1, length) + 1  # of one draw
    num_draws = max(1, min(len(leaf), _BLOCK_BYTES // entry))
    size = max(1, _BLOCK_BYTES // (entry * num_draws))
    for first in range(0, len(leaf), num_draws):
        draws = slice(first, first + num_draws)
        if free is None:
            yield draws, ()
        else:
            for start in range(0, length, size):
                yield draws, (*[slice(None)] * free, slice(start, start + size))
