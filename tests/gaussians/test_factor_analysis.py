"""Factor analysis: planted factors are found among weights of very different noise."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.stats

from onebasin import _trees
from onebasin.gaussians import LowRankGaussian, factor_analysis, summarize
from onebasin.samples import Samples

RANK, NUM_WEIGHTS = 2, 12


class Planted(NamedTuple):
    """Draws of a Gaussian whose factors load on all weights alike, and its covariance."""

    samples: Samples
    covariance: np.ndarray


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Residual stds from .3 to 3: some weights are mostly factor, others nearly noise."""
    rng = np.random.default_rng(0)
    factor = rng.choice([-1.0, 1.0], (RANK, NUM_WEIGHTS)) * rng.uniform(0.5, 1.0, NUM_WEIGHTS)
    stds = rng.permutation(np.geomspace(0.3, 3.0, NUM_WEIGHTS))
    draws = rng.standard_normal((800, RANK)) @ factor
    draws += stds * rng.standard_normal((800, NUM_WEIGHTS)) + 3.0
    params = {"bias": draws[:, 0], "kernel": draws[:, 1:9].reshape(-1, 2, 4), "out": draws[:, 9:]}
    leading = {name: leaf.reshape(2, 400, *leaf.shape[1:]) for name, leaf in params.items()}
    return Planted(Samples(leading), factor.T @ factor + np.diag(stds**2))


def covariance(gaussian: LowRankGaussian) -> np.ndarray:
    factor = _trees.ravel_batch(gaussian.factor).astype(np.float64)
    return factor.T @ factor + np.diag(_trees.ravel_batch(gaussian.std, 0).astype(np.float64) ** 2)


def log_likelihood(gaussian: LowRankGaussian, samples: Samples) -> float:
    mean = _trees.ravel_batch(gaussian.mean, 0)
    oracle = scipy.stats.multivariate_normal(mean, covariance(gaussian))
    return float(oracle.logpdf(_trees.ravel_batch(samples.flatten())).mean())


def test_planted_factors_are_recovered_where_principal_components_miss_them(planted) -> None:
    scale = np.sqrt(np.diag(planted.covariance))
    gap = lambda gaussian: np.abs(
        (covariance(gaussian) - planted.covariance) / np.outer(scale, scale)
    ).max()
    assert gap(factor_analysis(planted.samples, RANK)) < 0.15
    assert gap(summarize(planted.samples, RANK)) > 0.3


def test_it_is_likelier_than_principal_components(planted) -> None:
    found = log_likelihood(factor_analysis(planted.samples, RANK), planted.samples)
    principal = log_likelihood(summarize(planted.samples, RANK), planted.samples)
    oracle = scipy.stats.multivariate_normal(np.full(NUM_WEIGHTS, 3.0), planted.covariance)
    truth = float(oracle.logpdf(_trees.ravel_batch(planted.samples.flatten())).mean())
    assert found > principal + 1.0
    # A fit with as many numbers is likelier on its own draws than the truth, but hardly.
    assert truth < found < truth + 0.05


def test_the_mean_is_that_of_the_samples_and_arrays_keep_shape_and_dtype(planted) -> None:
    narrow = Samples(
        {name: leaf.astype(np.float32) for name, leaf in planted.samples.params.items()}
    )
    found, mean = factor_analysis(narrow, RANK), narrow.mean()
    assert found.rank == RANK
    for name, leaf in mean.items():
        np.testing.assert_array_equal(found.mean[name], leaf)
        assert found.std[name].shape == leaf.shape
        assert found.factor[name].shape == (RANK, *leaf.shape)
        assert found.std[name].dtype == found.factor[name].dtype == np.float32


def test_an_early_stop_is_said_by_no_warning_and_is_less_likely(planted) -> None:
    early = factor_analysis(planted.samples, RANK, max_iterations=1)
    late = factor_analysis(planted.samples, RANK)
    assert log_likelihood(early, planted.samples) < log_likelihood(late, planted.samples)


@pytest.mark.parametrize("rank", [0, 6])
def test_a_rank_outside_the_draws_is_refused(rank: int) -> None:
    samples = Samples({"w": np.ones((2, 3, 4))})
    with pytest.raises(ValueError, match=rf"rank must lie in \[1, 5\] \(draws - 1\)\. Got {rank}"):
        factor_analysis(samples, rank)
