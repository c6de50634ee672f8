"""Predictive distributions of classes: scores against scikit-learn, and how far two lie apart."""

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
import strategies
from hypothesis import given, strategies as st

from onebasin.prediction import CategoricalPredictive
from onebasin.prediction.categorical import expected_calibration_error


def make_predictive(
    seed: int, num_draws: int = 3, num_examples: int = 6, num_classes: int = 4
) -> CategoricalPredictive:
    logits = np.random.default_rng(seed).normal(0, 2, (num_draws, num_examples, num_classes))
    return CategoricalPredictive(scipy.special.log_softmax(logits, axis=-1))


predictives = st.builds(make_predictive, strategies.seeds, st.integers(1, 4))


@pytest.fixture(scope="module")
def predictive() -> CategoricalPredictive:
    return make_predictive(0, num_draws=5, num_examples=200)


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, 200)


def test_the_predictive_is_the_mean_over_draws_of_probabilities(predictive) -> None:
    assert predictive.num_draws == 5
    np.testing.assert_allclose(predictive.probs, predictive.draw_probs.sum(axis=0) / 5, rtol=1e-12)


def test_accuracy_is_scikit_learns(predictive, targets) -> None:
    expected = sklearn.metrics.accuracy_score(targets, predictive.probs.argmax(axis=1))
    assert predictive.scores(targets)["accuracy"] == expected


def test_the_negative_log_likelihood_is_scikit_learns_log_loss(predictive, targets) -> None:
    expected = sklearn.metrics.log_loss(targets, predictive.probs)
    assert predictive.scores(targets)["nll"] == pytest.approx(expected, rel=1e-10)


def test_the_brier_score_is_scikit_learns(predictive, targets) -> None:
    expected = sklearn.metrics.brier_score_loss(targets, predictive.probs, scale_by_half=False)
    assert predictive.scores(targets)["brier"] == pytest.approx(expected, rel=1e-10)


def test_a_certain_and_right_predictive_scores_best_and_a_certain_wrong_one_worst() -> None:
    certain = CategoricalPredictive(np.array([[[0.0, -np.inf], [-np.inf, 0.0]]]))
    right = certain.scores(np.array([0, 1]))
    assert right == {"accuracy": 1.0, "nll": 0.0, "brier": 0.0, "ece": 0.0}
    wrong = certain.scores(np.array([1, 0]))
    assert (wrong["accuracy"], wrong["brier"], wrong["ece"]) == (0.0, 2.0, 1.0)
    assert wrong["nll"] == np.inf


def test_the_log_density_of_a_mean_is_that_of_the_least_surprised_draw_at_far_targets() -> None:
    """Of two draws that take a class to be improbable by 200 and 900 nats."""
    logs = np.array([[[-200.0, 0.0]], [[-900.0, 0.0]]])
    nll = CategoricalPredictive(logs).scores(np.zeros(1, int))["nll"]
    assert nll == pytest.approx(200 + np.log(2), rel=1e-12)


def ece_by_hand(probs: np.ndarray, targets: np.ndarray, num_bins: int = 15) -> float:
    """Bin by bin, with masks."""
    confidence, predicted = probs.max(axis=1), probs.argmax(axis=1)
    total = 0.0
    for number in range(num_bins):
        low, high = number / num_bins, (number + 1) / num_bins
        inside = (confidence >= low) & ((confidence < high) | (number == num_bins - 1))
        if inside.any():
            accuracy = (predicted[inside] == targets[inside]).mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return total


def test_the_calibration_error_is_that_of_fifteen_bins_made_by_hand(predictive, targets) -> None:
    expected = ece_by_hand(predictive.probs, targets)
    assert expected > 0.05
    assert predictive.scores(targets)["ece"] == pytest.approx(expected, rel=1e-10)


