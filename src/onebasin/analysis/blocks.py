"""Units resampled on their own: what any Gaussian without dependence between units can do."""

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Key, Params
from onebasin.samples import Samples
from onebasin.symmetry.axes import Axes, Symmetry


def unit_block_draws(key: Key, aligned: Samples, symmetry: Symmetry, num_draws: int) -> Params:
    r"""Draws of the block-diagonal Gaussian: each unit's weights jointly, units independent.

    A unit's weights have the full covariance of its aligned draws, $\mu + \sum_n z_n
    (w_n - \mu) / \sqrt{N - 1}$ with its own $z \sim \mathcal N(0, I)$, so nothing of that size
    needs storing here; as a representation it would cost half as many numbers for each weight as
    a unit has weights. A weight belongs to the unit on its last axis that units share: a kernel
    between two hidden layers goes with its outputs. Weights of no unit are a block of their own.
    """
    draws = _trees.named_leaves(aligned.draws())
    num_samples = len(next(iter(draws.values())))
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    noise = {
        group: rng.standard_normal((size, num_draws, num_samples), np.float32)
        for group, size in symmetry.sizes.items()
    }
    alone = rng.standard_normal((num_draws, num_samples), np.float32)
    found = {
        name: _combine(leaf, symmetry.leaves[name], noise, alone) for name, leaf in draws.items()
    }
    return _trees.rebuild(found, aligned.params)


def _combine(
    leaf: np.ndarray, axes: Axes, noise: dict[str, np.ndarray], alone: np.ndarray
) -> np.ndarray:
    leaf = np.asarray(leaf)
    mean = leaf.mean(axis=0, dtype=np.float64).astype(leaf.dtype)
    centred = (leaf - mean) / np.sqrt(len(leaf) - 1, dtype=leaf.dtype)
    listed = [axis for axis, group in enumerate(axes.names) if group is not None]
    if not listed:
        return (mean + np.tensordot(alone, centred, 1)).astype(leaf.dtype)
    axis = listed[-1]
    units = np.moveaxis(centred, axis + 1, 0)  # unit, sample, others
    flat = units.reshape(*units.shape[:2], -1)
    mixed = noise[str(axes.names[axis])] @ flat
    mixed = mixed.reshape(len(units), -1, *units.shape[2:])
    return (mean + np.moveaxis(mixed, 0, axis + 1)).astype(leaf.dtype)
