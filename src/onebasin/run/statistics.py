"""Running statistics in a run: draws and Gaussians are stored with those that they predict with.

Without BatchNorm nothing here does anything.
"""

import jax

from onebasin._collections import with_statistics_of
from onebasin._types import Key
from onebasin.gaussians.gaussian import DiagonalGaussian, summarize
from onebasin.models.posterior import Posterior
from onebasin.prediction.predict import recalibrated
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
    """A Gaussian whose statistics are the mean of those that its draws predict with.

    A fit by a Gaussian alone leaves them at their prior.
    """
    if posterior.network.recalibrate is None:
        return gaussian
    draws = recalibrated(posterior, gaussian.sample(key, num_draws))
    found = summarize(Samples(jax.tree.map(lambda leaf: leaf[None], draws)))
    return DiagonalGaussian(
        with_statistics_of(found.mean, gaussian.mean), with_statistics_of(found.std, gaussian.std)
    )
