"""Priors against SciPy in float64, the horseshoe with its symmetry, log densities of one's own."""

import re
import warnings
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.stats

import onebasin as ob
from onebasin import _trees
from onebasin.networks import Network, horseshoe, laplace, mlp, normal, posterior, student
from onebasin.symmetry import permute, random_permutation, verify
from onebasin.symmetry.axes import Axes

pytestmark = pytest.mark.slow

FAILURE_RATE = 1e-6
NETWORK = mlp(inputs=3, hidden=(5, 2), outputs=1, activation="tanh")
rng = np.random.default_rng(0)
TRAIN: Any = SimpleNamespace(
    inputs=rng.standard_normal((12, 3)).astype(np.float32),
    targets=rng.standard_normal(12).astype(np.float32),
)


def make(network: Network = NETWORK, **choices: Any) -> ob.networks.Posterior:
    defaults: dict[str, Any] = {"likelihood": "gaussian", "noise_std": 0.4}
    return posterior(network, TRAIN, **(defaults | choices))


def random_like(tree: Any, seed: int = 0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), tree)


def flat(tree: Any) -> np.ndarray:
    return np.asarray(_trees.ravel_batch(tree, 0), np.float64)


FAMILIES: dict[str, Any] = {
    "normal": (normal(0.7), scipy.stats.norm(0, 0.7)),
    "laplace": (laplace(0.7), scipy.stats.laplace(0, 0.7)),
    "student": (student(0.7, degrees_of_freedom=5.0), scipy.stats.t(5, 0, 0.7)),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_log_density_and_the_std_of_a_prior_are_scipys(name: str) -> None:
    prior, expected = FAMILIES[name]
    found = make(prior=prior)
    params = random_like(jax.tree.map(lambda leaf: leaf.astype("float64"), found.prior_std))
    np.testing.assert_allclose(found.log_prior(params), expected.logpdf(flat(params)).sum(), 1e-12)
    np.testing.assert_allclose(flat(found.prior_std), expected.std(), rtol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_of_a_prior_have_its_distribution(name: str, key: Any) -> None:
    prior, expected = FAMILIES[name]
    found = make(prior=prior)
    draws = jax.jit(jax.vmap(found.init_from_prior))(jax.random.split(key, 200))
    p_value = scipy.stats.kstest(flat(draws), expected.cdf).pvalue
    assert p_value > FAILURE_RATE


def test_scales_go_by_name_with_dots_as_with_slashes() -> None:
    params = {"layer.0.weight": np.ones((4, 3)), "layer.0.bias": np.ones(4), "out": np.ones((1, 4))}
    params = random_like(params)

    def apply(params: Any, x: Any) -> Any:
        hidden = jnp.tanh(x @ params["layer.0.weight"].T + params["layer.0.bias"][None])
        return hidden @ params["out"].T

    symmetry = ob.find_symmetry(apply, params, TRAIN.inputs)
    network = Network(lambda key: params, apply, None, symmetry)
    found = make(network, prior=laplace({"weight": 1.0, "bias": 2.0, "out": 3.0}))
    stds = {name: float(np.max(leaf)) / 2**0.5 for name, leaf in found.prior_std.items()}
    assert stds == pytest.approx({"layer.0.weight": 1.0, "layer.0.bias": 2.0, "out": 3.0})


def test_students_with_few_degrees_have_no_std_and_the_table_says_so(key: Any) -> None:
    found = make(prior=student(1.0, degrees_of_freedom=2.0))
    assert np.isinf(flat(found.prior_std)).all()
    samples = ob.Samples(random_like(jax.vmap(jax.vmap(found.init))(jax.random.split(key, (2, 8)))))
    alignment = ob.align(samples, found.symmetry)
    with pytest.raises(ValueError, match=r"prior_std must be positive and finite\. Got inf"):
        ob.weight_table(alignment, samples, prior_std=found.prior_std)


WRONG: Any = "layer"
REFUSED = {
    "scale": (lambda: laplace(0.0), "The scale of a prior must be positive. Got 0.0"),
    "degrees": (
        lambda: student(degrees_of_freedom=0.0),
        "degrees_of_freedom must be positive. Got 0.0",
    ),
    "slab": (lambda: horseshoe(slab=-1.0), "slab must be positive. Got -1.0"),
    "by": (lambda: horseshoe(by=WRONG), 'by must be "unit" or "weight". Got \'layer\''),
    "name": (
        lambda: make(prior=laplace({"conv": 1.0})),
        "must name layers or arrays. Got ['conv']",
    ),
    "two": (lambda: make(prior=laplace(), prior_std=2.0), "Got 2.0 beside a prior"),
    "none": (lambda: make(prior="laplace"), "prior must be one of onebasin.networks"),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", REFUSED)
def test_a_prior_that_cannot_be_is_refused_in_one_line(name: str) -> None:
    attempt, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=re.escape(message)) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("by", ["unit", "weight"])
@pytest.mark.parametrize("slab", [2.0, float("inf")])
def test_a_horseshoe_scales_weights_as_its_equation_says(by: Any, slab: float) -> None:
    found = make(prior=horseshoe({"hidden": 0.3, "out": 0.5}, slab=slab, by=by))
    params = random_like(jax.tree.map(lambda leaf: leaf.astype("float64"), found.prior_std))
    weights = found.network_params(params)
    scales = params["prior"]
    for name, leaf in _trees.named_leaves(params["weights"]).items():
        local, shared = (
            _trees.named_leaves(scales[f"log_{n}_scale"])[name] for n in ("local", "global")
        )
        squares = (np.exp(local + shared) * (0.5 if "out" in name else 0.3)) ** 2
        bounded = squares if slab == float("inf") else slab**2 * squares / (slab**2 + squares)
        expected = leaf * np.sqrt(bounded)
        np.testing.assert_allclose(_trees.named_leaves(weights)[name], expected, rtol=1e-12)
    half_cauchy = scipy.stats.halfcauchy.logpdf(np.exp(flat(scales))) + flat(scales)
    total = half_cauchy.sum() + scipy.stats.norm.logpdf(flat(params["weights"])).sum()
    np.testing.assert_allclose(found.log_prior(params), total, rtol=1e-12)


def test_a_unit_has_one_scale_for_each_array_that_makes_it() -> None:
    scales = make(prior=horseshoe()).prior_std["prior"]["log_local_scale"]
    shapes = {name: leaf.shape for name, leaf in _trees.named_leaves(scales).items()}
    assert shapes["hidden_1/kernel"] == (1, 2)
    assert shapes["hidden_1/bias"] == (2,)
    assert shapes["out/kernel"] == (1, 1)
    every = make(prior=horseshoe(by="weight")).prior_std["prior"]["log_local_scale"]
    assert every["hidden_1"]["kernel"].shape == (5, 2)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("by", ["unit", "weight"])
def test_the_scales_of_a_horseshoe_permute_with_their_units(by: Any, key: Any) -> None:
    found = make(prior=horseshoe(by=by), noise_std="inferred")
    symmetry = found.symmetry
    local = symmetry.axes["prior"]["log_local_scale"]
    assert local["hidden_1"]["kernel"] == Axes(None if by == "unit" else "hidden_0", "hidden_1")
    params = random_like(jax.tree.map(lambda leaf: leaf.astype("float64"), found.prior_std))
    moved = permute(params, symmetry, random_permutation(symmetry, key=key))
    density = eqx.filter_jit(found.logdensity)
    np.testing.assert_allclose(density(moved), density(params), rtol=1e-12)
    verified = verify(symmetry, found.apply, params, TRAIN.inputs)
    assert verified.symmetry == symmetry
    discovered = ob.find_symmetry(found.apply, params, TRAIN.inputs)
    assert sorted(discovered.sizes.values()) == sorted(symmetry.sizes.values())


def test_a_horseshoe_begins_at_the_networks_own_weights(key: Any) -> None:
    found = make(prior=horseshoe(0.2), noise_std="inferred")
    begun, expected = found.network_params(found.init(key)), NETWORK.init(key)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), begun, expected)
    assert float(found.init(key)["likelihood"]["log_noise_std"]) == 0


