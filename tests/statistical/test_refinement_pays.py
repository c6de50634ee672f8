"""The main claim: refined numbers predict nearer to HMC than as many numbers in kept draws."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from onebasin import _trees
from onebasin.alignment import align
from onebasin.gaussians import GaussianMixture, summarize
from onebasin.methods import inits, sample
from onebasin.networks import Posterior
from onebasin.run.config import load_config
from onebasin.run.judge import Judge, Scores
from onebasin.run.methods import method_of
from onebasin.run.refinement import (
    Refinement,
    fit_inputs,
    refined,
    refined_mixture,
)
from onebasin.run.setup import Setup, set_up
from onebasin.samples import Samples
from onebasin.studies.frontier.evaluate import held_out

pytestmark = pytest.mark.long

# Small, but a posterior that is sampled: chains agree in what they predict.
CHANGES = [
    "data.num_train=300",
    "network.hidden=[12]",
    "method.num_chains=2",
    "method.num_draws=100",
    "method.most_draws=100",
    "method.num_warmup=60",
    "method.num_steps=20",
    "evaluation.num_gaussian_draws=200",
]
NUM_STEPS = 600


@pytest.fixture(scope="module")
def setup() -> Setup:
    return set_up(load_config("digits", CHANGES))


@pytest.fixture(scope="module")
def samples(setup: Setup) -> Samples:
    chosen = setup.config.method
    starts = inits(setup.posterior.init, chosen.num_chains, key=setup.key("starts"))
    return sample(method_of(setup), starts, chosen.num_draws, key=setup.key("hmc"))


@pytest.fixture(scope="module")
def judge(setup: Setup, samples: Samples) -> Judge:
    return Judge(setup, setup.predict(samples.flatten()))


@pytest.fixture(scope="module")
def refined_scores(setup: Setup, samples: Samples, judge: Judge) -> Scores:
    compact = summarize(align(samples, setup.posterior.symmetry).apply(samples))
    found = refined(setup, compact, fit_inputs(setup, samples), Refinement(), NUM_STEPS)
    return judge.gaussian("refined", found)


def test_a_refined_gaussian_is_nearer_to_hmc_than_two_of_its_draws(
    judge: Judge, refined_scores: Scores
) -> None:
    assert refined_scores.total_variation < nearest_tenth_of_kept(judge, 2)


def test_refined_chains_are_nearer_to_hmc_than_as_many_draws_and_use_no_target(
    setup: Setup, samples: Samples, judge: Judge
) -> None:
    symmetry = setup.posterior.symmetry
    alone = [samples.select_chains(chain) for chain in range(samples.num_chains)]
    fits = [summarize(align(chain, symmetry).apply(chain)) for chain in alone]
    mixture = GaussianMixture(
        _trees.stack([fit.mean for fit in fits]), _trees.stack([fit.std for fit in fits])
    )
    inputs = fit_inputs(setup, samples)
    blind = setup._replace(posterior=without_targets(setup.posterior))
    found = refined_mixture(blind, mixture, inputs, NUM_STEPS)
    predictive = setup.predict(found.sample(200, key=setup.key("evaluate")))
    scores = judge(predictive)
    assert found.values_per_weight == 4
    assert scores.total_variation < nearest_tenth_of_kept(judge, 4)


def without_targets(posterior: Posterior) -> Posterior:
    """The same posterior with every target replaced by the first class."""
    return eqx.tree_at(lambda p: p.targets, posterior, jnp.zeros_like(posterior.targets))


def nearest_tenth_of_kept(judge: Judge, count: int) -> float:
    """The total variation that one in ten choices of as many draws falls below."""
    rows = np.random.default_rng(0).integers(judge.reference.num_draws, size=(50, count))
    return float(np.quantile([judge.kept([kept]).total_variation for kept in rows], 0.1))


def test_relabelling_explains_unseen_draws_better_than_matching_by_weights(
    setup: Setup, samples: Samples
) -> None:
    found = held_out(setup, samples)
    for score in ("held_out_draws", "held_out_chain"):
        assert found["compact"][score] > found["compact-by-weights"][score]
        assert found["compact-by-weights"][score] > found["direct"][score]
