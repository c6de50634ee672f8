"""How much of a per-weight quantity differs between arrays, inputs, outputs, and single units."""

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import statistics_in, without_statistics
from onebasin.symmetry.axes import Axes, Symmetry
from onebasin.types import Array, Params


def average_over_units(symmetry: Symmetry, tree: Params) -> Params:
    """Each entry replaced by the mean over all entries that a permutation can bring to its place.

    The result differs between arrays, inputs and outputs alone, and no permutation changes it. It
    is the control of every claim that alignment finds something in single units: the claim needs
    a result that this average does not give as well.

    Raises:
        ValueError: If the tree does not fit the symmetry.
    """
    if not statistics_in(tree):
        symmetry = symmetry.of_weights
    symmetry.check(tree)
    pieces = symmetry.unfold(tree)
    means = {
        name: _mean_over_units(leaf, symmetry.leaves[name])
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    return symmetry.fold(_trees.rebuild(means, pieces), tree)


def _mean_over_units(leaf: Float[Array, "*shape"], axes: Axes) -> Float[np.ndarray, "*shape"]:
    """The mean along the axes that list units, in float64, repeated to the shape of the leaf."""
    unit_axes = tuple(axis for axis, group in enumerate(axes.names) if group is not None)
    mean = np.mean(np.asarray(leaf, np.float64), axis=unit_axes, keepdims=True)
    return np.broadcast_to(mean, np.shape(leaf)).copy()


def variance_shares(symmetry: Symmetry, tree: Params) -> dict[str, float]:
    r"""The variance of a quantity over all weights, split into three shares that add up to 1.

    With $x$ the quantity, $\bar x$ its mean over an array and $\tilde x$ its `average_over_units`:

    - "arrays": of $\bar x$, the means of the arrays.
    - "inputs and outputs": of $\tilde x - \bar x$, what differs within arrays but not between
      hidden units.
    - "units": of $x - \tilde x$, the rest, which is all that a permutation can move.

    All three are 0 if the quantity does not vary. Running statistics are left out.

    Raises:
        ValueError: If the tree does not fit the symmetry.
    """
    tree = without_statistics(tree)
    flat = lambda tree: _trees.ravel_batch(tree, 0).astype(np.float64)
    entries = flat(tree)
    arrays = flat(jax.tree.map(lambda leaf: np.full(np.shape(leaf), np.mean(leaf)), tree))
    averaged = flat(average_over_units(symmetry, tree))
    parts = {
        "arrays": arrays - entries.mean(),
        "inputs and outputs": averaged - arrays,
        "units": entries - averaged,
    }
    total = float(((entries - entries.mean()) ** 2).sum())
    return {
        name: float((part**2).sum()) / total if total > 0 else 0.0 for name, part in parts.items()
    }
