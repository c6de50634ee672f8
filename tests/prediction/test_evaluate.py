"""Scores and the comparison with a reference, side by side."""

import numpy as np
import scipy.special

import onebasin as ob
from onebasin.prediction import CategoricalPredictive, MixturePredictive


def classes(seed: int) -> CategoricalPredictive:
    logits = np.random.default_rng(seed).normal(0, 2, (3, 20, 4))
    return CategoricalPredictive(scipy.special.log_softmax(logits, axis=-1))


def test_classes_have_six_scores() -> None:
    predictive, reference, targets = classes(0), classes(1), np.arange(20) % 4
    scores = ob.prediction.evaluate(predictive, targets, reference)
    assert scores == predictive.scores(targets) | {
        "agreement": predictive.agreement(reference),
        "total_variation": predictive.total_variation(reference),
    }
    assert set(scores) == {"accuracy", "nll", "brier", "ece", "agreement", "total_variation"}


def test_regression_has_five_and_none_of_classes() -> None:
    rng = np.random.default_rng(0)
    predictive, reference = (MixturePredictive(rng.normal(size=(3, 4)), np.ones(3)) for _ in "ab")
    scores = ob.prediction.evaluate(predictive, np.zeros(4), reference)
    assert set(scores) == {"rmse", "nll", "crps", "calibration_error", "total_variation"}
    assert scores["total_variation"] == predictive.total_variation(reference) > 0
