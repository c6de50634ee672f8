"""Bayesian linear regression, whose posterior is a known Gaussian: who recovers it, who cannot.

Every test fails by chance for fewer than one key in a million (the keys are fixed all the same):
estimates stay within a quantile of their Monte Carlo standard error, corrected by Bonferroni for
the number of comparisons.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracles
import pytest
import scipy.linalg
import scipy.stats
from arviz_stats.base import array_stats

from onebasin import _trees
from onebasin.methods import (
    Method,
    adjusted_mclmc,
    deep_ensemble,
    hmc,
    mclmc,
    mean_field_vi,
    nuts,
    sample,
)
from onebasin.samples import Samples
from onebasin.types import LogDensity

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6
PRIOR_STD = 1.5
NOISE_STD = 0.7


class Regression(NamedTuple):
    """Targets y = X w + noise under a normal prior, and the posterior in closed form."""

    design: np.ndarray
    targets: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """X'X / noise^2 + I / prior^2 (Bishop 2006, equation 3.51)."""
        gram = self.design.T @ self.design / NOISE_STD**2
        return gram + np.eye(len(gram)) / PRIOR_STD**2

    @property
    def covariance(self) -> np.ndarray:
        return np.linalg.inv(self.precision)

    @property
    def mean(self) -> np.ndarray:
        """The posterior mean, which is also the ridge solution (Bishop 2006, equation 3.50)."""
        return np.linalg.solve(self.precision, self.design.T @ self.targets / NOISE_STD**2)

    def logdensity(self, params):
        """The log posterior of `{"bias": (), "slopes": (...)}`; the bias goes with column 0."""
        weights = jnp.concatenate([params["bias"][None], params["slopes"]])
        residuals = (jnp.asarray(self.targets, weights.dtype) - self._columns(weights)) / NOISE_STD
        return -0.5 * ((residuals**2).sum() + (weights**2).sum() / PRIOR_STD**2)

    def _columns(self, weights):
        return jnp.asarray(self.design, weights.dtype) @ weights

    def keyed_logdensity(self, params, key):
        del key
        return self.logdensity(params)


def make_regression(design: np.ndarray) -> Regression:
    rng = np.random.default_rng(5)
    weights = rng.standard_normal(design.shape[1])
    return Regression(design, design @ weights + NOISE_STD * rng.standard_normal(len(design)))


@pytest.fixture(scope="module")
def correlated() -> Regression:
    """An intercept and three slopes on correlated inputs of unlike scales."""
    rng = np.random.default_rng(4)
    mixing = np.array([[1.0, 0.7, 0.3], [0.0, 1.0, -0.6], [0.0, 0.0, 1.0]])
    inputs = rng.standard_normal((40, 3)) @ mixing * [1.0, 0.5, 3.0] + 0.5
    regression = make_regression(np.column_stack([np.ones(40), inputs]))
    stds = np.sqrt(np.diag(regression.covariance))
    correlations = regression.covariance / np.outer(stds, stds) - np.eye(4)
    assert np.abs(correlations).max() > 0.5  # or the test would be about nothing
    assert stds.max() > 5 * stds.min()
    return regression


@pytest.fixture(scope="module")
def orthogonal() -> Regression:
    """Orthogonal columns of unlike lengths: a posterior of independent weights."""
    rng = np.random.default_rng(6)
    columns, _ = np.linalg.qr(rng.standard_normal((30, 4)))
    return make_regression(columns * [1.0, 2.0, 4.0, 6.0])


@pytest.fixture(scope="module")
def anchor() -> Regression:
    """Two weights whose posterior has unit variances and correlation .9."""
    precision = np.linalg.inv([[1.0, 0.9], [0.9, 1.0]])
    gram = NOISE_STD**2 * (precision - np.eye(2) / PRIOR_STD**2)
    regression = make_regression(scipy.linalg.cholesky(gram))
    np.testing.assert_allclose(regression.covariance, [[1, 0.9], [0.9, 1]], rtol=1e-12)
    return regression


def starts(regression: Regression, num_chains: int):
    rng = np.random.default_rng(num_chains)
    draws = rng.standard_normal((num_chains, regression.design.shape[1])).astype(np.float32)
    return {"bias": jnp.asarray(draws[:, 0]), "slopes": jnp.asarray(draws[:, 1:])}


