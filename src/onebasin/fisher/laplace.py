"""The diagonal Laplace approximation around one network, from its Fisher diagonal and its prior."""

import jax
import numpy as np

from onebasin import _trees
from onebasin.fisher.diagonal import fisher_diagonal
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.networks.posterior import Posterior
from onebasin.types import Key, Params


def diagonal_laplace(
    posterior: Posterior, params: Params, num_probes: int = 64, *, key: Key
) -> DiagonalGaussian:
    r"""An independent Gaussian for every weight, around one network that was trained already.

    Its mean is `params`, $w$, and its std is $\sigma_i = (F_{ii} + s_i^{-2})^{-1/2}$, with the
    Fisher diagonal $F$ at $w$ (`fisher_diagonal`) and the prior's stds $s$. All are in the units of
    the weights.

    A prior that is not normal is taken to be normal with the same std; one without a std is flat.
    The approximation holds near a mode. Where weights correlate, its std is too small.

    Args:
        posterior: Whose likelihood, training inputs and prior are used.
        params: The weights, one set of them.
        num_probes: How many gradients on all training inputs the Fisher diagonal is averaged over,
            at least 1. The relative standard error of $F_{ii}$ is about $\sqrt{2 / m}$ for $m$.
        key: The random key of the Fisher diagonal.

    Raises:
        ValueError: If `num_probes` is below 1, or the prior is a log density of your own.

    Examples:
        >>> gaussian = ob.fisher.diagonal_laplace(posterior, params, key=key)
        >>> float(gaussian.std["hidden_0"]["kernel"].max()) <= 1  # the prior's std
        True

    Source: MacKay (1992), A Practical Bayesian Framework for Backpropagation Networks, section 2;
    Daxberger et al. (2021), arXiv 2106.14806, section 2, for the diagonal and the Fisher matrix.
    """
    if any(np.isnan(std).any() for std in jax.tree.leaves(posterior.prior_std)):
        raise ValueError(
            "A Laplace approximation needs the std of each weight under the prior. Got a prior "
            "that is a log density, whose std is not known. Give posterior a prior of "
            "onebasin.networks."
        )
    alone = jax.tree.map(lambda leaf: leaf[None], params)
    fisher = fisher_diagonal(posterior, alone, num_probes, key=key)
    with np.errstate(divide="ignore"):  # the std is infinite without a prior and without data
        std = jax.tree.map(
            lambda information, prior: (information + np.asarray(prior) ** -2.0) ** -0.5,
            fisher,
            posterior.prior_std,
        )
    return DiagonalGaussian(_trees.to_host(params), std)