def test_the_std_of_a_horseshoe_is_that_of_its_draws(key: Any) -> None:
    found = make(prior=horseshoe(0.5, by="weight"))
    draws = jax.jit(jax.vmap(found.init_from_prior))(jax.random.split(key, 2_000))
    squares = flat(jax.vmap(found.network_params)(draws)) ** 2
    expected = float(found.prior.network_std["out"]["bias"][0]) ** 2
    num_arrays = 6  # weights of one array share a global scale: count draws of arrays
    error = squares.std() / np.sqrt(2_000 * num_arrays)
    assert abs(squares.mean() - expected) < oracles.z_bound(FAILURE_RATE, 1) * error


def log_density(params: Any) -> jax.Array:
    return -jnp.sum(jnp.array([jnp.abs(leaf).sum() for leaf in jax.tree.leaves(params)]))


def test_a_log_density_of_ones_own_is_the_prior_and_keeps_the_symmetry_it_has() -> None:
    found = make(prior=log_density, noise_std="inferred")
    params = random_like(found.init(jax.random.key(0)))
    noise = scipy.stats.norm.logpdf(params["likelihood"]["log_noise_std"])
    expected = -np.abs(flat(params["weights"])).sum() + noise
    np.testing.assert_allclose(found.log_prior(params), expected, rtol=1e-5)
    assert found.network.symmetry == NETWORK.symmetry
    with pytest.raises(ValueError, match="cannot be drawn from"):
        found.init_from_prior(jax.random.key(0))
    with pytest.raises(ValueError, match="Conditioning needs the std"):
        ob.pruning.conditional_copies(found, params, (0.5,), key=jax.random.key(0))


