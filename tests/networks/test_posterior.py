"""Posterior: its density against SciPy in float64, priors by kind, batches, inferred noise."""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
import oracles
import pytest
import scipy.special
import scipy.stats

from onebasin import _trees, align, find_symmetry
from onebasin.networks import Network, mlp, posterior
from onebasin.samples import Samples
from onebasin.symmetry import Symmetry, permute, random_permutation
from onebasin.symmetry.axes import Axes

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6


class Train(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray


def make_data(task: str, num_examples: int = 12) -> Train:
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((num_examples, 3))
    if task == "categorical":
        return Train(inputs, rng.integers(0, 4, num_examples))
    return Train(inputs, rng.standard_normal(num_examples))


def make_posterior(task: str, **choices):
    outputs = 4 if task == "categorical" else 1
    network = mlp(inputs=3, hidden=(5, 2), outputs=outputs, activation="tanh")
    return posterior(network, make_data(task), likelihood=task, **choices)


def forward_by_hand(params, inputs: np.ndarray) -> np.ndarray:
    """Outputs of the tanh network, layer by layer in NumPy."""
    for name in ("hidden_0", "hidden_1", "out"):
        layer = params[name]
        inputs = inputs @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
        inputs = inputs if name == "out" else np.tanh(inputs)
    return inputs


def make_params(found, seed: int = 0):
    """Weights at random, on the host: nothing to compile."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda std: rng.standard_normal(std.shape).astype(std.dtype), found.prior_std
    )


def prior_by_hand(params, std: float) -> float:
    flat = _trees.ravel_batch(params, 0)
    return float(scipy.stats.norm.logpdf(flat, 0, std).sum())


@pytest.mark.usefixtures("float64")
def test_the_density_of_classes_is_scipys_log_softmax_and_normal_prior() -> None:
    train = make_data("categorical")
    found = make_posterior("categorical", prior_std=0.7)
    params = make_params(found)
    log_probs = scipy.special.log_softmax(forward_by_hand(params, train.inputs), axis=1)
    terms = log_probs[np.arange(12), train.targets]
    likelihoods = eqx.filter_jit(found.log_likelihood)(params, found.inputs, found.targets)
    np.testing.assert_allclose(likelihoods, terms, rtol=1e-10)
    expected = prior_by_hand(params, 0.7) + terms.sum()
    np.testing.assert_allclose(eqx.filter_jit(found.logdensity)(params), expected, rtol=1e-10)


@pytest.mark.usefixtures("float64")
def test_the_density_of_regression_is_scipys_normal_with_the_given_noise() -> None:
    train = make_data("gaussian")
    found = make_posterior("gaussian", prior_std=1.3, noise_std=0.4)
    params = make_params(found)
    means = forward_by_hand(params, train.inputs)[:, 0]
    terms = scipy.stats.norm.logpdf(train.targets, means, 0.4)
    expected = prior_by_hand(params, 1.3) + terms.sum()
    np.testing.assert_allclose(eqx.filter_jit(found.logdensity)(params), expected, rtol=1e-10)
    assert found.noise_std(params) == 0.4


@pytest.mark.usefixtures("float64")
def test_inferred_noise_is_log_normal_and_reaches_the_likelihood() -> None:
    train = make_data("gaussian")
    found = make_posterior("gaussian", prior_std=1.3, noise_std="inferred")
    params = make_params(found)
    log_noise = float(params["likelihood"]["log_noise_std"])
    means = forward_by_hand(params["weights"], train.inputs)[:, 0]
    terms = scipy.stats.norm.logpdf(train.targets, means, np.exp(log_noise))
    prior = prior_by_hand(params["weights"], 1.3) + scipy.stats.norm.logpdf(log_noise)
    density = eqx.filter_jit(found.logdensity)(params)
    np.testing.assert_allclose(density, prior + terms.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.noise_std(params), np.exp(log_noise), rtol=1e-12)


def test_extreme_logits_stay_finite() -> None:
    found = make_posterior("categorical")
    params = jax.tree.map(lambda leaf: np.float32(1e6) * leaf, make_params(found))
    assert np.isfinite(eqx.filter_jit(found.logdensity)(params))


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_batch_estimates_the_log_density_without_bias(key, batch_size: int) -> None:
    found = make_posterior("categorical")
    params = make_params(found)
    estimate = found.minibatch_logdensity(batch_size)
    several = jax.jit(jax.vmap(lambda k: estimate(params, k)))
    values = np.asarray(several(jax.random.split(key, 20_000)), np.float64)
    error = values.std(ddof=1) / np.sqrt(len(values))
    score = (values.mean() - float(eqx.filter_jit(found.logdensity)(params))) / error
    assert abs(score) < oracles.z_bound(FAILURE_RATE)
    # A batch of n has 1 / n of the variance of a single example: it is drawn with replacement.
    terms = np.asarray(eqx.filter_jit(found.log_likelihood)(params, found.inputs, found.targets))
    assert values.std() == pytest.approx(12 * terms.std() / np.sqrt(batch_size), rel=0.05)


def test_the_gradient_of_a_batch_is_unbiased_too(key) -> None:
    found = make_posterior("gaussian", noise_std="inferred")
    params = make_params(found)
    gradient = jax.grad(found.minibatch_logdensity(4))
    several = jax.jit(jax.vmap(lambda k: gradient(params, k)))
    values = _trees.ravel_batch(several(jax.random.split(key, 5_000))).astype(np.float64)
    exact = _trees.ravel_batch(jax.jit(jax.grad(found.logdensity))(params), 0)
    errors = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    gaps = np.abs(values.mean(axis=0) - exact)
    assert (gaps <= oracles.z_bound(FAILURE_RATE, len(exact)) * errors + 1e-4).all()


@pytest.mark.parametrize("batch_size", [0, 13])
def test_a_batch_outside_the_training_set_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=rf"must lie in \[1, 12\] .*Got {batch_size}"):
        make_posterior("categorical").minibatch_logdensity(batch_size)


def layers(prior_std) -> dict[str, float]:
    """The prior std of every array, each of which must hold one value alone."""
    stds = _trees.named_leaves(make_posterior("categorical", prior_std=prior_std).prior_std)
    assert {name: leaf.shape for name, leaf in stds.items()} == {
        "hidden_0/kernel": (3, 5),
        "hidden_0/bias": (5,),
        "hidden_1/kernel": (5, 2),
        "hidden_1/bias": (2,),
        "out/kernel": (2, 4),
        "out/bias": (4,),
    }
    assert all(len(np.unique(leaf)) == 1 for leaf in stds.values())
    return {name: float(np.asarray(leaf).flat[0]) for name, leaf in stds.items()}


def test_one_prior_std_is_for_all_weights() -> None:
    assert set(layers(0.5).values()) == {0.5}


def test_prior_stds_go_by_layer_and_hidden_names_all_hidden_layers() -> None:
    stds = layers({"hidden": 2.0, "out": 0.5})
    assert {n for n, std in stds.items() if std == 2.0} == {n for n in stds if "hidden" in n}
    assert {n for n, std in stds.items() if std == 0.5} == {"out/kernel", "out/bias"}


def test_prior_stds_go_by_kind_of_array() -> None:
    stds = layers({"kernel": 2.0, "bias": 0.5})
    assert all(std == (2.0 if "kernel" in name else 0.5) for name, std in stds.items())


def test_prior_stds_go_by_the_path_of_one_array() -> None:
    stds = layers({"hidden_0/kernel": 3.0, "hidden_0/bias": 2.0, "hidden_1": 1.5, "out": 0.5})
    assert list(stds.values()) == [2.0, 3.0, 1.5, 1.5, 0.5, 0.5]


def test_names_with_dots_answer_to_their_parts() -> None:
    shapes = {"0.weight": (4, 3), "0.bias": (4,), "layer_2.norm.weight": (4,)}
    params = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    symmetry = Symmetry.of({name: Axes(*[None] * len(s)) for name, s in shapes.items()}, params)
    network = Network(lambda key: params, lambda p, x: x @ p["0.weight"].T, None, symmetry)
    stds = lambda **given: {
        name: float(np.unique(leaf).item())
        for name, leaf in posterior(network, make_data("categorical"), **given).prior_std.items()
    }
    in_turn = lambda *each: dict(zip(shapes, each, strict=True))
    assert stds(prior_std={"weight": 1.0, "bias": 0.5}) == in_turn(1.0, 0.5, 1.0)
    assert stds(prior_std={"0": 2.0, "layer": 0.5}) == in_turn(2.0, 2.0, 0.5)
    each = {"0.weight": 1.0, "0.bias": 2.0, "norm": 3.0}
    assert stds(prior_std=each) == in_turn(1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("prior_std", "message"),
    [
        (0.0, r"prior_std must be positive\. Got 0\.0 for all weights"),
        (float("inf"), r"prior_std must be positive\. Got inf for all weights"),
        ({"hidden": 1.0, "out": -1.0}, r"must be positive\. Got -1\.0 for out"),
        ({"hidden": 1.0, "output": 1.0}, r"Got \['output'\]; known are .*'hidden', .*'out'"),
        ({"hidden": 1.0}, r"Exactly one name .*Got \[\] for out/bias"),
        (
            {"hidden": 1.0, "out": 1.0, "kernel": 0.5},
            r"Exactly one name .*Got \['hidden', 'kernel'\] for hidden_0/kernel",
        ),
    ],
)
def test_prior_stds_that_match_no_array_or_two_are_refused(prior_std, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_posterior("categorical", prior_std=prior_std)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"noise_std": 0.0}, r'must be positive or "inferred"\. Got 0\.0'),
        ({"noise_std": -1.0}, r'must be positive or "inferred"\. Got -1\.0'),
        ({"noise_std": float("nan")}, r'must be positive or "inferred"\. Got nan'),
        ({"noise_std": float("inf")}, r'must be positive or "inferred"\. Got inf'),
    ],
)
def test_noise_that_is_not_positive_is_refused(choices, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_posterior("gaussian", **choices)


def test_draws_of_the_prior_have_its_mean_and_std(key) -> None:
    network = mlp(inputs=3, hidden=(2,), outputs=1)
    stds = {"hidden": 2.0, "out": 0.5}
    found = posterior(network, make_data("gaussian"), likelihood="gaussian", prior_std=stds)
    num_draws = 2_000
    draws = jax.jit(jax.vmap(found.init_from_prior))(jax.random.split(key, num_draws))
    white = _trees.ravel_batch(draws).astype(np.float64)
    white = white / _trees.ravel_batch(found.prior_std, 0)
    means = white.mean(axis=0) * np.sqrt(num_draws)
    assert np.abs(means).max() < oracles.z_bound(FAILURE_RATE, len(means))
    squares = (white**2).sum(axis=0)
    tails = scipy.stats.chi2(num_draws)
    p_values = np.minimum(tails.cdf(squares), tails.sf(squares))
    assert p_values.min() > FAILURE_RATE / (2 * len(squares))
    correlations = np.corrcoef(white.T)[np.triu_indices(len(means), 1)] * np.sqrt(num_draws)
    assert np.abs(correlations).max() < oracles.z_bound(FAILURE_RATE, len(correlations))


def test_networks_begin_as_they_say_and_noise_at_one(key) -> None:
    found = make_posterior("gaussian")
    params = found.init(key)
    assert float(params["likelihood"]["log_noise_std"]) == 0
    expected = found.network.init(key)
    jax.tree.map(np.testing.assert_array_equal, params["weights"], expected)
    jax.tree.map(np.testing.assert_array_equal, found.network_params(params), expected)
    assert jax.tree.structure(params) == jax.tree.structure(found.prior_std)


def test_classes_have_no_noise() -> None:
    found = make_posterior("categorical")
    assert found.noise_std(make_params(found)) is None
    assert found.symmetry == found.network.symmetry


def test_inferred_noise_joins_the_symmetry_and_never_moves(key) -> None:
    found = make_posterior("gaussian")
    params = make_params(found)
    symmetry = found.symmetry
    symmetry.check(params)
    assert symmetry.axes["likelihood"]["log_noise_std"] == Axes()
    assert symmetry.sizes == {"hidden_0": 5, "hidden_1": 2}
    moved = permute(params, symmetry, random_permutation(symmetry, key=key))
    assert float(moved["likelihood"]["log_noise_std"]) == float(
        params["likelihood"]["log_noise_std"]
    )


@pytest.mark.parametrize("noise_std", ["inferred", 0.4])
def test_the_symmetry_is_tried_on_the_network_once_with_inferred_noise_too(noise_std) -> None:
    calls = []
    built_in = mlp(inputs=3, hidden=(5,), outputs=1, activation="tanh")

    def apply(params, inputs):
        calls.append(None)
        return built_in.apply(params, inputs)

    network = built_in._replace(apply=apply, symmetry=find_symmetry(apply, *shapes_of(built_in)))
    found = posterior(network, make_data("gaussian"), likelihood="gaussian", noise_std=noise_std)
    tried = len(calls)
    samples = Samples(jax.tree.map(lambda leaf: leaf[None, None], make_params(found)))
    for _ in range(2):
        assert align(samples, found.symmetry).symmetry == found.symmetry
        assert len(calls) == tried  # as it was when it was found
    again = posterior(
        built_in, make_data("gaussian"), likelihood="gaussian", noise_std=noise_std
    ).symmetry
    assert align(samples, again).symmetry == again
    assert again.function is not None
    assert list(again.function.passed.values()) == [True, True]


def shapes_of(network):
    inputs = jax.ShapeDtypeStruct((4, 3), "float32")
    return jax.eval_shape(network.init, jax.random.key(0)), inputs


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("task", "noise_std"),
    [("categorical", "inferred"), ("gaussian", 0.4), ("gaussian", "inferred")],
)
def test_permuting_units_leaves_the_posterior_density_as_it_is(key, task, noise_std) -> None:
    found = make_posterior(task, noise_std=noise_std)
    params, density = make_params(found), eqx.filter_jit(found.logdensity)
    permutation = random_permutation(found.symmetry, key=key)
    assert any((p != np.arange(len(p))).any() for p in permutation.units.values())
    moved = permute(params, found.symmetry, permutation)
    np.testing.assert_allclose(density(moved), density(params), rtol=1e-12)


@pytest.mark.parametrize("task", ["categorical", "gaussian"])
def test_the_temperature_divides_prior_and_likelihood(key, task: str) -> None:
    warm, cold = make_posterior(task), make_posterior(task, temperature=0.25)
    params = make_params(warm)
    assert float(cold.logdensity(params)) == pytest.approx(4 * float(warm.logdensity(params)))
    batches = [found.minibatch_logdensity(4)(params, key) for found in (warm, cold)]
    assert float(batches[1]) == pytest.approx(4 * float(batches[0]))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        make_posterior("categorical", temperature=temperature)


def test_the_prior_at_a_temperature_is_what_its_density_says() -> None:
    """Without data, the density of a weight is that of a normal with the tempered std."""
    found = make_posterior("categorical", prior_std=0.5, temperature=4.0)
    assert {float(np.max(leaf)) for leaf in jax.tree.leaves(found.tempered_prior_std)} == {1.0}
    zero = jax.tree.map(np.zeros_like, found.prior_std)
    one = jax.tree.map(np.ones_like, found.prior_std)
    gap = float(found.log_prior(zero) - found.log_prior(one)) / found.temperature
    assert gap == pytest.approx(0.5 * _trees.size(found.prior_std))
