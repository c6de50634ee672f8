"""Significance: which stds of aligned samples are smaller than alignment alone would make them."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

from onebasin import _trees
from onebasin._collections import map_statistics
from onebasin._types import Params
from onebasin.symmetry.axes import Axes, Symmetry


def std_significance(std: Params, null_stds: Sequence[Params], symmetry: Symmetry) -> Params:
    r"""The p-value of each weight: how probable so small a std is under alignment alone.

    $p = (1 + \#\{s' \le s\}) / (1 + \#s')$ for the std $s$ of aligned samples, over the stds
    $s'$ of several null floors (`null_floor(key, ...).std`, a key each), pooled over the units
    that may take the weight's position. NaN where no unit moves, and for running statistics:
    there is nothing to test.

    The smallest p is 1 / (1 + replicates x units pooled). Draws of the null are independent:
    autocorrelated chains have smaller stds for that alone, so thin them to their effective size.
    A small p says that units differ from noise, not that the weight is well determined.

    Raises: ValueError without a null std, or where trees do not fit the symmetry.
    Source: Phipson and Smyth (2010), arXiv 1603.05766.
    """
    if not null_stds:
        raise ValueError(
            "std_significance needs at least one null std. Got none. "
            "Pass [null_floor(key, ...).std for key in jax.random.split(key, 5)]."
        )
    for tree in (std, *null_stds):
        symmetry.check(tree)
    pieces = symmetry.unfold(std)
    nulls = [_trees.named_leaves(symmetry.unfold(tree)) for tree in null_stds]
    found = {
        name: _p_values(
            np.asarray(leaf), np.stack([null[name] for null in nulls]), symmetry.leaves[name]
        )
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    p_values = symmetry.fold(_trees.rebuild(found, pieces), std)
    return map_statistics(lambda leaf: np.full_like(leaf, np.nan), p_values)


def _p_values(
    std: Float[np.ndarray, "*shape"], nulls: Float[np.ndarray, "replicate *shape"], axes: Axes
) -> Float[np.ndarray, "*shape"]:
    exchanged = [axis for axis, group in enumerate(axes.names) if group is not None]
    if not exchanged:
        return np.full(std.shape, np.nan)
    last = range(-len(exchanged), 0)
    kept = np.moveaxis(std, exchanged, last)
    fixed_shape = kept.shape[: std.ndim - len(exchanged)]
    rows = kept.reshape(*fixed_shape, -1)
    pooled = np.moveaxis(
        nulls, [0, *(axis + 1 for axis in exchanged)], [-len(exchanged) - 1, *last]
    )
    sorted_nulls = np.sort(pooled.reshape(*fixed_shape, -1), axis=-1)
    counts = np.empty(rows.shape)
    for index in np.ndindex(fixed_shape):
        counts[index] = np.searchsorted(sorted_nulls[index], rows[index], side="right")
    p_values = (1 + counts) / (1 + sorted_nulls.shape[-1])
    return np.moveaxis(p_values.reshape(kept.shape), last, exchanged)


def significant_share(p_values: Params, false_discovery_rate: float = 0.05) -> float:
    """The share of the tested weights that are significant at a false discovery rate.

    NaN where no weight was tested. Weights of a unit depend on each other; the procedure holds
    its rate under positive dependence.

    Raises: ValueError for a rate outside (0, 1).
    Source: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57, section 3.1.
    """
    if not 0 < false_discovery_rate < 1:
        raise ValueError(
            f"false_discovery_rate must lie in (0, 1). Got {false_discovery_rate}. "
            "For five per cent pass 0.05."
        )
    flat = _trees.ravel_batch(jax.tree.map(np.asarray, p_values), 0)
    tested = flat[~np.isnan(flat)]
    if not len(tested):
        return float("nan")
    return float((false_discovery_control(tested) <= false_discovery_rate).mean())
