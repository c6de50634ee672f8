"""Identity: whether an aligned unit is the same unit in every draw."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin._stored_array import indexed_as_numpy
from onebasin._threads import map_in_threads
from onebasin.alignment import Alignment, align, to
from onebasin.alignment.outer_matching import to_front
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry
from onebasin.types import Params

_CHUNK_VALUES = 2**22


class UnitIdentity(NamedTuple):
    r"""How sure it is that an aligned unit is the same unit in every draw, for each group's units.

    Both are dicts by group, with an entry for each unit of the aligned network (and, for a nested
    group, for each unit that it is nested in).

    - `margin`: with the weights $t_u$ of unit $u$ in the reference, those of a draw $x_u$, and the
      unit $v$ that $u$ is confused with most easily,
      $\min_v \langle t_u - t_v, x_u - x_v \rangle / (\lVert t_u - t_v \rVert \lVert x_u - x_v
      \rVert)$, the cosine of an angle, as a mean over draws. At 1 the units of the draws differ
      just as those of the reference do; at 0 the draws could as well exchange $u$ and $v$.
    - `share`: the share of draws in which the unit is the one that the mean of its chain has there,
      if that mean is matched to the reference. It is below 1 if alignment relabels units within a
      chain. One over the number of units is chance.
    """

    margin: dict[str, np.ndarray]
    share: dict[str, np.ndarray]


def unit_identity(alignment: Alignment, samples: Samples, aligned: Samples) -> UnitIdentity:
    """How sure it is that an aligned unit is the same unit in every draw.

    Args:
        alignment: The alignment of the samples.
        samples: The samples as they were drawn.
        aligned: The aligned samples, `alignment.apply(samples)`.

    Examples:
        >>> found = ob.knowledge.unit_identity(alignment, samples, alignment.apply(samples))
        >>> found.margin["hidden_0"].shape, found.share["hidden_0"].shape
        ((8,), (8,))

    Source: the margin is the gain that exchanging two units would lose in weight matching
    (Ainsworth et al. 2022, arXiv 2209.04836, section 3.2), divided by its largest possible value.
    """
    return UnitIdentity(
        _margins(alignment.symmetry, alignment.reference, aligned), _shares(alignment, samples)
    )


def of_weights(by_group: dict[str, np.ndarray], symmetry: Symmetry, like: Params) -> Params:
    """For each weight, the smallest value of the units that it belongs to; NaN if of none."""
    pieces = symmetry.unfold(like)
    found = {}
    for name, piece in _trees.named_leaves(pieces).items():
        names = list(symmetry.leaves[name].names)
        values = np.full(np.shape(piece), np.nan)
        for axis, group in enumerate(names):
            if isinstance(group, str) and group in by_group:
                own = by_group[group]
                places = [*_around(symmetry, group, names), axis]
                own = own.reshape(*own.shape, *[1] * (values.ndim - own.ndim))
                values = np.fmin(values, np.moveaxis(own, range(len(places)), places))
        found[name] = values
    return symmetry.fold(_trees.rebuild(found, pieces), like)


def _around(symmetry: Symmetry, group: str, names: Sequence[Any]) -> list[int]:
    """The axes that list the units in which a group is nested, in an array with these names."""
    return [names.index(parent) for parent in symmetry.nested.get(group, ())]


def _shares(alignment: Alignment, samples: Samples) -> dict[str, np.ndarray]:
    means = Samples(jax.tree.map(_chain_means, samples.params))
    of_means = align(means, alignment.symmetry, reference=to(alignment.reference)).permutation
    return {
        group: (np.asarray(units) == np.asarray(of_means.units[group])).mean(axis=(0, 1))
        for group, units in alignment.permutation.units.items()
    }


def _chain_means(leaf: Any) -> Float[np.ndarray, "chain 1 *shape"]:
    """The mean of each chain as its only draw. Draws of a store are read a few at a time."""
    num_chains, num_draws, *shape = leaf.shape
    view, total = indexed_as_numpy(leaf), np.zeros((num_chains, *shape))
    length = max(1, _CHUNK_VALUES // max(1, total.size))
    for first in range(0, num_draws, length):
        part = np.asarray(view[:, first : first + length])
        total += part.sum(axis=1, dtype=np.float64)
    return (total / num_draws).astype(np.result_type(leaf.dtype, np.float32))[:, None]


def _margins(symmetry: Symmetry, reference: Params, aligned: Samples) -> dict[str, np.ndarray]:
    symmetry = symmetry.of_weights
    num_chains, num_draws = aligned.num_chains, aligned.num_draws
    size = _trees.size(without_statistics(reference))
    length = max(1, _CHUNK_VALUES // max(1, num_chains * size))
    target = symmetry.unfold(without_statistics(reference))
    weights = without_statistics(aligned.params)

    def _draws(leaf: Any, first: int) -> np.ndarray:
        part = np.asarray(indexed_as_numpy(leaf)[:, first : first + length])
        return part.reshape(-1, *part.shape[2:])

    def one(first: int) -> dict[str, np.ndarray]:
        leaves = symmetry.unfold(jax.tree.map(lambda leaf: _draws(leaf, first), weights), 1)
        return {
            group: _margin(_rows(symmetry, group, target, 0), _rows(symmetry, group, leaves, 1))
            for group in symmetry.sizes
        }

    parts = list(map_in_threads(one, range(0, num_draws, length)))
    total = num_chains * num_draws
    return {group: np.sum([p[group] for p in parts], axis=0) / total for group in symmetry.sizes}


def _rows(
    symmetry: Symmetry, group: str, pieces: Params, num_batch_axes: int
) -> Float[np.ndarray, "*draw_around units weights"]:
    """All weights of each unit of a group in a row, in float32."""
    leaves = _trees.named_leaves(pieces)
    rows = []
    for place in symmetry.places(group):
        names = list(symmetry.leaves[place.leaf].names)
        around = _around(symmetry, group, names)
        leaf = np.asarray(leaves[place.leaf], np.float32)
        rows.append(to_front(leaf, [*around, place.axis], num_batch_axes))
    return np.concatenate(rows, axis=-1)


def _margin(
    target: Float[np.ndarray, "*around units weights"],
    draws: Float[np.ndarray, "draw *around units weights"],
) -> Float[np.ndarray, "*around units"]:
    """The sum over draws of each unit's margin. A group of one unit has a margin of 1."""
    num_units = target.shape[-2]
    if num_units == 1:
        return np.full(target.shape[:-1], float(len(draws)))
    own = _square_distances(target)
    total = np.zeros(target.shape[:-1])
    for draw in draws:
        similarity = target @ np.swapaxes(draw, -1, -2)
        diagonal = np.diagonal(similarity, axis1=-2, axis2=-1)
        gains = diagonal[..., None] + diagonal[..., None, :]
        gains = gains - similarity - np.swapaxes(similarity, -1, -2)
        scale = np.sqrt(own * _square_distances(draw))
        cosines = np.divide(gains, scale, out=np.zeros(scale.shape, scale.dtype), where=scale > 0)
        cosines[..., np.arange(num_units), np.arange(num_units)] = np.inf
        total += cosines.min(axis=-1)
    return total


def _square_distances(
    units: Float[np.ndarray, "*around units weights"],
) -> Float[np.ndarray, "*around units units"]:
    products = units @ np.swapaxes(units, -1, -2)
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    distances = squares[..., None] + squares[..., None, :] - 2 * products
    return np.maximum(distances, 0.0)
