"""Scores of a run: what a predictive gives, by the fields of the results."""

import jax
import numpy as np
import pytest
from tiny_runs import tiny_config

from onebasin.run.judge import Judge, mean_scores, scores_of
from onebasin.run.setup import Setup, set_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["digits", "diabetes"])
def setup(request) -> Setup:
    return set_up(tiny_config(request.param))


def draws_of(setup: Setup, num_draws: int):
    keys = jax.random.split(setup.key("some"), num_draws)
    return jax.tree.map(np.asarray, jax.vmap(setup.posterior.init)(keys))


def test_the_results_hold_every_score_and_no_other(setup: Setup) -> None:
    predictive = setup.predict(draws_of(setup, 3))
    given = predictive.scores(setup.test_targets)
    held = scores_of(setup, predictive).model_dump(exclude_none=True)
    renamed = {"calibration_error": "ece"}
    assert held == {renamed.get(name, name): score for name, score in given.items()}


def test_both_calibration_errors_stand_under_ece(setup: Setup) -> None:
    predictive = setup.predict(draws_of(setup, 3))
    name = "ece" if setup.dataset.task == "classification" else "calibration_error"
    given = predictive.scores(setup.test_targets)
    assert ("ece" in given) == (name == "ece")
    assert scores_of(setup, predictive).ece == given[name] > 0


def test_the_comparison_with_the_reference_is_held_too(setup: Setup) -> None:
    reference = setup.predict(draws_of(setup, 4))
    nearer = reference.take(np.arange(3))
    scores = Judge(setup, reference)(nearer)
    assert scores.total_variation == nearer.total_variation(reference) > 0
    assert scores.agreement == nearer.comparison(reference).get("agreement")
    assert (scores.agreement is None) == (setup.dataset.task == "regression")


def test_the_mean_of_scores_leaves_out_those_that_the_task_does_not_have(setup: Setup) -> None:
    reference = setup.predict(draws_of(setup, 4))
    both = [Judge(setup, reference)(reference.take(np.array([row]))) for row in (0, 2)]
    mean = mean_scores(both)
    assert mean.nll == pytest.approx((both[0].nll + both[1].nll) / 2, rel=1e-12)
    assert set(mean.model_dump(exclude_none=True)) == set(both[0].model_dump(exclude_none=True))
