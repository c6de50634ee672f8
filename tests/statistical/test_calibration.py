"""Simulation-based calibration: HMC's draws rank data-generating weights uniformly.

Weights are drawn from the prior and data from these weights. Then the weights are one more draw of
the posterior, so that the rank of any quantity of theirs among that of the draws is uniform. A
chi-square test of each quantity, corrected by Bonferroni, fails by chance for fewer than one key in
a million (the keys are fixed all the same).

Quantities are such that trading places or signs of units leaves them alone: with ten examples a
chain need not visit every copy of a mode. Sources: Talts et al. (2018), arXiv 1804.06788; Modrak et
al. (2023), arXiv 2211.02383, for the likelihood as a quantity.
"""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from onebasin.methods import hmc, inits, sample
from onebasin.networks import Posterior, mlp, posterior

pytestmark = pytest.mark.long

FAILURE_RATE = 1e-6
NUM_DATA_SETS = 400
NUM_EXAMPLES = 10
NUM_CHAINS, DRAWS_PER_CHAIN, THIN = 4, 25, 12
NUM_BINS = 20
QUANTITIES = ("left", "middle", "right", "size of weights", "noise", "likelihood")

NETWORK = mlp(inputs=1, hidden=(2,), outputs=1, activation="tanh")
INPUTS = np.linspace(-2, 2, NUM_EXAMPLES, dtype=np.float32)[:, None]


def make_posterior(targets) -> Posterior:
    train = SimpleNamespace(inputs=INPUTS, targets=np.asarray(targets, np.float32))
    return posterior(NETWORK, train, likelihood="gaussian", prior_std=1.5)


@jax.jit
def quantities(found: Posterior, params):
    """One number a quantity, for every draw in the first axis of the params."""

    def of_one(params):
        outputs = found.apply(params, jnp.array([[-2.0], [0.3], [1.5]]))[:, 0]
        size = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params["weights"]))
        likelihood = found.log_likelihood(params, found.inputs, found.targets).sum()
        return jnp.array([*outputs, size, found.noise_std(params), likelihood])

    return jax.vmap(of_one)(params)


def ranks(key: jax.Array, sharpness: float) -> np.ndarray:
    """The ranks of one set of data-generating weights; all densities to the power `sharpness`."""
    key_truth, key_data, key_starts, key_draws = jax.random.split(key, 4)
    prior = make_posterior(np.zeros(NUM_EXAMPLES))
    truth = prior.init_from_prior(key_truth)
    found = make_posterior(prior.drawn_targets(truth, key=key_data))
    method = hmc(
        jax.tree_util.Partial(sharpened, found, jnp.asarray(sharpness)),
        num_steps=15,
        num_warmup=300,
        jitter=0.5,
        target_acceptance=0.8,
        step_size=0.05,
    )
    starts = inits(found.init_from_prior, NUM_CHAINS, key=key_starts)
    drawn = sample(method, starts, DRAWS_PER_CHAIN, thin=THIN, num_chunks=1, key=key_draws)
    of_truth = quantities(found, jax.tree.map(lambda leaf: leaf[None], truth))
    return np.sum(np.asarray(quantities(found, drawn.flatten())) < np.asarray(of_truth), axis=0)


def sharpened(found: Posterior, sharpness, params):
    return sharpness * found.logdensity(params)


def p_values(sharpness: float) -> dict[str, float]:
    keys = jax.random.split(jax.random.key(11), NUM_DATA_SETS)
    found = np.array([ranks(key, sharpness) for key in keys])
    num_ranks = NUM_CHAINS * DRAWS_PER_CHAIN + 1
    edges = np.linspace(0, num_ranks, NUM_BINS + 1)
    # A bin of 5.05 ranks holds 5 of them or 6.
    expected = np.histogram(np.arange(num_ranks), edges)[0] / num_ranks * NUM_DATA_SETS
    return {
        name: float(scipy.stats.chisquare(np.histogram(column, edges)[0], expected).pvalue)
        for name, column in zip(QUANTITIES, found.T, strict=True)
    }


def test_draws_of_hmc_rank_data_generating_weights_uniformly(unchecked) -> None:
    found = p_values(sharpness=1.0)
    assert min(found.values()) > FAILURE_RATE / len(QUANTITIES), found


def test_a_posterior_that_is_too_narrow_is_found_out(unchecked) -> None:
    found = p_values(sharpness=2.0)
    assert min(found.values()) < FAILURE_RATE / len(QUANTITIES), found
