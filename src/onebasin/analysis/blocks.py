"""UnitBlocks: what a Gaussian without any dependence between units can do."""

from typing import NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Key, Params
from onebasin.samples import Samples
from onebasin.symmetry.axes import Axes, Symmetry


class UnitBlocks(NamedTuple):
    r"""The block-diagonal Gaussian of aligned samples: each unit's weights jointly, units apart.

    A unit's weights have the full covariance of its aligned draws, $\mu + \sum_n z_n
    (w_n - \mu) / \sqrt{N - 1}$ with its own $z \sim \mathcal N(0, I)$. A weight belongs to the
    unit on its last axis that units share, so a kernel between two hidden layers goes with its
    outputs; weights of no unit are a block of their own. Held as the draws themselves: the
    covariances would take `num_numbers` numbers for each weight.
    """

    aligned: Samples
    symmetry: Symmetry

    @property
    def num_numbers(self) -> int:
        """Numbers for each weight in means and covariances, half as many as a block has weights."""
        sizes = _block_sizes(self.aligned.mean(), self.symmetry)
        stored = sum(count * (size + size * (size + 1) // 2) for size, count in sizes)
        return round(stored / sum(count * size for size, count in sizes))

    def sample(self, key: Key, num_draws: int) -> Params:
        """Independent draws of all weights; every leaf leads with the draw."""
        self.symmetry.check_simple("A Gaussian of units apart")
        draws = _trees.named_leaves(self.aligned.draws())
        num_samples = len(next(iter(draws.values())))
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        noise = {
            group: rng.standard_normal((size, num_draws, num_samples), np.float32)
            for group, size in self.symmetry.sizes.items()
        }
        alone = rng.standard_normal((num_draws, num_samples), np.float32)
        leaves = self.symmetry.leaves
        found = {name: _combine(leaf, leaves[name], noise, alone) for name, leaf in draws.items()}
        return _trees.rebuild(found, self.aligned.params)


def _block_sizes(mean: Params, symmetry: Symmetry) -> list[tuple[int, int]]:
    """Weights in a block, and how many blocks have so many."""
    totals = dict.fromkeys([*symmetry.sizes, None], 0)
    for name, leaf in _trees.named_leaves(mean).items():
        listed = [group for group in symmetry.leaves[name].names if isinstance(group, str)]
        totals[listed[-1] if listed else None] += int(np.size(leaf))
    return [
        (total // symmetry.sizes.get(group or "", 1), symmetry.sizes.get(group or "", 1))
        for group, total in totals.items()
        if total
    ]


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
