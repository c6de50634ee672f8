"""What every predictive promises, and a type of one's own beside those of the library."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats

import onebasin as ob
from onebasin.prediction import (
    CategoricalPredictive,
    CountPredictive,
    DensityPredictive,
    MixturePredictive,
    Predictive,
)

NUM_DRAWS, NUM_EXAMPLES = 5, 6


def classes(num_classes: int = 3, num_examples: int = NUM_EXAMPLES) -> CategoricalPredictive:
    logits = np.random.default_rng(num_classes).normal(0, 2, (NUM_DRAWS, num_examples, num_classes))
    return CategoricalPredictive(scipy.special.log_softmax(logits, axis=-1))


def mixture(num_examples: int = NUM_EXAMPLES) -> MixturePredictive:
    rng = np.random.default_rng(1)
    return MixturePredictive(
        rng.normal(0, 2, (NUM_DRAWS, num_examples)), rng.uniform(0.3, 1.5, NUM_DRAWS)
    )


def wide_mixture(num_examples: int = NUM_EXAMPLES) -> MixturePredictive:
    """A mixture whose noise depends on the example."""
    rng = np.random.default_rng(3)
    shape = NUM_DRAWS, num_examples
    return MixturePredictive(rng.normal(0, 2, shape), rng.uniform(0.3, 1.5, shape))


def count_mixture(num_examples: int = NUM_EXAMPLES) -> CountPredictive:
    return CountPredictive(np.random.default_rng(4).normal(1, 1, (NUM_DRAWS, num_examples)))


def laplace(outputs, targets):
    """A log density that rounds alike, whatever the number of examples is."""
    return -abs(targets - outputs[:, 0]) - np.log(2)


def density(num_examples: int = NUM_EXAMPLES) -> DensityPredictive:
    outputs = np.random.default_rng(5).normal(size=(NUM_DRAWS, num_examples, 1))
    return DensityPredictive(outputs.astype(np.float32), laplace)


@dataclass(frozen=True)
class Counts:
    """Poisson distributions of counts, one rate for each draw and example: a user's own type."""

    rates: np.ndarray

    @property
    def num_draws(self) -> int:
        return len(self.rates)

    def take(self, rows: np.ndarray) -> "Counts":
        return Counts(self.rates[rows])

    def at(self, examples: slice) -> "Counts":
        return Counts(self.rates[:, examples])

    def log_density(self, targets: np.ndarray) -> np.ndarray:
        terms = scipy.stats.poisson.logpmf(targets, self.rates)
        return scipy.special.logsumexp(terms, axis=0) - np.log(self.num_draws)

    def scores(self, targets: np.ndarray) -> dict[str, float]:
        return {"nll": float(-self.log_density(targets).mean())}

    def example_scores(self, targets: np.ndarray) -> np.ndarray:
        return self.log_density(targets)

    def draw_predictions(self, targets: np.ndarray) -> np.ndarray:
        return self.rates

    def cell_probs(self, reference: "Counts") -> np.ndarray:
        below = scipy.stats.poisson.pmf(np.arange(30), self.rates[..., None])
        return np.concatenate([below, 1 - below.sum(axis=-1, keepdims=True)], axis=-1)

    def total_variation(self, reference: "Counts") -> float:
        gap = self.cell_probs(reference).mean(axis=0) - reference.cell_probs(reference).mean(axis=0)
        return float(0.5 * np.abs(gap).sum(axis=-1).mean())

    def comparison(self, reference: "Counts") -> dict[str, float]:
        return {"total_variation": self.total_variation(reference)}


def counts() -> Counts:
    return Counts(np.random.default_rng(2).gamma(2.0, 2.0, (NUM_DRAWS, NUM_EXAMPLES)))


PREDICTIVES = {
    "classes": (classes(), np.array([0, 1, 2, 0, 1, 2])),
    "regression": (mixture(), np.linspace(-3, 3, NUM_EXAMPLES)),
    "noise by example": (wide_mixture(), np.linspace(-3, 3, NUM_EXAMPLES)),
    "counts": (count_mixture(), np.array([0, 1, 2, 3, 4, 9])),
    "a type of one's own": (counts(), np.array([0, 1, 2, 3, 4, 9])),
}
UNCOMPARED = {"a density of one's own": (density(), np.linspace(-3, 3, NUM_EXAMPLES, dtype="f4"))}


@pytest.fixture(params=PREDICTIVES)
def case(request) -> tuple[Predictive, np.ndarray]:
    return PREDICTIVES[request.param]


@pytest.fixture(params=PREDICTIVES | UNCOMPARED)
def scored(request) -> tuple[Predictive, np.ndarray]:
    """Also one that cannot be compared with a reference."""
    return (PREDICTIVES | UNCOMPARED)[request.param]


def test_all_keep_the_protocol(scored) -> None:
    assert isinstance(scored[0], Predictive)


def test_the_score_nll_is_the_mean_log_density(scored) -> None:
    predictive, targets = scored
    assert predictive.log_density(targets).shape == (NUM_EXAMPLES,)
    assert predictive.scores(targets)["nll"] == -predictive.log_density(targets).mean()


def test_the_density_of_all_draws_is_the_mean_of_the_density_of_each(scored) -> None:
    predictive, targets = scored
    alone = [predictive.take(np.array([row])).log_density(targets) for row in range(NUM_DRAWS)]
    expected = np.exp(alone).mean(axis=0)
    np.testing.assert_allclose(np.exp(predictive.log_density(targets)), expected, rtol=1e-12)


