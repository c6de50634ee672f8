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
    r"""The low-rank Gaussian under which (aligned) samples are most likely.

    $w = \mu + B z + \sigma e$ with standard normal $z$ and $e$. $\mu$ is the mean of the samples;
    the factor $B$ of `rank` columns and the residual stds $\sigma$ are fitted by EM, in
    scikit-learn's FactorAnalysis. `summarize` takes principal components instead: they explain the
    most variance, and so follow the weights that vary most. Here each weight counts relative to
    its own residual std.

    EM converges slowly if some weights have hardly any residual. After `max_iterations` it stops
    without a warning, and the fit may then be far less likely than the best.

    Args:
        samples: Aligned draws of the weights.
        rank: The number of columns of the factor, in [1, draws - 1].
        max_iterations: The largest number of steps of EM.
        seed: The seed of the randomized singular value decomposition within EM.

    Raises:
        ValueError: If `rank` is outside [1, draws - 1], counting the draws of all chains.

    Examples:
        >>> gaussian = ob.gaussians.factor_analysis(aligned, rank=2, max_iterations=10)
        >>> gaussian.rank, gaussian.values_per_weight
        (2, 4)

    Source: Rubin and Thayer (1982), EM algorithms for ML factor analysis.
    """
    num_draws = samples.num_chains * samples.num_draws
    if not 1 <= rank < num_draws:
        raise ValueError(
            f"rank must lie in [1, {num_draws - 1}] (draws - 1). Got {rank}. "
            "Pass a smaller rank, or draw more samples."
        )
    from sklearn.decomposition import FactorAnalysis
    from sklearn.exceptions import ConvergenceWarning

    mean = samples.mean()
    draws = _trees.ravel_batch(without_statistics(samples.flatten())).astype(np.float64)
    model = FactorAnalysis(rank, max_iter=max_iterations, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the docstring
        model.fit(draws)
    factor, std = model.components_, np.sqrt(model.noise_variance_)
    return LowRankGaussian(mean, shaped_like(mean, factor), shaped_like(mean, std))
