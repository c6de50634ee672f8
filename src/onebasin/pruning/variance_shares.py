"""What a per-weight quantity owes to layers, inputs and outputs, and what to single units."""

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import statistics_in, without_statistics
from onebasin._types import Array, Params
from onebasin.symmetry.axes import Axes, Symmetry


def average_over_units(symmetry: Symmetry, tree: Params) -> Params:
    """Each entry replaced by its mean over all hidden units that could take its place.

    What is left differs by array, input and output alone, and no permutation changes it: the
    control for every claim that alignment found something in single units.
    """
    if not statistics_in(tree):
        symmetry = symmetry.of_weights
    symmetry.check(tree)
    pieces = symmetry.unfold(tree)
    means = {
        name: _mean_over(leaf, symmetry.leaves[name])
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    return symmetry.fold(_trees.rebuild(means, pieces), tree)


def _mean_over(leaf: Float[Array, "*shape"], axes: Axes) -> Float[np.ndarray, "*shape"]:
    moved = tuple(axis for axis, group in enumerate(axes.names) if group is not None)
    mean = np.mean(np.asarray(leaf, np.float64), axis=moved, keepdims=True)
    return np.broadcast_to(mean, np.shape(leaf)).copy()


def variance_shares(symmetry: Symmetry, tree: Params) -> dict[str, float]:
    r"""How the variance of a quantity over all weights splits, in shares that add up to 1.

    "arrays": between the means of arrays; "inputs and outputs": inside arrays, between the means
    over hidden units; "units": the rest, which is all that a permutation can move. Zeros where
    the quantity does not vary.
    """
    tree = without_statistics(tree)
    flat = lambda tree: _trees.ravel_batch(tree, 0).astype(np.float64)
    whole = flat(tree)
    arrays = flat(jax.tree.map(lambda leaf: np.full(np.shape(leaf), np.mean(leaf)), tree))
    averaged = flat(average_over_units(symmetry, tree))
    parts = {
        "arrays": arrays - whole.mean(),
        "inputs and outputs": averaged - arrays,
        "units": whole - averaged,
    }
    total = float(((whole - whole.mean()) ** 2).sum())
    return {name: float((p**2).sum()) / total if total > 0 else 0.0 for name, p in parts.items()}