def of_first_unit(params: Any) -> jax.Array:
    return log_density(params) - params["hidden_1"]["kernel"][0, 0] ** 2


def of_signs(params: Any) -> jax.Array:
    return log_density(params) + jnp.where(params["out"]["kernel"] > 0, 0.0, -1.0).sum()


def test_groups_that_a_prior_tells_apart_are_dropped_with_a_warning_for_each() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = make(prior=of_first_unit)
    texts = [str(one.message) for one in caught]
    assert sum("the group is dropped" in text for text in texts) == 2
    assert all("changes the log density of the prior by" in text for text in texts)
    assert set(found.symmetry.sizes) == set()
    assert "changed the log density of the prior" in str(found.symmetry)
    with pytest.warns(UserWarning, match="these signs are dropped"):
        signs = make(prior=of_signs).symmetry
    assert (set(signs.sizes), set(signs.signs)) == ({"hidden_0", "hidden_1"}, {"hidden_0"})


def test_a_prior_that_is_never_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="log density of the prior must be finite"):
        make(prior=lambda params: jnp.log(-jnp.abs(params["out"]["bias"][0]) - 1))


@pytest.mark.parametrize("prior", [student(0.5, degrees_of_freedom=3.0), horseshoe(0.3)])
def test_draws_under_a_prior_are_aligned_tabled_and_predict(prior: Any, key: Any) -> None:
    found = make(prior=prior, noise_std="inferred")
    starts = ob.methods.inits(found.init, 2, key=key)
    method = ob.hmc(found.logdensity, num_steps=8, num_warmup=20)
    samples = ob.sample(method, starts, num_draws=10, key=key)
    weights = found.network_samples(samples)
    alignment = ob.align(weights, found.network.symmetry)
    table = ob.weight_table(alignment, weights, prior_std=found.prior.network_std)
    assert np.isfinite(table["contraction"]).all()
    assert set(np.unique(table["array"])) == set(_trees.named_leaves(NETWORK.init(key)))
    aligned = ob.align(samples, found.symmetry).apply(samples)
    predictions = [
        ob.predict(found, draws.flatten(), TRAIN.inputs).draw_predictions(TRAIN.targets)
        for draws in (samples, aligned)
    ]
    np.testing.assert_allclose(*predictions, rtol=1e-3, atol=1e-4)
