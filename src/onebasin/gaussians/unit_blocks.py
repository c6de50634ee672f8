"""UnitBlocks: a Gaussian in which the weights of a unit depend on each other, but units do not."""

from typing import NamedTuple

import numpy as np

from onebasin import _trees
from onebasin._collections import statistics_in
from onebasin._random import numpy_rng
from onebasin.samples import Samples
from onebasin.symmetry.axes import Role, Symmetry
from onebasin.symmetry.roles import roles_of_leaves, unknown_role
from onebasin.types import Key, Params


class UnitBlocks(NamedTuple):
    r"""The block-diagonal Gaussian of aligned samples, one block for the weights of each unit.

    The weights of a unit have the full covariance of their $N$ aligned draws $w_n$. They are drawn
    as $\mu + \sum_n z_n (w_n - \mu) / \sqrt{N - 1}$, with their mean $\mu$ and, for each unit, its
    own $z \sim \mathcal N(0, I)$. Weights of different units are independent. A weight between two
    hidden layers belongs to the unit that it helps to compute, not to the unit whose value it is
    multiplied with. Weights that belong to no unit are one more block.

    What is stored are the draws. The covariances would take `values_per_weight` numbers for each
    weight. Running statistics are a point mass at their mean. `sample` raises ValueError if an
    array lists two groups and the roles of its axes are not known.
    """

    aligned: Samples
    symmetry: Symmetry

    @property
    def values_per_weight(self) -> int:
        """How many numbers means and covariances have for each weight, rounded.

        A block of $m$ weights has $m$ means and $m (m + 1) / 2$ covariances.
        """
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
        """The group of the units that an axis of a leaf lists; None for no axis."""
        return None if axis is None else str(self.symmetry.leaves[leaf].names[axis])

    def sample(self, num_draws: int, *, key: Key) -> Params:
        """Independent draws of all weights, with the draw on the leading axis of every leaf.

        Raises:
            ValueError: If groups are nested, or the roles of an array's axes are needed and not
                known.
        """
        if self.symmetry.nested:
            self.symmetry.check_simple("A Gaussian with a block for each unit")
        draws = self.aligned.flatten()
        pieces = self.symmetry.unfold(draws, 1)
        leaves = _trees.named_leaves(pieces)
        num_samples = len(next(iter(leaves.values())))
        rng = numpy_rng(key)
        noise = {
            group: rng.standard_normal((size, num_draws, num_samples), np.float32)
            for group, size in self.symmetry.sizes.items()
        }
        unitless = rng.standard_normal((num_draws, num_samples), np.float32)
        axes, fixed = unit_axes(self.symmetry, self.aligned.mean()), statistics_in(draws)
        drawn: dict[str, np.ndarray] = {}
        for name, leaf in leaves.items():
            group = self._group(name, axes[name])
            if self.symmetry.pieces[name].leaf in fixed:
                mean = np.asarray(leaf).mean(axis=0, dtype=np.float64).astype(leaf.dtype)
                drawn[name] = np.broadcast_to(mean, (num_draws, *mean.shape))
                continue
            drawn[name] = _combine(leaf, axes[name], unitless if group is None else noise[group])
        return self.symmetry.fold(_trees.rebuild(drawn, pieces), draws, 1)


def unit_axes(symmetry: Symmetry, params: Params) -> dict[str, int | None]:
    """For each of `symmetry.leaves` the axis that lists the units to which its weights belong.

    It is None for weights that belong to no unit.

    Raises:
        ValueError: If an array lists two groups and the roles of its axes are not known.
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
    """The last of the axes that make units, or of those that read units if none makes any.

    `listed` are the axes that list units, `roles` the roles of all axes of the leaf `name`.
    Raises ValueError if there are two such axes and the role of one is not known.
    """
    unknown = [axis for axis in listed if roles[axis] is None]
    if len(listed) > 1 and unknown:
        raise unknown_role("A Gaussian with a block for each unit", name, unknown[0])
    makes = [axis for axis in listed if roles[axis] == "makes"]
    return next(reversed(makes or listed), None)


def _combine(leaf: np.ndarray, axis: int | None, noise: np.ndarray) -> np.ndarray:
    """The mean of a leaf over its samples plus combinations of them with standard normal weights.

    The leading axis of `leaf` is the sample. With an `axis` (not counting the sample), `noise` is
    (unit, draw, sample), so that each unit has its own combination; without, it is (draw, sample).
    """
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
