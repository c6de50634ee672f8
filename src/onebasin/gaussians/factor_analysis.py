"""factor_analysis: a low-rank Gaussian whose factor explains covariance, not variance."""

import warnings

import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.gaussians.gaussian import LowRankGaussian, shaped_like
from onebasin.samples import Samples


def factor_analysis(
    samples: Samples, rank: int, max_iterations: int = 100, seed: int = 0
) -> LowRankGaussian:
    r"""The low-rank Gaussian of (aligned) samples with the largest likelihood.

    $w = \mu + B z + \sigma e$ with $B$ and $\sigma$ fitted by EM (scikit-learn's
    FactorAnalysis). Principal components, which `summarize` takes, explain the most variance and
    so follow the weights that vary most; here every weight counts by its own residual std.
    EM slows down on plateaus where some weights have next to no residual: stopped after
    `max_iterations`, the fit may be far less likely than the best.

    Raises: ValueError for a rank outside [1, draws - 1].
    Source: Rubin and Thayer (1982), EM algorithms for ML factor analysis.
    """
    num_draws = samples.num_chains * samples.num_draws
    if not 1 <= rank < num_draws:
        raise ValueError(f"rank must lie in [1, {num_draws - 1}] (draws - 1). Got {rank}.")
    from sklearn.decomposition import FactorAnalysis
    from sklearn.exceptions import ConvergenceWarning

    mean = samples.mean()
    draws = _trees.ravel_batch(without_statistics(samples.draws())).astype(np.float64)
    model = FactorAnalysis(rank, max_iter=max_iterations, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the docstring
        model.fit(draws)
    factor, std = model.components_, np.sqrt(model.noise_variance_)
    return LowRankGaussian(mean, shaped_like(mean, factor), shaped_like(mean, std))