def standard_errors(values: np.ndarray) -> np.ndarray:
    """Of means over (chain, draw), by the effective sample size of each quantity."""
    ess = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    return values.std(axis=(0, 1), ddof=1) / np.sqrt(ess)


class Sampler(NamedTuple):
    """A method that samples the posterior, and the bias that is allowed it, as a share of stds."""

    build: Callable[[LogDensity], Method]
    bias: float = 0.0


SAMPLERS = {
    "hmc with unit mass": Sampler(
        lambda logdensity: hmc(
            logdensity, num_steps=5, num_warmup=600, step_size=0.1, adapt_mass=False
        )
    ),
    "hmc with adapted mass": Sampler(
        lambda logdensity: hmc(
            logdensity, num_steps=5, num_warmup=600, step_size=0.1, adapt_mass=True
        )
    ),
    "nuts with unit mass": Sampler(
        lambda logdensity: nuts(logdensity, num_warmup=600, step_size=0.1, adapt_mass=False)
    ),
    "nuts with adapted mass": Sampler(
        lambda logdensity: nuts(logdensity, num_warmup=600, step_size=0.1, adapt_mass=True)
    ),
    "adjusted_mclmc": Sampler(
        lambda logdensity: adjusted_mclmc(logdensity, num_warmup=600, step_size=0.1)
    ),
    # Not exact: at a fiftieth of the default energy error a bias of 2 % is allowed.
    "mclmc": Sampler(
        lambda logdensity: mclmc(
            logdensity, num_steps=10, num_warmup=600, step_size=0.1, energy_variance=1e-5
        ),
        bias=0.02,
    ),
}


@pytest.fixture(scope="module", params=SAMPLERS)
def sampler_name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def posterior_samples(sampler_name: str, correlated: Regression) -> Samples:
    method = SAMPLERS[sampler_name].build(correlated.logdensity)
    return sample(method, starts(correlated, 4), 2000, num_chunks=2, key=jax.random.key(1))


def test_the_posterior_mean_is_recovered(
    posterior_samples: Samples, correlated: Regression, sampler_name: str
) -> None:
    draws = _trees.ravel_batch(posterior_samples.params, 2).astype(np.float64)
    errors = standard_errors(draws)
    stds = np.sqrt(np.diag(correlated.covariance))
    assert (errors < 0.1 * stds).all()
    gaps = np.abs(draws.mean(axis=(0, 1)) - correlated.mean)
    scores = (gaps - SAMPLERS[sampler_name].bias * stds) / errors
    assert scores.max() < oracles.z_bound(FAILURE_RATE, scores.size)


def test_the_whole_posterior_covariance_is_recovered(
    posterior_samples: Samples, correlated: Regression, sampler_name: str
) -> None:
    draws = _trees.ravel_batch(posterior_samples.params, 2).astype(np.float64)
    rows, columns = np.triu_indices(4)
    centred = draws - correlated.mean
    products = centred[..., rows] * centred[..., columns]
    errors = standard_errors(products)
    stds = np.sqrt(np.diag(correlated.covariance))
    assert (errors < 0.1 * stds[rows] * stds[columns]).all()
    gaps = np.abs(products.mean(axis=(0, 1)) - correlated.covariance[rows, columns])
    scores = (gaps - SAMPLERS[sampler_name].bias * stds[rows] * stds[columns]) / errors
    assert scores.max() < oracles.z_bound(FAILURE_RATE, scores.size)


def test_the_step_size_stays_as_warm_up_left_it(posterior_samples: Samples) -> None:
    step_size = posterior_samples.stats["step_size"]
    assert (step_size == step_size[:, :1]).all()
    assert (step_size != 0.1).all()
    assert not posterior_samples.stats["diverging"].any()


def test_the_adapted_inverse_mass_comes_near_the_variances(
    posterior_samples: Samples, correlated: Regression, sampler_name: str
) -> None:
    if sampler_name in ("mclmc", "adjusted_mclmc"):
        return  # they have no mass
    inverse_mass = posterior_samples.last_state.inverse_mass
    if "adapted" not in sampler_name:
        np.testing.assert_array_equal(inverse_mass, 1)
        return
    # The last window holds some 300 correlated draws: variances within a factor of 1.6.
    ratios = inverse_mass / np.diag(correlated.covariance)
    assert np.abs(np.log(ratios)).max() < np.log(1.6)