def test_a_calibrated_predictive_has_next_to_no_calibration_error() -> None:
    rng = np.random.default_rng(2)
    sure = rng.uniform(0.5, 1.0, 200_000)
    targets = (rng.random(200_000) > sure).astype(int)
    error = expected_calibration_error(np.stack([sure, 1 - sure], axis=1), targets)
    # 8 bins of 25,000 each are off by at most 5 standard errors of .0032.
    assert error < 5 * 0.0032


def test_overconfidence_is_the_calibration_error_of_a_constant_confidence() -> None:
    probs = np.tile([0.9, 0.1], (10, 1))
    targets = np.array([0] * 6 + [1] * 4)
    assert expected_calibration_error(probs, targets) == pytest.approx(0.3)


@given(predictives)
def test_a_predictive_agrees_with_itself_and_lies_nowhere_from_itself(p) -> None:
    assert p.agreement(p) == 1
    assert p.total_variation(p) == 0


@given(predictives, predictives)
def test_agreement_and_total_variation_are_symmetric_and_between_zero_and_one(p, q) -> None:
    assert p.agreement(q) == q.agreement(p)
    assert p.total_variation(q) == q.total_variation(p)
    assert 0 <= p.agreement(q) <= 1
    assert 0 <= p.total_variation(q) <= 1 + 1e-12


@given(predictives, predictives, predictives)
def test_total_variation_obeys_the_triangle_inequality(p, q, r) -> None:
    assert p.total_variation(r) <= p.total_variation(q) + q.total_variation(r) + 1e-12


@given(predictives, predictives, strategies.seeds)
def test_no_event_differs_in_probability_by_more_than_the_total_variation(p, q, seed) -> None:
    event = np.random.default_rng(seed).random(p.probs.shape) < 0.5
    gap = np.abs(np.where(event, p.probs - q.probs, 0).sum(axis=1)).mean()
    assert gap <= p.total_variation(q) + 1e-12


def test_disjoint_predictives_lie_one_apart() -> None:
    rows = [0.0, -np.inf], [-np.inf, 0.0]
    p, q = (CategoricalPredictive(np.array([[row]])) for row in rows)
    assert p.total_variation(q) == 1
    assert p.agreement(q) == 0


def test_taking_draws_keeps_those_alone(predictive) -> None:
    some = predictive.take(np.array([3, 1]))
    np.testing.assert_array_equal(some.draw_probs, predictive.draw_probs[[3, 1]])


def test_some_examples_alone_keep_all_draws(predictive, targets) -> None:
    some = predictive.at(slice(20, 60))
    assert some.num_draws == predictive.num_draws
    np.testing.assert_array_equal(some.probs, predictive.probs[20:60])


def test_the_cells_of_classes_are_the_classes_and_sum_to_one_for_each_draw(predictive) -> None:
    cells = predictive.cell_probs(make_predictive(8, num_examples=200))
    np.testing.assert_array_equal(cells, predictive.draw_probs)
    np.testing.assert_allclose(cells.sum(axis=-1), 1, rtol=1e-12)


def test_the_score_of_an_example_is_whether_its_class_is_right(predictive, targets) -> None:
    scores = predictive.example_scores(targets)
    assert set(scores) == {0.0, 1.0}
    assert scores.mean() == predictive.scores(targets)["accuracy"]


def test_convergence_is_judged_by_the_probability_of_the_right_class(predictive, targets) -> None:
    expected = [predictive.draw_probs[:, row, target] for row, target in enumerate(targets)]
    np.testing.assert_array_equal(predictive.draw_predictions(targets), np.transpose(expected))


@pytest.mark.parametrize("bad", [4, -1])
def test_a_class_that_is_none_is_refused(predictive, targets, bad: int) -> None:
    """Counted from the end, as NumPy does, -1 would be the last class."""
    targets = np.where(np.arange(200) == 3, bad, targets)
    for method in (predictive.scores, predictive.example_scores, predictive.draw_predictions):
        with pytest.raises(ValueError, match=rf"Classes must lie in \[0, 3\].* Got {bad}"):
            method(targets)
