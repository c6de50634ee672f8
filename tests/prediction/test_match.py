"""Refinement: inputs between examples, and an objective that is the predictives' cross entropy."""

from typing import NamedTuple

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import strategies
from hypothesis import given, strategies as st

from onebasin.networks import Posterior, mlp, posterior
from onebasin.prediction import (
    CategoricalPredictive,
    MixturePredictive,
    mixed_inputs,
    predict,
    predictive_match,
)

pytestmark = pytest.mark.slow

KEY = jax.random.key(5)
NUM_DRAWS = 3


# ---- inputs


@given(strategies.seeds, st.integers(1, 30))
def test_mixed_inputs_lie_between_two_training_inputs_nearer_to_the_first(
    seed: int, num_inputs: int
) -> None:
    train = np.random.default_rng(seed).standard_normal((6, 4)).astype(np.float32)
    found = mixed_inputs(train, num_inputs, key=KEY)
    assert found.shape == (num_inputs, 4)
    assert found.dtype == np.float32
    for number, point in enumerate(found):
        first = train[number % 6]
        # On the line to some other input, the share t is the same in every feature.
        lines = train - first
        squares = (lines**2).sum(axis=1)
        along = np.divide(lines @ (point - first), squares, out=np.zeros(6), where=squares > 0)
        off = np.abs(first + along[:, None] * lines - point).max(axis=1)
        assert ((off < 1e-5) & (along > -1e-5) & (along < 0.5 + 1e-5)).any()


def test_mixed_inputs_are_spread_over_lines_and_fixed_by_the_key() -> None:
    train = np.array([[0.0], [1.0]], np.float32)
    found = mixed_inputs(train, 4000, key=KEY)[::2, 0]
    moved = found[found > 0]
    # Half of the partners are the input itself; shares of the others are uniform in [0, .5].
    assert abs(len(moved) / len(found) - 0.5) < 5 * 0.5 / np.sqrt(len(found))
    assert scipy.stats.kstest(moved, scipy.stats.uniform(0, 0.5).cdf).pvalue > 1e-6
    np.testing.assert_array_equal(mixed_inputs(train, 9, key=KEY), mixed_inputs(train, 9, key=KEY))
    other = mixed_inputs(train, 9, key=jax.random.key(6))
    assert not np.array_equal(mixed_inputs(train, 9, key=KEY), other)


# ---- the objective, for classes