class Fits(NamedTuple):
    """Independent variational fits: what spreads between them is Monte Carlo error."""

    means: np.ndarray
    stds: np.ndarray
    draws: np.ndarray


def fit_vi(regression: Regression, num_fits: int = 32) -> Fits:
    num_steps = 3000
    method = mean_field_vi(
        regression.keyed_logdensity,
        num_steps=num_steps,
        num_particles=32,
        init_std=0.3,
        optimizer=optax.adam(optax.cosine_decay_schedule(0.05, num_steps)),
    )
    samples = sample(
        method,
        starts(regression, num_fits),
        250,
        num_chunks=1,
        batch_size=16,
        key=jax.random.key(2),
    )
    gaussian = jax.vmap(method.gaussian)(samples.last_state)
    mean, std, draws = (
        _trees.ravel_batch(tree, axes).astype(np.float64)
        for tree, axes in ((gaussian.mean, 1), (gaussian.std, 1), (samples.params, 2))
    )
    return Fits(mean, std, draws)


def largest_t(values: np.ndarray, truth: np.ndarray) -> float:
    """Student's statistic of repeats in rows against the truth, the largest."""
    errors = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return float(np.abs((values.mean(axis=0) - truth) / errors).max())


def t_bound(num_repeats: int, num_comparisons: int) -> float:
    return float(scipy.stats.t.isf(FAILURE_RATE / (2 * num_comparisons), num_repeats - 1))


@pytest.fixture(scope="module")
def orthogonal_fits(orthogonal: Regression) -> Fits:
    return fit_vi(orthogonal)


@pytest.fixture(scope="module")
def anchor_fits(anchor: Regression) -> Fits:
    return fit_vi(anchor)


def test_mean_field_vi_is_exact_where_weights_are_independent(
    orthogonal_fits: Fits, orthogonal: Regression
) -> None:
    means, stds, _ = orthogonal_fits
    truth = np.sqrt(np.diag(orthogonal.covariance))
    bound = t_bound(len(means), 2 * means.shape[1])
    assert largest_t(means, orthogonal.mean) < bound
    assert largest_t(stds, truth) < bound
    # And the error allowed is small beside the posterior itself.
    np.testing.assert_allclose(stds.mean(axis=0), truth, rtol=0.02)
    assert (np.abs(means.mean(axis=0) - orthogonal.mean) < 0.02 * truth).all()


def test_the_draws_of_mean_field_vi_have_the_posterior_mean_and_covariance(
    orthogonal_fits: Fits, orthogonal: Regression
) -> None:
    _, _, draws = orthogonal_fits
    white = (draws - orthogonal.mean) @ np.linalg.cholesky(orthogonal.precision)
    rows, columns = np.triu_indices(white.shape[-1])
    products = white[..., rows] * white[..., columns]
    # Every fit is off by its own Monte Carlo error: compare fits, not draws.
    bound = t_bound(len(white), white.shape[-1] + len(rows))
    assert largest_t(white.mean(axis=1), np.zeros(white.shape[-1])) < bound
    assert largest_t(products.mean(axis=1), (rows == columns).astype(float)) < bound


def test_mean_field_vi_finds_the_mean_but_too_small_a_variance_where_weights_correlate(
    anchor_fits: Fits, anchor: Regression
) -> None:
    means, stds, _ = anchor_fits
    variances = 1 / np.diag(anchor.precision)
    np.testing.assert_allclose(variances, 1 - 0.9**2)  # reverse KL: .19 at a correlation of .9
    bound = t_bound(len(means), 4)
    assert largest_t(means, anchor.mean) < bound
    assert largest_t(stds, np.sqrt(variances)) < bound
    np.testing.assert_allclose(stds.mean(axis=0) ** 2, 0.19, atol=0.01)


def test_every_member_of_an_ensemble_finds_the_ridge_solution(correlated: Regression) -> None:
    num_steps = 4000
    method = deep_ensemble(
        correlated.keyed_logdensity,
        num_steps=num_steps,
        optimizer=optax.adam(optax.cosine_decay_schedule(0.1, num_steps)),
    )
    samples = sample(method, starts(correlated, 3), 1, num_chunks=1, key=jax.random.key(3))
    found = _trees.ravel_batch(samples.params, 2)[:, 0]
    np.testing.assert_allclose(found, np.tile(correlated.mean, (3, 1)), rtol=1e-3, atol=1e-4)
