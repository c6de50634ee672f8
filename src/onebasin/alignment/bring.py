"""Gaussians in another order of their units: permuted, or brought into another's basin."""

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Params, Permutation
from onebasin.alignment.align import align
from onebasin.alignment.matching import Matching
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.permutation import permute


def permute_gaussian(
    symmetry: Symmetry, permutation: Permutation, gaussian: DiagonalGaussian
) -> DiagonalGaussian:
    """The same posterior with its units in another order: a std travels with its mean."""
    unsigned = symmetry.with_signs([])
    return DiagonalGaussian(
        permute(symmetry, permutation, gaussian.mean), permute(unsigned, permutation, gaussian.std)
    )


def bring_to(
    reference: Params, gaussian: DiagonalGaussian, symmetry: Symmetry, matching: Matching
) -> DiagonalGaussian:
    """A Gaussian with its mean matched to a reference network, and its std moved along."""
    alone = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], gaussian.mean))
    found = align(alone, symmetry, matching, reference).permutation
    single = {group: p[0, 0] for group, p in found.items()}
    host = DiagonalGaussian(_trees.to_host(gaussian.mean), _trees.to_host(gaussian.std))
    return permute_gaussian(symmetry, single, host)