def test_every_score_is_a_number(case) -> None:
    predictive, targets = case
    scores = ob.prediction.evaluate(predictive, targets, predictive)
    assert {type(score) for score in scores.values()} == {float}
    assert np.isfinite(list(scores.values())).all()


def test_some_examples_alone_are_scored_as_among_all(scored) -> None:
    predictive, targets = scored
    some = predictive.at(slice(1, 4))
    np.testing.assert_array_equal(
        some.log_density(targets[1:4]), predictive.log_density(targets)[1:4]
    )
    scores = predictive.example_scores(targets)
    assert scores.shape == (NUM_EXAMPLES,)
    np.testing.assert_array_equal(some.example_scores(targets[1:4]), scores[1:4])


def test_each_draw_predicts_one_number_for_each_example(scored) -> None:
    predictive, targets = scored
    values = predictive.draw_predictions(targets)
    assert values.shape == (NUM_DRAWS, NUM_EXAMPLES)
    rows = np.array([3, 1])
    np.testing.assert_array_equal(predictive.take(rows).draw_predictions(targets), values[rows])


def test_cells_hold_all_targets(case) -> None:
    predictive, _ = case
    cells = predictive.cell_probs(predictive)
    assert cells.shape[:2] == (NUM_DRAWS, NUM_EXAMPLES)
    np.testing.assert_allclose(cells.sum(axis=-1), 1, rtol=1e-5)


def test_draws_are_chosen_by_cells_whatever_the_targets_are(case) -> None:
    predictive, _ = case
    cells = predictive.cell_probs(predictive)
    rows = ob.prediction.chosen_draws(cells, cells[[1, 3]].mean(axis=0), 2)
    assert set(rows) == {1, 3}


def test_a_temperature_is_fitted_by_a_predictive_of_ones_own(key) -> None:
    """Rates are the exponentials of weights, whose std was made ten times too large."""
    mean, std = {"w": np.ones(8, np.float32)}, {"w": np.full(8, 0.5, np.float32)}
    predict = lambda draws: Counts(np.exp(np.asarray(draws["w"], np.float64)))
    reference = predict(ob.DiagonalGaussian(mean, std).sample(400, key=jax.random.fold_in(key, 1)))
    wide = ob.DiagonalGaussian(mean, {"w": 10 * std["w"]})
    assert (
        ob.prediction.fit_temperature(wide, predict, reference, 400, (0.02, 0.1, 0.5), key=key)
        == 0.1
    )


@pytest.mark.parametrize("predictive", [classes(), mixture(), count_mixture()])
@pytest.mark.parametrize("method", ["scores", "log_density", "example_scores", "draw_predictions"])
def test_targets_of_other_examples_are_refused(predictive, method: str) -> None:
    """One target would stand for all examples, as NumPy broadcasts it."""
    for num_targets in (1, NUM_EXAMPLES + 1):
        message = rf"each of the 6 examples\. Got targets of shape \({num_targets},\)"
        with pytest.raises(ValueError, match=message):
            getattr(predictive, method)(np.zeros(num_targets, int))


COMPARED = ["cell_probs", "total_variation", "comparison"]


@pytest.mark.parametrize("method", COMPARED)
@pytest.mark.parametrize(
    ("predictive", "reference", "got"),
    [
        (classes(), classes(num_examples=1), r"\(1, 3\)"),
        (classes(), classes(num_classes=4), r"\(6, 4\)"),
        (mixture(), mixture(num_examples=1), r"\(1,\)"),
        (count_mixture(), count_mixture(num_examples=1), r"\(1,\)"),
    ],
)
def test_a_reference_of_other_examples_or_classes_is_refused(
    predictive, reference, got: str, method: str
) -> None:
    with pytest.raises(ValueError, match=rf"must have the same examples.* Got {got}"):
        getattr(predictive, method)(reference)


@pytest.mark.parametrize("method", COMPARED)
@pytest.mark.parametrize(
    ("predictive", "reference"),
    [(classes(), mixture()), (mixture(), count_mixture()), (count_mixture(), classes())],
)
def test_a_reference_of_another_type_is_refused(
    unchecked: None, predictive, reference, method: str
) -> None:
    message = f"type {type(predictive).__name__}. Got {type(reference).__name__}"
    with pytest.raises(TypeError, match=message):
        getattr(predictive, method)(reference)


@pytest.mark.parametrize("method", COMPARED)
def test_a_density_of_ones_own_is_compared_with_nothing(method: str) -> None:
    message = rf"^{method} needs to know which targets are possible\. .* Compare the nll of scores"
    with pytest.raises(ValueError, match=message):
        getattr(density(), method)(density())
    with pytest.raises(ValueError, match="needs to know which targets are possible"):
        ob.prediction.evaluate(density(), np.zeros(NUM_EXAMPLES), density())


def test_targets_of_a_density_of_ones_own_lead_with_the_examples() -> None:
    with pytest.raises(ValueError, match=r"lead with the 6 examples\. Got targets of shape \(5,\)"):
        density().log_density(np.zeros(5))
    outputs = np.zeros((2, 3, 4), np.float32)
    columns = DensityPredictive(outputs, lambda f, y: -abs(y - f).sum(axis=-1))
    assert columns.scores(np.ones((3, 4), np.float32)) == {"nll": 4.0}
