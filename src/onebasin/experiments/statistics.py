"""Statistics of BatchNorm in a run: leaves of the params that are no weights.

They follow from the weights and the training inputs, so they are written into what is stored, left
out where weights are matched and compared, and never pruned. Without BatchNorm nothing here does
anything.
"""

from collections.abc import Callable

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Array, Key, Params
from onebasin.analysis.predictive import recalibrated
from onebasin.gaussian import DiagonalGaussian, summarize
from onebasin.models.posterior import Posterior
from onebasin.samples import Samples


def with_statistics(posterior: Posterior, samples: Samples) -> Samples:
    """The same samples, each draw with the statistics that it predicts with."""
    draws = recalibrated(posterior, samples.draws())
    shape = samples.num_chains, samples.num_draws
    params = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), draws)
    return Samples(params, samples.stats, samples.last_state)


def fitted_with_statistics(
    posterior: Posterior, gaussian: DiagonalGaussian, key: Key, num_draws: int
) -> DiagonalGaussian:
    """A Gaussian whose statistics are the mean and std of those that its draws predict with.

    A fit by a Gaussian alone leaves them at their prior.
    """
    if not posterior.statistics:
        return gaussian
    draws = recalibrated(posterior, gaussian.sample(key, num_draws))
    found = summarize(Samples(jax.tree.map(lambda leaf: leaf[None], draws)))
    mean, std = (_trees.named_leaves(tree) for tree in (found.mean, found.std))
    return DiagonalGaussian(
        _written(posterior, gaussian.mean, lambda name, _: mean[name]),
        _written(posterior, gaussian.std, lambda name, _: std[name]),
    )


def without_statistics(posterior: Posterior, samples: Samples) -> Samples:
    """Samples as their weights are matched: all statistics are zero.

    A variance is of another size than weights, and would decide alone which units are alike.
    """
    params = _written(posterior, samples.params, lambda _, leaf: np.zeros_like(leaf))
    return Samples(params, samples.stats, samples.last_state)


def weights_alone(posterior: Posterior, tree: Params) -> Params:
    """What a tree shaped like the params holds of weights, by path where there are statistics."""
    if not posterior.statistics:
        return tree
    leaves = _trees.named_leaves(tree)
    return {name: leaf for name, leaf in leaves.items() if name not in posterior.statistics}


def gaussian_of_weights(posterior: Posterior, gaussian: DiagonalGaussian) -> DiagonalGaussian:
    """A Gaussian of the weights alone."""
    mean, std = (weights_alone(posterior, tree) for tree in (gaussian.mean, gaussian.std))
    return DiagonalGaussian(mean, std)


def never_pruned(posterior: Posterior, scores: Params) -> Params:
    """Scores of pruning in which statistics come before every weight."""
    return _written(posterior, scores, lambda _, leaf: np.full_like(leaf, np.inf))


def _written(posterior: Posterior, tree: Params, new: Callable[[str, Array], Array]) -> Params:
    """A tree with other statistics, of their paths and of what stood there."""
    if not posterior.statistics:
        return tree
    leaves = {
        name: new(name, leaf) if name in posterior.statistics else leaf
        for name, leaf in _trees.named_leaves(tree).items()
    }
    return _trees.rebuild(leaves, tree)
