"""Setup: data, network, posterior and keys from a config alone."""

import dataclasses

import jax
import numpy as np
import pytest
import sklearn.datasets
import strategies
from tiny_runs import tiny_config

from onebasin.alignment import align, gaussian_matching, to, to_mean
from onebasin.data import Dataset
from onebasin.networks import Network
from onebasin.prediction import CategoricalPredictive, MixturePredictive
from onebasin.run import setup as module
from onebasin.run.config import ConfigError, load_config
from onebasin.run.networks import network_of
from onebasin.run.sections import NetworkConfig
from onebasin.run.setup import Setup, set_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits() -> Setup:
    return set_up(tiny_config("digits"))


@pytest.fixture(scope="module")
def diabetes() -> Setup:
    return set_up(tiny_config("diabetes"))


def zero_draws(setup: Setup):
    return jax.tree.map(lambda leaf: np.zeros((1, *leaf.shape), leaf.dtype), setup.template)


def test_the_network_fits_the_data_and_the_config(digits: Setup, diabetes: Setup) -> None:
    assert digits.posterior.network.symmetry.sizes == {"hidden_0": 12}
    assert digits.template["hidden_0"]["kernel"].shape == (64, 12)
    assert digits.template["out"]["bias"].shape == (10,)
    assert digits.posterior.likelihood.name == "categorical"
    assert diabetes.template["weights"]["out"]["bias"].shape == (1,)
    assert diabetes.posterior.likelihood.name == "gaussian"


def test_every_purpose_and_every_seed_has_a_key_of_its_own(digits: Setup) -> None:
    other = digits._replace(config=digits.config.model_copy(update={"seed": 1}))
    keys = [digits.key("hmc"), digits.key("vi"), other.key("hmc"), other.key("vi")]
    data = {tuple(np.asarray(jax.random.key_data(k))) for k in keys}
    assert len(data) == 4
    assert (jax.random.key_data(digits.key("hmc")) == jax.random.key_data(keys[0])).all()


def test_regression_targets_are_in_their_own_units(diabetes: Setup) -> None:
    raw = sklearn.datasets.load_diabetes().target
    assert np.isin(np.round(diabetes.test_targets, 3), np.round(raw, 3)).all()
    assert len(diabetes.test_targets) == len(diabetes.dataset.test)


def test_a_network_of_zeros_predicts_the_mean_with_the_std_of_the_targets(diabetes: Setup) -> None:
    found = diabetes.predict(zero_draws(diabetes))
    assert isinstance(found, MixturePredictive)
    np.testing.assert_allclose(found.means, diabetes.dataset.target_mean, rtol=1e-6)
    np.testing.assert_allclose(found.stds, diabetes.dataset.target_std, rtol=1e-6)


def test_a_network_of_zeros_finds_all_classes_equally_likely(digits: Setup) -> None:
    found = digits.predict(zero_draws(digits))
    assert isinstance(found, CategoricalPredictive)
    np.testing.assert_allclose(found.probs, 0.1, rtol=1e-6)
    assert found.scores(digits.test_targets)["nll"] == pytest.approx(np.log(10), rel=1e-5)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_activations_are_matched_on_as_many_inputs_as_asked_for(name: str) -> None:
    setup = set_up(tiny_config(name, "alignment.matching=activations", "alignment.num_inputs=11"))
    features = setup.matching.features(zero_draws(setup))
    assert {group: leaf.shape for group, leaf in features.items()} == {"hidden_0": (1, 11, 12)}


def test_matching_by_activations_is_traced_once_for_all_that_ask_for_it() -> None:
    setup = set_up(tiny_config("digits", "alignment.matching=activations"))
    config, traced = setup.posterior.config, []

    def put_out(params, inputs):
        traced.append(inputs.shape)
        return config.network.activations(params, inputs)

    network = config.network._replace(activations=put_out)
    model = dataclasses.replace(setup.posterior, config=config._replace(network=network))
    setup, draws = setup._replace(posterior=model), zero_draws(setup)
    for _ in range(3):
        setup.matching.features(draws)
    assert len(traced) == 1


