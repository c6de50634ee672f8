"""Networks run over draws: outputs do not depend on chunks, and become the right predictive."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest

import onebasin as ob
from onebasin.prediction import CategoricalPredictive, MixturePredictive
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
