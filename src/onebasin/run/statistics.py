"""Running statistics in a run: draws and Gaussians are stored with the statistics of BatchNorm.

For a network without BatchNorm these functions change nothing.
"""

import jax

from onebasin._collections import with_statistics_of
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.networks.posterior import Posterior
from onebasin.prediction.predict import recalibrated
from onebasin.samples import Samples
from onebasin.types import Key


def with_statistics(posterior: Posterior, samples: Samples) -> Samples:
    """The same samples, in which each draw has the statistics that belong to its weights."""
    draws = recalibrated(posterior, samples.flatten())
    shape = samples.num_chains, samples.num_draws
    params = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), draws)
    return Samples(params, samples.stats, samples.last_state)


def fitted_with_statistics(
    posterior: Posterior, gaussian: DiagonalGaussian, num_draws: int, *, key: Key
) -> DiagonalGaussian:
    """A Gaussian whose statistics are the mean of the statistics of its draws.

    Variational inference alone leaves the statistics at their prior.
    """
    if posterior.network.recalibrate is None:
        return gaussian
    draws = recalibrated(posterior, gaussian.sample(num_draws, key=key))
    found = summarize(Samples(jax.tree.map(lambda leaf: leaf[None], draws)), mcse=False)
    return DiagonalGaussian(
        with_statistics_of(found.mean, gaussian.mean), with_statistics_of(found.std, gaussian.std)
    )
