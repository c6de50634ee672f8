"""Gaussians in another order of their units: permuted, or brought into another's basin."""

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Params
from onebasin.alignment.align import align
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import to
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute


def permute_gaussian(
    gaussian: DiagonalGaussian, symmetry: Symmetry, permutation: Permutation
) -> DiagonalGaussian:
    """The same posterior with its units in another order: a std travels with its mean.

    Raises:
        ValueError: If the permutation does not fit the symmetry.

    Example:
        >>> permutation = ob.random_permutation(symmetry, key=key)
        >>> moved = ob.permute_gaussian(compact, symmetry, permutation)
    """
    unsigned = symmetry.with_signs([])
    return DiagonalGaussian(
        permute(gaussian.mean, symmetry, permutation), permute(gaussian.std, unsigned, permutation)
    )


def bring_to(
    reference: Params, gaussian: DiagonalGaussian, symmetry: Symmetry, matching: Matching
) -> DiagonalGaussian:
    """A Gaussian with its mean matched to a reference network, and its std moved along."""
    alone = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], gaussian.mean))
    found = align(alone, symmetry, matching, to(reference)).permutation
    host = DiagonalGaussian(_trees.to_host(gaussian.mean), _trees.to_host(gaussian.std))
    return permute_gaussian(host, symmetry, found[0, 0])
