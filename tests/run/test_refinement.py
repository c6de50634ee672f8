"""Refinement: the weights of its terms count against each other."""

import jax
import numpy as np
import pytest
from tiny_runs import tiny_config

from onebasin import DiagonalGaussian, Samples
from onebasin.run.refinement import Refinement, fit_inputs, refined
from onebasin.run.setup import Setup, set_up

pytestmark = pytest.mark.slow

NUM_STEPS = 5


@pytest.fixture(scope="module")
def setup() -> Setup:
    return set_up(tiny_config("diabetes"))


@pytest.fixture(scope="module")
def samples(setup: Setup) -> Samples:
    keys = jax.random.split(jax.random.key(0), (2, 4))
    return Samples(jax.vmap(jax.vmap(setup.posterior.init_from_prior))(keys))


def mean_after(setup: Setup, samples: Samples, **weights: float) -> np.ndarray:
    gaussian = DiagonalGaussian(samples.mean(), samples.std())
    fit = fit_inputs(setup, samples)
    found = refined(setup, gaussian, fit, Refinement(**weights, num_particles=2), NUM_STEPS)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found.mean)])


TERMS = [
    {"elbo": 1.0, "predictive": 0.0, "pull": 1e4},
    {"elbo": 0.0, "predictive": 1.0, "pull": 1e3},
    {"elbo": 1.0, "predictive": 2.0, "pull": 0.0},
]


@pytest.mark.parametrize("weights", TERMS)
def test_weights_that_are_all_tripled_change_nothing(setup, samples, weights) -> None:
    """Steps of Adam do not depend on the scale of the objective."""
    once = mean_after(setup, samples, **weights)
    thrice = mean_after(setup, samples, **{name: 3 * weight for name, weight in weights.items()})
    np.testing.assert_allclose(thrice, once, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", TERMS)
def test_one_weight_that_is_tripled_changes_the_gaussian(setup, samples, weights) -> None:
    once = mean_after(setup, samples, **weights)
    for name in (name for name, weight in weights.items() if weight):
        other = mean_after(setup, samples, **{**weights, name: 3 * weights[name]})
        assert np.abs(other - once).max() > 1e-4
