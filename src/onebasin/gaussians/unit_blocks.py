"""UnitBlocks: what a Gaussian without any dependence between units can do."""

from typing import NamedTuple

import numpy as np

from onebasin import _trees
from onebasin._collections import statistics_in
from onebasin._random import numpy_rng
from onebasin._types import Key, Params
from onebasin.samples import Samples
from onebasin.symmetry.axes import Role, Symmetry
from onebasin.symmetry.roles import roles_of_leaves, unknown_role


class UnitBlocks(NamedTuple):
    r"""The block-diagonal Gaussian of aligned samples: each unit's weights jointly, units apart.

    A unit's weights have the full covariance of its aligned draws, $\mu + \sum_n z_n
    (w_n - \mu) / \sqrt{N - 1}$ with its own $z \sim \mathcal N(0, I)$. A weight between two hidden
    layers belongs to the unit that it helps to make, not to the one that it reads; weights of no
    unit are a block of their own. Held as the draws themselves: the covariances would take
    `num_numbers` numbers for each weight. Running statistics are a point mass at their mean.

    Raises: ValueError where an array lists two groups and the roles of its axes are not known.
    """

    aligned: Samples
    symmetry: Symmetry

    @property
    def num_numbers(self) -> int:
        """Numbers for each weight in means and covariances, half as many as a block has weights."""
        totals = dict.fromkeys([*self.symmetry.sizes, None], 0)
        mean = self.aligned.mean()
        axes, fixed = unit_axes(self.symmetry, mean), statistics_in(mean)
        for name, leaf in _trees.named_leaves(self.symmetry.unfold(mean)).items():
            if self.symmetry.pieces[name].leaf not in fixed:
                totals[self._group(name, axes[name])] += int(np.size(leaf))
        counts = {group: self.symmetry.sizes.get(group or "", 1) for group in totals}
        stored = 0
        for group, total in totals.items():
            size = total // counts[group]
            stored += counts[group] * (size + size * (size + 1) // 2)
        return round(stored / sum(totals.values()))

    def _group(self, leaf: str, axis: int | None) -> str | None:
        return None if axis is None else str(self.symmetry.leaves[leaf].names[axis])

    def sample(self, key: Key, num_draws: int) -> Params:
        """Independent draws of all weights; every leaf leads with the draw."""
        if self.symmetry.nested:
            self.symmetry.check_simple("A Gaussian of units apart")
        given = self.aligned.draws()
        pieces = self.symmetry.unfold(given, 1)
        draws = _trees.named_leaves(pieces)
        num_samples = len(next(iter(draws.values())))
        rng = numpy_rng(key)
        noise = {
            group: rng.standard_normal((size, num_draws, num_samples), np.float32)
            for group, size in self.symmetry.sizes.items()
        }
        alone = rng.standard_normal((num_draws, num_samples), np.float32)
        axes, fixed = unit_axes(self.symmetry, self.aligned.mean()), statistics_in(given)
        found: dict[str, np.ndarray] = {}
        for name, leaf in draws.items():
            group = self._group(name, axes[name])
            if self.symmetry.pieces[name].leaf in fixed:
                mean = np.asarray(leaf).mean(axis=0, dtype=np.float64).astype(leaf.dtype)
                found[name] = np.broadcast_to(mean, (num_draws, *mean.shape))
                continue
            found[name] = _combine(leaf, axes[name], alone if group is None else noise[group])
        return self.symmetry.fold(_trees.rebuild(found, pieces), given, 1)


def unit_axes(symmetry: Symmetry, params: Params) -> dict[str, int | None]:
    """The axis of all `leaves` that lists the units their weights belong to; None for no unit.

    Raises: ValueError where an array lists two groups and the roles of its axes are not known.
    """
    listed = {
        name: [axis for axis, group in enumerate(axes.names) if group in symmetry.sizes]
        for name, axes in symmetry.leaves.items()
    }
    if all(len(axes) < 2 for axes in listed.values()):
        return {name: axes[0] if axes else None for name, axes in listed.items()}
    roles = roles_of_leaves(symmetry, params)
    return {name: _unit_axis(name, axes, roles[name]) for name, axes in listed.items()}


def _unit_axis(name: str, listed: list[int], roles: tuple[Role | None, ...]) -> int | None:
    """The last of the axes that make units, or of those that read them where none does."""
    unknown = [axis for axis in listed if roles[axis] is None]
    if len(listed) > 1 and unknown:
        raise unknown_role("A Gaussian of units apart", name, unknown[0])
    makes = [axis for axis in listed if roles[axis] == "makes"]
    return next(reversed(makes or listed), None)


def _combine(leaf: np.ndarray, axis: int | None, noise: np.ndarray) -> np.ndarray:
    leaf = np.asarray(leaf)
    mean = leaf.mean(axis=0, dtype=np.float64).astype(leaf.dtype)
    centred = (leaf - mean) / np.sqrt(len(leaf) - 1, dtype=leaf.dtype)
    if axis is None:
        return (mean + np.tensordot(noise, centred, 1)).astype(leaf.dtype)
    units = np.moveaxis(centred, axis + 1, 0)  # unit, sample, others
    flat = units.reshape(*units.shape[:2], -1)
    mixed = noise @ flat
    mixed = mixed.reshape(len(units), -1, *units.shape[2:])
    return (mean + np.moveaxis(mixed, 0, axis + 1)).astype(leaf.dtype)
