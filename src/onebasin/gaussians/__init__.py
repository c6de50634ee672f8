"""Compact posteriors: Gaussians and mixtures of them, fitted, stored and compared."""

from onebasin.gaussians.compare import (
    kl_divergence,
    mean_over_weights,
    median_over_weights,
    wasserstein2,
)
from onebasin.gaussians.factor_analysis import factor_analysis
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian, load_gaussian, summarize
from onebasin.gaussians.mixture import GaussianMixture, load_mixture

__all__ = [
    "DiagonalGaussian",
    "GaussianMixture",
    "LowRankGaussian",
    "factor_analysis",
    "kl_divergence",
    "load_gaussian",
    "load_mixture",
    "mean_over_weights",
    "median_over_weights",
    "summarize",
    "wasserstein2",
]
