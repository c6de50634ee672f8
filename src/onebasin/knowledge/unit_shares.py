"""unit_shares: how many weights of each hidden unit differ between two posteriors."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from onebasin import _trees
from onebasin.knowledge.arrays import Layout
from onebasin.knowledge.compare import shares_of
from onebasin.symmetry import Symmetry
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray


def unit_shares(comparison: "xarray.Dataset", symmetry: Symmetry) -> "xarray.Dataset":
    """How many weights of each hidden unit differ, are equivalent, or undecided.

    The dimension `unit` lists the units of all groups. The coordinate `group` has the name of
    their group, and `position` their place in it (of a nested group, the place among the units of
    all units that it is nested in, row by row). A weight between two units counts for both.

    The variables are called as those by array in `compare_tables`: `share_differs_mean` and so on.

    Args:
        comparison: What `compare_tables` made.
        symmetry: The symmetry of the network.

    Raises:
        ValueError: If the comparison is of another network.

    Examples:
        >>> vi = ob.DiagonalGaussian(compact.mean, compact.std)
        >>> table = ob.knowledge.gaussian_table(vi, symmetry)
        >>> comparison = ob.knowledge.compare_tables(table, table)
        >>> ob.knowledge.unit_shares(comparison, symmetry).sizes["unit"]
        8
    """
    import xarray

    symmetry = symmetry.of_weights
    pieces = _trees.named_leaves(symmetry.unfold(_row_numbers(comparison, symmetry)))
    groups, positions, rows = [], [], []
    for group in symmetry.sizes:
        of_group = _rows_of(group, pieces, symmetry)
        groups += [group] * len(of_group)
        positions += range(len(of_group))
        rows += of_group
    shares = shares_of(comparison, rows)
    coordinates = {"group": ("unit", groups), "position": ("unit", positions)}
    return xarray.Dataset({name: ("unit", one) for name, one in shares.items()}, coordinates)


def _row_numbers(comparison: "xarray.Dataset", symmetry: Symmetry) -> Params:
    """The row of every weight, as a tree like the params.

    Raises: ValueError if the comparison does not list the arrays of the symmetry.
    """
    first, leaves = 0, {}
    for name, shape in Layout.from_attributes(comparison.attrs).shapes.items():
        leaves[name] = first + np.arange(math.prod(shape)).reshape(shape)
        first += math.prod(shape)
    numbers = _trees.rebuild(leaves, symmetry.axes)
    symmetry.check(numbers)
    return numbers


def _rows_of(
    group: str, pieces: Mapping[str, np.ndarray], symmetry: Symmetry
) -> list[Int[np.ndarray, "..."]]:
    """For each unit of a group, the rows of its weights."""
    parts = []
    for leaf, axis in symmetry.places(group):
        names = symmetry.leaves[leaf].names
        axes = [*(names.index(parent) for parent in symmetry.nested.get(group, ())), axis]
        by_unit = np.moveaxis(pieces[leaf], axes, range(len(axes)))
        parts.append(by_unit.reshape(math.prod(by_unit.shape[: len(axes)]), -1))
    # A weight may list its unit twice, as in a recurrent kernel.
    return [np.unique(own) for own in np.concatenate(parts, axis=1)]
