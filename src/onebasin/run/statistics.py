"""Running statistics in a run: draws and Gaussians are stored with those that they predict with.

Without BatchNorm nothing here does anything.
"""

import jax

from onebasin._collections import with_statistics_of
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.networks.posterior import Posterior
from onebasin.prediction.predict import recalibrated
from onebasin.samples import Samples
from onebasin.types import Key


def with_statistics(posterior: Posterior, samples: Samples) -> Samples:
    """The same samples, each draw with the statistics that it predicts with."""
    draws = recalibrated(posterior, samples.flatten())
    shape = samples.num_chains, samples.num_draws
    params = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), draws)
    return Samples(params, samples.stats, samples.last_state)


def fitted_with_statistics(
    posterior: Posterior, gaussian: DiagonalGaussian, num_draws: int, *, key: Key
) -> DiagonalGaussian:
    """A Gaussian whose statistics are the mean of those that its draws predict with.

    A fit by a Gaussian alone leaves them at their prior.
    """
    if posterior.network.recalibrate is None:
        return gaussian
    draws = recalibrated(posterior, gaussian.sample(num_draws, key=key))
    found = summarize(Samples(jax.tree.map(lambda leaf: leaf[None], draws)))
    return DiagonalGaussian(
        with_statistics_of(found.mean, gaussian.mean), with_statistics_of(found.std, gaussian.std)
    )