def test_mixed_matching_adds_weights_and_the_mean_over_inputs_of_activations(
    digits: Setup,
) -> None:
    setup = set_up(tiny_config("digits", "alignment.matching=mixed", "alignment.num_inputs=11"))
    assert setup.matching.name == "weights and activations"
    features = setup.matching.features(zero_draws(setup))
    ones = jax.tree.map(np.ones_like, features)
    target = setup.matching.target(ones)
    assert all((leaf == 1).all() for leaf in jax.tree.leaves(target["0-weights"]))
    np.testing.assert_allclose(target["1-activations"]["hidden_0"], 1 / 11)


@pytest.mark.parametrize("reference", ["mean", "chains"])
def test_gaussian_matching_relabels_from_the_iterated_mean_of_weights(reference: str) -> None:
    changes = ["alignment.matching=gaussian", f"alignment.reference={reference}"]
    setup = set_up(tiny_config("digits", *changes))
    samples = strategies.random_samples(setup.posterior.network, 0, 2, 10)
    by_weights = align(samples, setup.posterior.symmetry, reference=setup.reference)
    relabelled = align(
        samples, setup.posterior.symmetry, gaussian_matching(), reference=to_mean(start=by_weights)
    )
    found = setup.align(samples, setup.reference)
    jax.tree.map(np.testing.assert_array_equal, found, relabelled)
    assert found.matching == "gaussian"
    # To a single network it is weight matching.
    assert setup.align(samples, to(found.reference)).matching == "weights"


def test_a_prior_that_names_no_array_is_refused_before_anything_is_drawn() -> None:
    config = tiny_config("digits", "posterior.prior_std={hidden=1.0, outt=0.5}")
    with pytest.raises(ValueError, match=r"must name layers or arrays\. Got \['outt'\]"):
        set_up(config)


def test_classes_have_no_noise_to_set() -> None:
    with pytest.raises(ConfigError, match=r"noise_std is for regression\. Got 0\.5 .*'digits'"):
        set_up(load_config("digits", ["posterior.noise_std=0.5"]))


@pytest.mark.parametrize("prior", ["normal", "laplace", "student"])
def test_the_prior_std_of_a_config_is_a_std_whatever_the_prior_is(prior: str) -> None:
    stds = "posterior.prior_std={hidden=0.5, out=2.0}"
    setup = set_up(tiny_config("digits", f"posterior.prior={prior}", stds))
    found = setup.posterior.prior_std
    assert float(found["hidden_0"]["bias"][0]) == pytest.approx(0.5)
    assert float(found["out"]["kernel"][0, 0]) == pytest.approx(2.0)
    assert setup.posterior.prior.config.families[0] is not None


@pytest.mark.parametrize("matching", ["activations", "mixed"])
def test_a_network_without_activations_is_not_matched_by_them(matching: str) -> None:
    config = load_config("digits", ["network.kind=convnet", f"alignment.matching={matching}"])
    words = rf"does not give its activations\. Got '{matching}' for a network of kind 'convnet'\."
    with pytest.raises(ConfigError, match=words):
        set_up(config)


def test_whether_activations_are_matched_is_asked_of_the_network_and_not_of_its_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def outspoken(config: NetworkConfig, dataset: Dataset, num_outputs: int) -> Network:
        found = network_of(config, dataset, num_outputs)
        return found._replace(activations=lambda params, inputs: {})

    monkeypatch.setattr(module, "network_of", outspoken)
    changes = ["network.kind=convnet", "alignment.matching=activations"]
    assert set_up(load_config("digits", changes)).matching.name == "activations"


@pytest.mark.parametrize("signs", [True, False])
def test_units_flip_unless_the_config_says_otherwise(signs: bool) -> None:
    setup = set_up(
        tiny_config("digits", "network.activation=tanh", f"alignment.signs={signs}".lower())
    )
    samples = strategies.random_samples(setup.posterior.network, 0, 2, 3)
    permutation = setup.align(samples, to_mean()).permutation
    assert set(permutation.units) == {"hidden_0"}
    assert set(permutation.signs) == ({"hidden_0"} if signs else set())
