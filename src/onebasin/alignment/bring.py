"""Gaussians in another order of their units: permuted, or matched to another's."""

import jax
import numpy as np

from onebasin import _trees
from onebasin.alignment.align import align
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import to
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.types import Params


def permute_gaussian(
    gaussian: DiagonalGaussian, symmetry: Symmetry, permutation: Permutation
) -> DiagonalGaussian:
    """The same posterior with its units in another order: stds and errors travel with their means.

    Raises:
        ValueError: If the permutation does not fit the symmetry.

    Examples:
        >>> permutation = ob.symmetry.random_permutation(symmetry, key=key)
        >>> moved = ob.alignment.permute_gaussian(compact, symmetry, permutation)
    """
    unsigned = symmetry.with_signs([])
    mean = permute(gaussian.mean, symmetry, permutation)
    positive = gaussian.std, gaussian.mcse_mean, gaussian.mcse_std
    move = lambda tree: None if tree is None else permute(tree, unsigned, permutation)
    return DiagonalGaussian(mean, *map(move, positive))


def bring_to(
    gaussian: DiagonalGaussian, symmetry: Symmetry, matching: Matching, reference: Params
) -> DiagonalGaussian:
    """A Gaussian with its mean matched to a reference network, and its std moved along.

    Use it to compare two compact posteriors weight by weight, for instance one of HMC with one of
    variational inference: each is brought to one and the same network.

    Args:
        gaussian: The Gaussian to move.
        symmetry: Which units its weights belong to.
        matching: What makes two units similar, such as `weight_matching()`.
        reference: Params of the network that the mean is matched to.

    Examples:
        >>> matching = ob.weight_matching()
        >>> brought = ob.alignment.bring_to(compact, symmetry, matching, params)
        >>> distance = ob.prediction.weight_distance
        >>> distance(brought.mean, params) <= distance(compact.mean, params)
        True
    """
    alone = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], gaussian.mean))
    found = align(alone, symmetry, matching, to(reference)).permutation
    return permute_gaussian(_trees.to_host(gaussian), symmetry, found[0, 0])
