"""permute: params whose units have traded places."""

import numpy as np

from onebasin import _trees
from onebasin._arguments import check_arrays, check_is
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation, move_array
from onebasin.types import Params


def permute(params: Params, symmetry: Symmetry, permutation: Permutation) -> Params:
    r"""Params whose unit $i$ of each group is the old unit `permutation.units[group][i]`.

    If the symmetry has signs, that unit is then multiplied by its own. For one hidden layer:
    $W_1[p, :],\ b_1[p],\ W_2[:, p]$, each times $s$ if it has signs. Groups that the permutation
    leaves out stay where they are. A symmetry without signs ignores those of a permutation, as
    a standard deviation has none. NumPy leaves stay on the host. A PyTorch state_dict of arrays
    comes back in the collections of `from_torch`.

    Raises:
        ValueError: If params or permutation do not fit the symmetry, or if params do not lead with
            the batch axes of the permutation.

    Examples:
        >>> moved = ob.permute(params, symmetry, ob.symmetry.random_permutation(symmetry, key=key))
        >>> x = data.test.inputs
        >>> bool(jnp.allclose(network.apply(moved, x), network.apply(params, x), atol=1e-5))
        True

    Source: Ainsworth et al. (2022), arXiv 2209.04836, section 2.
    """
    check_arrays("params", params)
    check_is("permutation", permutation, Permutation, 'Try Permutation({"hidden": [1, 0, 2]}).')
    params = symmetry.arranged(params)
    permutation = symmetry.checked(permutation)
    if not (permutation.units or permutation.signs):
        return params
    params = _trees.loaded(params)
    num_batch_axes = len(permutation.batch)
    _check_batch(params, permutation.batch)
    symmetry.check(params, num_batch_axes)
    pieces = symmetry.unfold(params, num_batch_axes)
    axes = symmetry.leaves
    leaves = {
        name: move_array(leaf, axes[name].names, permutation, num_batch_axes, symmetry.flips(name))
        for name, leaf in _trees.named_leaves(pieces).items()
    }
    return symmetry.fold(_trees.rebuild(leaves, pieces), params, num_batch_axes)


def _check_batch(params: Params, batch: tuple[int, ...]) -> None:
    for name, leaf in _trees.named_leaves(params).items():
        if np.shape(leaf)[: len(batch)] != batch:
            raise ValueError(
                f"Params must lead with the batch axes of the permutation, {batch}. "
                f"Got shape {np.shape(leaf)} at {name!r}."
            )
