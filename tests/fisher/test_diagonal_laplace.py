"""The diagonal Laplace approximation around one network, against linear regression."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
import scipy.stats

import onebasin as ob

pytestmark = pytest.mark.slow

NOISE, PRIOR, NUM_PROBES = 0.5, 2.0, 500


def linear(**options) -> ob.networks.Posterior:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((40, 3)).astype(np.float32)
    train = SimpleNamespace(inputs=inputs, targets=inputs.sum(axis=1))
    network = ob.mlp(3, (), 1)
    return ob.posterior(network, train, likelihood="gaussian", noise_std=NOISE, **options)


def test_the_std_is_that_of_the_curvature_of_linear_regression(key) -> None:
    """Of m probes, m times the estimate is chi-square with m degrees; 1e-6 fail for each weight."""
    problem = linear(prior_std=PRIOR)
    params = problem.init(key)
    gaussian = ob.fisher.diagonal_laplace(problem, params, NUM_PROBES, key=key)
    np.testing.assert_array_equal(gaussian.mean["out"]["kernel"], params["out"]["kernel"])
    exact = (np.asarray(problem.inputs, np.float64) ** 2).sum(axis=0) / NOISE**2
    found = np.asarray(gaussian.std["out"]["kernel"], np.float64)[:, 0] ** -2 - PRIOR**-2
    share = scipy.stats.chi2.cdf(NUM_PROBES * found / exact, NUM_PROBES)
    assert ((share > 5e-7) & (share < 1 - 5e-7)).all()


def test_a_weight_that_the_data_say_nothing_of_keeps_the_std_of_the_prior(key) -> None:
    problem = linear(prior_std=PRIOR)
    silent = SimpleNamespace(inputs=np.zeros((5, 3), np.float32), targets=np.zeros(5, np.float32))
    silent_problem = ob.posterior(
        problem.network, silent, likelihood="gaussian", noise_std=NOISE, prior_std=PRIOR
    )
    gaussian = ob.fisher.diagonal_laplace(silent_problem, problem.init(key), 1, key=key)
    np.testing.assert_allclose(gaussian.std["out"]["kernel"], PRIOR, rtol=1e-6)
    assert (gaussian.std["out"]["bias"] < PRIOR).all()


def test_a_prior_whose_std_is_not_known_is_refused(key) -> None:
    log_prior = lambda params: -sum((leaf**2).sum() for leaf in jax.tree.leaves(params))
    problem = linear(prior=log_prior)
    with pytest.raises(ValueError, match="whose std is not known"):
        ob.fisher.diagonal_laplace(problem, problem.init(key), 1, key=key)
