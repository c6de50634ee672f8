"""Networks run over draws: outputs do not depend on chunks, and become the right predictive."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest

import onebasin as ob
from onebasin.prediction import (
    CategoricalPredictive,
    CountPredictive,
    DensityPredictive,
    MixturePredictive,
)
from onebasin.prediction.predict import network_outputs


def two_logits():
    train = SimpleNamespace(inputs=np.zeros((2, 1), np.float32), targets=np.array([0, 1]))
    return ob.posterior(ob.mlp(1, (), 2), train)


@pytest.mark.parametrize("gap", [10.0, 150.0, 3000.0])
def test_a_gap_between_logits_counts_for_what_it_is(gap: float) -> None:
    """Also where the probability itself is too small for any float."""
    model = two_logits()
    draws = {"out": {"kernel": np.zeros((4, 1, 2), np.float32), "bias": np.zeros((4, 2), "f4")}}
    draws["out"]["bias"][:, 1] = gap
    found = ob.predict(model, draws, np.zeros((5, 1), np.float32))
    assert found.scores(np.zeros(5, int))["nll"] == pytest.approx(gap, rel=1e-4)


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
    return ob.posterior(ob.mlp(3, (4,), 3), data)


@pytest.fixture(scope="module")
def regressor():
    data = Train(np.zeros((4, 3), np.float32), np.zeros(4, np.float32))
    return ob.posterior(ob.mlp(3, (4,), 1, "tanh"), data, likelihood="gaussian")


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
    found = ob.predict(classifier, draws, inputs)
    assert isinstance(found, CategoricalPredictive)
    assert found.draw_probs.shape == (3, 5, 3)
    outputs, _ = network_outputs(classifier, draws, inputs)
    exponentials = np.exp(outputs.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.draw_probs, expected, rtol=1e-5)


def test_regression_is_predicted_in_the_targets_own_units(regressor, inputs) -> None:
    draws = make_draws(regressor.prior_std, 3)
    found = ob.predict(regressor, draws, inputs, target_mean=100.0, target_std=50.0)
    assert isinstance(found, MixturePredictive)
    outputs, noise = network_outputs(regressor, draws, inputs)
    np.testing.assert_allclose(found.means, 100 + 50 * outputs[..., 0], rtol=1e-6)
    np.testing.assert_allclose(
        found.stds, 50 * np.exp(draws["likelihood"]["log_noise_std"]), rtol=1e-5
    )
    np.testing.assert_allclose(noise, np.exp(draws["likelihood"]["log_noise_std"]), rtol=1e-5)


def test_samples_are_refused_for_draws(classifier, inputs) -> None:
    samples = ob.Samples(jax.tree.map(lambda leaf: leaf[None], make_draws(classifier.prior_std, 3)))
    with pytest.raises(TypeError, match=r"Got Samples, .* Pass samples\.flatten\(\)\."):
        ob.predict(classifier, samples, inputs)
    assert ob.predict(classifier, samples.flatten(), inputs).num_draws == 3


def test_a_network_that_puts_out_no_logits_is_refused(classifier, inputs) -> None:
    network = classifier.network._replace(apply=lambda params, inputs: inputs[:, :1])
    config = classifier.config._replace(network=network)
    flat = ob.networks.Posterior(classifier.inputs, classifier.targets, classifier.prior, config)
    with pytest.raises(ValueError, match=r"Got outputs of shape \(5, 1\)"):
        ob.predict(flat, make_draws(classifier.prior_std, 3), inputs)


def laplace(outputs, targets):
    return -(abs(targets - outputs) + np.log(2)).sum(axis=(-2, -1))


def scattered(likelihood, num_outputs: int, targets: np.ndarray):
    """A posterior under a likelihood, its draws and their outputs."""
    train = Train(np.zeros((4, 3), np.float32), targets)
    network = ob.mlp(3, (4,), num_outputs, "tanh")
    if callable(likelihood):  # outputs of two axes, as of several steps in time
        flat = network.apply
        steps = lambda params, inputs: flat(params, inputs).reshape(-1, 3, 2)
        network = network._replace(apply=steps)
    found = ob.posterior(network, train, likelihood=likelihood)
    draws = make_draws(found.prior_std, 3)
    return found, draws


def test_noise_that_depends_on_inputs_is_predicted_in_the_targets_own_units(inputs) -> None:
    found, draws = scattered("heteroscedastic", 2, np.zeros(4, np.float32))
    predictive = ob.predict(found, draws, inputs, target_mean=100.0, target_std=50.0)
    assert isinstance(predictive, MixturePredictive)
    outputs, noise = network_outputs(found, draws, inputs)
    assert np.isnan(noise).all()
    np.testing.assert_allclose(predictive.means, 100 + 50 * outputs[..., 0], rtol=1e-6)
    np.testing.assert_allclose(predictive.stds, 50 * np.exp(outputs[..., 1]), rtol=1e-5)


def test_counts_are_predicted_by_the_rates_of_every_draw(inputs) -> None:
    found, draws = scattered("poisson", 1, np.arange(4))
    predictive = ob.predict(found, draws, inputs)
    assert isinstance(predictive, CountPredictive)
    outputs, _ = network_outputs(found, draws, inputs)
    np.testing.assert_array_equal(predictive.log_rates, outputs[..., 0])


def test_a_density_of_ones_own_takes_outputs_and_targets_of_any_shape(inputs) -> None:
    found, draws = scattered(laplace, 6, np.zeros((4, 3, 2), np.float32))
    predictive = ob.predict(found, draws, inputs)
    assert isinstance(predictive, DensityPredictive)
    assert predictive.outputs.shape == (3, 5, 3, 2)
    targets = np.ones((5, 3, 2), np.float32)
    alone = ob.predict(found.network, draws, inputs, likelihood=laplace)
    assert alone.scores(targets) == predictive.scores(targets)
    expected = -(abs(1 - predictive.outputs) + np.log(2)).sum(axis=(-2, -1))
    np.testing.assert_allclose(predictive.draw_predictions(targets), expected, rtol=1e-5)


@pytest.mark.parametrize("noise_std", ["inferred", 0.5])
def test_a_network_alone_predicts_as_its_posterior_does(inputs, noise_std) -> None:
    train = Train(np.zeros((4, 3), np.float32), np.zeros(4, np.float32))
    network = ob.mlp(3, (4,), 1, "tanh")
    found = ob.posterior(network, train, likelihood="gaussian", noise_std=noise_std)
    draws = make_draws(found.prior_std, 3)
    expected = ob.predict(found, draws, inputs, 2.0, 3.0)
    alone = ob.predict(network, draws, inputs, 2.0, 3.0, likelihood="gaussian", noise_std=noise_std)
    np.testing.assert_array_equal(alone.means, expected.means)
    np.testing.assert_array_equal(alone.stds, expected.stds)


def test_draws_of_a_network_alone_predict_with_the_statistics_that_they_hold(inputs) -> None:
    """Its posterior would renew them on training inputs."""
    network = ob.Network(
        lambda key: {"weights": np.ones(3, "f4"), "statistics": np.zeros((), "f4")},
        lambda params, x: (x @ params["weights"] - params["statistics"])[:, None],
        None,
        ob.mlp(3, (4,), 1).symmetry,  # is not read
        recalibrate=lambda params, x: {**params, "statistics": (x @ params["weights"]).mean()},
    )
    draws = {"weights": np.ones((2, 3), "f4"), "statistics": np.array([0.0, 7.0], "f4")}
    alone = ob.predict(network, draws, inputs, likelihood="poisson")
    expected = inputs.sum(axis=1) - np.array([[0.0], [7.0]])
    np.testing.assert_allclose(alone.log_rates, expected, rtol=1e-5, atol=1e-6)


def test_a_network_needs_a_likelihood_and_a_posterior_takes_none(
    classifier, inputs, unchecked: None
) -> None:
    draws = make_draws(classifier.prior_std, 3)
    with pytest.raises(ValueError, match=r"Got no likelihood\. Pass likelihood=\"categorical\""):
        ob.predict(classifier.network, draws, inputs)
    for choices in ({"likelihood": "categorical"}, {"noise_std": 0.5}):
        with pytest.raises(ValueError, match=r"has its own likelihood, here categorical\."):
            ob.predict(classifier, draws, inputs, **choices)
    with pytest.raises(TypeError, match=r"model must be of type Network\. Got FrozenPartial"):
        ob.predict(classifier.network.apply, draws, inputs, likelihood="categorical")
    with pytest.raises(
        ValueError, match=r"params must hold the noise.* Pass noise_std as a number"
    ):
        ob.predict(ob.mlp(3, (4,), 1), draws, inputs, likelihood="gaussian")


@pytest.mark.parametrize("likelihood", ["categorical", "poisson", laplace])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.0, 2.0)])
def test_only_targets_with_a_unit_are_rescaled(inputs, likelihood, scale) -> None:
    network = ob.mlp(3, (4,), 2 if likelihood == "categorical" else 1)
    with pytest.raises(ValueError, match=r"for a gaussian or heteroscedastic likelihood\. Got"):
        ob.predict(network, {}, inputs, *scale, likelihood=likelihood)
