"""The main claim: two refined numbers a weight predict nearer to HMC than two of its draws."""

import numpy as np
import pytest

from onebasin.alignment.align import align
from onebasin.experiments.config import load_config
from onebasin.experiments.frontier.evaluate import held_out
from onebasin.experiments.judge import Judge, Scores
from onebasin.experiments.methods import hmc_of
from onebasin.experiments.refinement import Refinement, fit_inputs, refined
from onebasin.experiments.setup import Setup, set_up
from onebasin.gaussian import summarize
from onebasin.inference.method import inits
from onebasin.inference.sample import sample
from onebasin.samples import Samples

pytestmark = pytest.mark.slow

# Small, but a posterior that is sampled: chains agree in what they predict.
CHANGES = [
    "data.num_train=300",
    "network.hidden=[12]",
    "hmc.num_chains=2",
    "hmc.num_draws=100",
    "hmc.num_warmup=60",
    "hmc.num_steps=20",
    "evaluation.num_gaussian_draws=200",
]
NUM_STEPS = 600


@pytest.fixture(scope="module")
def setup() -> Setup:
    return set_up(load_config("digits", CHANGES))


@pytest.fixture(scope="module")
def samples(setup: Setup) -> Samples:
    chosen = setup.config.hmc
    starts = inits(setup.posterior.init, setup.key("starts"), chosen.num_chains)
    return sample(hmc_of(setup), setup.key("hmc"), starts, chosen.num_draws)


@pytest.fixture(scope="module")
def judge(setup: Setup, samples: Samples) -> Judge:
    return Judge(setup, setup.predict(samples.draws()))


@pytest.fixture(scope="module")
def refined_scores(setup: Setup, samples: Samples, judge: Judge) -> Scores:
    compact = summarize(align(samples, setup.posterior.symmetry).apply(samples))
    found = refined(setup, compact, fit_inputs(setup, samples), Refinement(), NUM_STEPS)
    return judge.gaussian("refined", found)


def test_a_refined_gaussian_is_nearer_to_hmc_than_two_of_its_draws(
    judge: Judge, refined_scores: Scores
) -> None:
    total = judge.reference.num_draws
    rows = np.random.default_rng(0).integers(total, size=(50, 2))
    kept = np.array([judge.kept([pair])["total_variation"] for pair in rows])
    # Nearer than nine of ten pairs of draws, not only than the mean pair.
    assert refined_scores["total_variation"] < np.quantile(kept, 0.1)


def test_relabelling_explains_unseen_draws_better_than_matching_by_weights(
    setup: Setup, samples: Samples
) -> None:
    found = held_out(setup, samples)
    for score in ("held_out_draws", "held_out_chain"):
        assert found["compact"][score] > found["compact-by-weights"][score]
        assert found["compact-by-weights"][score] > found["direct"][score]
