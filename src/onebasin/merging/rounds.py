"""aligned_in_rounds: every network is matched to the mean of the others until none moves."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._random import numpy_rng
from onebasin.alignment.align import align
from onebasin.alignment.reference import to, to_mean
from onebasin.prediction.connectivity import weight_distance
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.types import Key, Params

_MOST_ROUNDS = 100
_LEAST_GAIN = 1e-6
"""The least share by which a permutation must shorten a distance, so that rounding moves none."""


class Aligned(NamedTuple):
    """Aligned networks, the permutation of each, and the symmetry that passed its trial."""

    networks: list[Params]
    permutations: list[Permutation]
    symmetry: Symmetry


def aligned_in_rounds(
    networks: Sequence[Params],
    symmetry: Symmetry,
    shares: Float[np.ndarray, " network"],
    *,
    key: Key,
) -> Aligned:
    """Match every network to the weighted mean of the others, in random order, until none moves.

    All are first brought to their common mean, so that the first means of others are no averages
    of networks that are apart. A permutation is taken only if it shortens the distance to the mean
    of the others. So the weighted sum of the squared distances between networks never grows.

    Source: Ainsworth et al. (2022), arXiv 2209.04836, algorithm 3; the common mean is ours.
    """
    samples = Samples(jax.tree.map(lambda leaf: leaf[:, None], _trees.stack(networks)))
    first = align(samples, symmetry, reference=to_mean())
    symmetry, rng = first.symmetry, numpy_rng(key)
    permutations = [
        jax.tree.map(lambda p, n=number: p[n, 0], first.permutation)
        for number in range(len(networks))
    ]
    moved = [
        permute(network, symmetry, permutation)
        for network, permutation in zip(networks, permutations, strict=True)
    ]
    for _ in range(_MOST_ROUNDS):
        has_moved = False
        for number in rng.permutation(len(networks)).tolist():
            others = np.where(np.arange(len(networks)) == number, 0.0, shares)
            if others.sum() == 0:
                continue
            mean = weighted_mean(moved, others)
            alone = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], moved[number]))
            found = align(alone, symmetry, reference=to(mean))
            step = jax.tree.map(lambda p: p[0, 0], found.permutation)
            closer = permute(moved[number], symmetry, step)
            before, after = (weight_distance(one, mean) for one in (moved[number], closer))
            if after < before * (1 - _LEAST_GAIN):
                moved[number], has_moved = closer, True
                permutations[number] = step @ permutations[number]
        if not has_moved:
            break
    return Aligned(moved, permutations, symmetry)


def weighted_mean(networks: Sequence[Params], shares: Float[np.ndarray, " network"]) -> Params:
    """The weighted mean of each array in float64, in the dtype that the array has."""

    def mean(*leaves: np.ndarray) -> np.ndarray:
        wide = np.stack([np.asarray(leaf, np.float64) for leaf in leaves])
        return np.average(wide, axis=0, weights=shares).astype(leaves[0].dtype)

    return jax.tree.map(mean, *networks)