class Train(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray


def classifier() -> Posterior:
    return posterior(mlp(2, (3,), 3), Train(np.zeros((1, 2)), np.zeros(1, int)))


def regressor() -> Posterior:
    data = Train(np.zeros((1, 2)), np.zeros(1))
    return posterior(mlp(2, (3,), 1), data, likelihood="gaussian")


def draws_of(model: Posterior, seed: int):
    rng = np.random.default_rng(seed)
    shape = lambda leaf: np.asarray(rng.standard_normal((NUM_DRAWS, *leaf.shape)))
    return jax.tree.map(shape, model.prior_std)


def outputs_by_hand(params, inputs: np.ndarray) -> np.ndarray:
    hidden, out = params["hidden_0"], params["out"]
    units = np.einsum("nf,sfu->snu", inputs, hidden["kernel"]) + hidden["bias"][:, None]
    outputs = np.einsum("snu,suo->sno", np.maximum(units, 0), out["kernel"])
    return outputs + out["bias"][:, None]


def probs_by_hand(params, inputs: np.ndarray) -> np.ndarray:
    """Class probabilities of every draw."""
    return scipy.special.softmax(outputs_by_hand(params, inputs), axis=-1)


def make_inputs(num_inputs: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((num_inputs, 2))


def test_on_one_input_it_is_the_cross_entropy_to_the_reference(float64: None) -> None:
    model, inputs = classifier(), make_inputs(1)
    reference, draws = probs_by_hand(draws_of(model, 2), inputs), draws_of(model, 3)
    match = predictive_match(model, inputs, CategoricalPredictive(np.log(reference)))
    expected = (reference.mean(axis=0) * np.log(probs_by_hand(draws, inputs).mean(axis=0))).sum()
    assert float(match(draws, KEY)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("batch_size", [2, 256])
def test_random_batches_estimate_the_sum_over_inputs_without_bias(
    batch_size: int, float64: None
) -> None:
    model, inputs = classifier(), make_inputs(5)
    reference, draws = probs_by_hand(draws_of(model, 2), inputs), draws_of(model, 3)
    match = predictive_match(model, inputs, CategoricalPredictive(np.log(reference)), batch_size)
    estimates = np.asarray(jax.vmap(lambda k: match(draws, k))(jax.random.split(KEY, 2000)))
    expected = (reference.mean(axis=0) * np.log(probs_by_hand(draws, inputs).mean(axis=0))).sum()
    error = estimates.std(ddof=1) / np.sqrt(len(estimates))
    assert 0 < error < 0.02 * abs(expected)
    assert abs(estimates.mean() - expected) < 5 * error


def test_no_draws_match_better_than_those_of_the_reference(float64: None) -> None:
    model, inputs = classifier(), make_inputs(5)
    own = draws_of(model, 2)
    match = jax.jit(predictive_match(model, inputs, predict(model, own, inputs)))
    best = float(match(own, KEY))
    for seed in range(3, 13):
        assert float(match(draws_of(model, seed), KEY)) < best


# ---- the objective, for targets


def test_for_targets_it_is_the_cross_entropy_of_two_mixtures(float64: None) -> None:
    model, inputs = regressor(), np.repeat(make_inputs(2), 4000, axis=0)
    own, draws = draws_of(model, 2), draws_of(model, 3)
    match = jax.jit(predictive_match(model, inputs, predict(model, own, inputs), len(inputs)))
    found = float(match(draws, KEY)) / len(inputs)
    y = np.broadcast_to(np.linspace(-60, 60, 40_001), (2, 40_001))
    density, other = (mixture_by_hand(params).density(y) for params in (own, draws))
    log_other = np.log(np.maximum(other, 1e-300))
    integral = lambda values: float(scipy.integrate.trapezoid(values, y, axis=1).mean())
    expected = integral(density * log_other)
    error = np.sqrt((integral(density * log_other**2) - expected**2) / len(inputs))
    assert error < 0.05 * abs(expected)
    assert abs(found - expected) < 5 * error
    assert float(match(own, KEY)) / len(inputs) > found


def mixture_by_hand(params) -> MixturePredictive:
    means = outputs_by_hand(params["weights"], make_inputs(2))[..., 0]
    return MixturePredictive(means, np.exp(params["likelihood"]["log_noise_std"]))


@pytest.mark.parametrize("likelihood", ["heteroscedastic", "poisson"])
def test_noise_and_rates_that_depend_on_inputs_are_matched_by_the_cross_entropy(
    float64: None, likelihood: str
) -> None:
    inputs = np.repeat(make_inputs(2), 4000, axis=0)
    data = Train(np.zeros((1, 2)), np.zeros(1))
    outputs = 2 if likelihood == "heteroscedastic" else 1
    model = posterior(mlp(2, (3,), outputs), data, likelihood=likelihood)
    # Half the size, so that no rate or std is huge.
    own, draws = (jax.tree.map(lambda w: 0.5 * w, draws_of(model, seed)) for seed in (2, 3))
    match = jax.jit(predictive_match(model, inputs, predict(model, own, inputs), len(inputs)))
    found = float(match(draws, KEY)) / len(inputs)
    if likelihood == "poisson":
        y, step = np.arange(1_000), 1.0
        of_draws = lambda f: scipy.stats.poisson(np.exp(f[..., :1])).pmf(y)
    else:
        y, step = np.linspace(-60, 60, 40_001), 120 / 40_000
        of_draws = lambda f: scipy.stats.norm(f[..., :1], np.exp(f[..., 1:])).pdf(y)
    density, other = (
        of_draws(outputs_by_hand(params, make_inputs(2))).mean(axis=0) for params in (own, draws)
    )
    log_other = np.log(np.maximum(other, 1e-300))
    mean_over_targets = lambda values: float((density * values).sum(axis=1).mean() * step)
    expected = mean_over_targets(log_other)
    error = np.sqrt((mean_over_targets(log_other**2) - expected**2) / len(inputs))
    assert error < 0.05 * abs(expected)
    assert abs(found - expected) < 5 * error


def test_a_density_of_ones_own_is_not_matched() -> None:
    data = Train(np.zeros((1, 2)), np.zeros(1))
    model = posterior(mlp(2, (3,), 1), data, likelihood=lambda f, y: -abs(y - f[:, 0]))
    inputs = make_inputs(5).astype(np.float32)
    reference = predict(model, jax.tree.map(np.float32, draws_of(model, 0)), inputs)
    with pytest.raises(TypeError, match=r"cannot draw any\. Take mean_logdensity\."):
        predictive_match(model, inputs, reference)


@pytest.mark.parametrize("num_predicted", [1, 6])
def test_a_reference_on_other_inputs_is_refused(num_predicted: int) -> None:
    model = classifier()
    reference = CategoricalPredictive(np.full((1, num_predicted, 3), -np.log(3)))
    message = rf"must be predicted on the 5 inputs\. Got {num_predicted}\."
    with pytest.raises(ValueError, match=message):
        predictive_match(model, make_inputs(5).astype(np.float32), reference)


@pytest.mark.parametrize(
    ("model", "reference", "likelihood"),
    [
        (classifier, MixturePredictive(np.zeros((1, 5)), np.ones(1)), "categorical"),
        (regressor, CategoricalPredictive(np.full((1, 5, 3), -np.log(3))), "gaussian"),
    ],
)
def test_a_reference_of_another_likelihood_is_refused(model, reference, likelihood: str) -> None:
    message = f"under a {likelihood} likelihood. Got {type(reference).__name__}"
    with pytest.raises(TypeError, match=message):
        predictive_match(model(), make_inputs(5).astype(np.float32), reference)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_of_nothing_is_refused(batch_size: int) -> None:
    reference = CategoricalPredictive(np.full((1, 5, 3), -np.log(3)))
    with pytest.raises(ValueError, match=rf"range \[1, inf\)\. Got {batch_size}"):
        predictive_match(classifier(), make_inputs(5), reference, batch_size)


@pytest.mark.parametrize(("num_examples", "num_inputs"), [(0, 3), (3, 0)])
def test_mixing_no_inputs_is_refused(num_examples: int, num_inputs: int) -> None:
    message = f"Got {num_examples}, and num_inputs={num_inputs}"
    with pytest.raises(ValueError, match=message):
        mixed_inputs(np.zeros((num_examples, 2), np.float32), num_inputs, key=KEY)


def test_a_seed_is_no_key_to_mix_inputs_with(unchecked: None) -> None:
    with pytest.raises(TypeError, match=r"key must be a random key of JAX\. Got 3"):
        mixed_inputs(np.zeros((4, 2), np.float32), 2, key=3)
