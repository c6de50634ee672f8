"""Predictive distributions of classes: scores against scikit-learn, and how far two lie apart."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest
import scipy.special
import sklearn.metrics
import strategies
from hypothesis import given, strategies as st

from onebasin.models.mlp import mlp
from onebasin.models.posterior import posterior
from onebasin.prediction.categorical import (
    CategoricalPredictive,
    cell_probs,
    evaluate,
    expected_calibration_error,
    network_outputs,
    predict,
)
from onebasin.prediction.regression import MixturePredictive


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


@pytest.mark.parametrize("gap", [10.0, 150.0, 3000.0])
def test_a_gap_between_logits_counts_for_what_it_is(gap: float) -> None:
    """Also where the probability itself is too small for any float."""
    model = two_logits()
    draws = {"out": {"kernel": np.zeros((4, 1, 2), np.float32), "bias": np.zeros((4, 2), "f4")}}
    draws["out"]["bias"][:, 1] = gap
    found = predict(model, draws, np.zeros((5, 1), np.float32))
    assert found.scores(np.zeros(5, int))["nll"] == pytest.approx(gap, rel=1e-4)


def test_the_log_density_of_a_mean_is_that_of_the_least_surprised_draw_at_far_targets() -> None:
    """Of two draws that take a class to be improbable by 200 and 900 nats."""
    logs = np.array([[[-200.0, 0.0]], [[-900.0, 0.0]]])
    nll = CategoricalPredictive(logs).scores(np.zeros(1, int))["nll"]
    assert nll == pytest.approx(200 + np.log(2), rel=1e-12)


def two_logits():
    train = SimpleNamespace(inputs=np.zeros((2, 1), np.float32), targets=np.array([0, 1]))
    return posterior(mlp(1, (), 2), train)


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
    cells = cell_probs(predictive, make_predictive(8))
    np.testing.assert_array_equal(cells, predictive.draw_probs)
    np.testing.assert_allclose(cells.sum(axis=-1), 1, rtol=1e-12)


def test_the_cells_of_targets_are_laid_out_by_the_reference() -> None:
    p = MixturePredictive(np.array([[0.0, 1.0]]), np.ones(1))
    reference = MixturePredictive(np.array([[5.0, 1.0]]), np.ones(1))
    cells = cell_probs(p, reference)
    np.testing.assert_array_equal(cells, p.cell_probs(reference))
    # The first example lies far below its cells, the second where they are.
    assert cells[0, 0, 0] > 0.99
    np.testing.assert_allclose(cells[0, 1], 1 / 64, rtol=1e-5)


def test_evaluating_puts_scores_and_distances_side_by_side(predictive, targets) -> None:
    other = make_predictive(7, num_examples=200)
    found = evaluate(predictive, targets, other)
    assert found == predictive.scores(targets) | {
        "agreement": predictive.agreement(other),
        "total_variation": predictive.total_variation(other),
    }


class Train(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray


def make_draws(template, num_draws: int):
    rng = np.random.default_rng(3)
    return jax.tree.map(
        lambda leaf: rng.standard_normal((num_draws, *leaf.shape)).astype(np.float32), template
    )


@pytest.fixture(scope="module")
def classifier():
    data = Train(np.zeros((4, 3), np.float32), np.array([0, 1, 2, 0]))
    return posterior(mlp(3, (4,), 3), data)


@pytest.fixture(scope="module")
def regressor():
    data = Train(np.zeros((4, 3), np.float32), np.zeros(4, np.float32))
    return posterior(mlp(3, (4,), 1, "tanh"), data, likelihood="gaussian")


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(4).standard_normal((5, 3)).astype(np.float32)


@pytest.mark.parametrize("num_draws", [1, 64, 65])
def test_outputs_of_draws_do_not_depend_on_the_chunks_they_are_computed_in(
    classifier, inputs, num_draws: int
) -> None:
    draws = make_draws(classifier.prior_std, num_draws)
    outputs, noise = network_outputs(classifier, draws, inputs)
    expected = jax.jit(jax.vmap(classifier.network.apply, (0, None)))(draws, inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert noise.shape == (num_draws,)
    assert np.isnan(noise).all()


def test_classes_are_predicted_by_the_softmax_of_every_draw(classifier, inputs) -> None:
    draws = make_draws(classifier.prior_std, 3)
    found = predict(classifier, draws, inputs)
    assert isinstance(found, CategoricalPredictive)
    assert found.draw_probs.shape == (3, 5, 3)
    outputs, _ = network_outputs(classifier, draws, inputs)
    exponentials = np.exp(outputs.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.draw_probs, expected, rtol=1e-5)


def test_regression_is_predicted_in_the_targets_own_units(regressor, inputs) -> None:
    draws = make_draws(regressor.prior_std, 3)
    found = predict(regressor, draws, inputs, target_mean=100.0, target_std=50.0)
    assert isinstance(found, MixturePredictive)
    outputs, noise = network_outputs(regressor, draws, inputs)
    np.testing.assert_allclose(found.means, 100 + 50 * outputs[..., 0], rtol=1e-6)
    np.testing.assert_allclose(found.stds, 50 * np.exp(draws["log_noise_std"]), rtol=1e-5)
    np.testing.assert_allclose(noise, np.exp(draws["log_noise_std"]), rtol=1e-5)
