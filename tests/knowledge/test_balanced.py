"""Balanced coordinates: scales of units are gone, and everything else is as it was."""

import jax
import numpy as np
import pytest
import strategies

import onebasin as ob
from onebasin.knowledge import balanced, exchangeable_std
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import random_permutation

NETWORK = mlp(3, (6, 5), 2, "relu")
SYMMETRY = NETWORK.symmetry
LIKE = jax.eval_shape(NETWORK.init, jax.random.key(0))
SHAPE = (4, 60)


def prior_draws(seed: int, shape: tuple[int, int] = SHAPE) -> Samples:
    rng = np.random.default_rng(seed)
    normal = lambda leaf: rng.standard_normal((*shape, *leaf.shape)).astype(np.float32)
    return Samples(jax.tree.map(normal, LIKE))


def scaled(seed: int = 0) -> Samples:
    """Draws of one function: every unit of every draw has a scale of its own."""
    rng = np.random.default_rng(seed)
    one = strategies.make_case(NETWORK, 3).params
    first, second = (np.exp(rng.normal(0, 0.5, (*SHAPE, size))) for size in (6, 5))
    draws = {
        "hidden_0": {
            "kernel": one["hidden_0"]["kernel"] * first[..., None, :],
            "bias": one["hidden_0"]["bias"] * first,
        },
        "hidden_1": {
            "kernel": one["hidden_1"]["kernel"] / first[..., None] * second[..., None, :],
            "bias": one["hidden_1"]["bias"] * second,
        },
        "out": {
            "kernel": one["out"]["kernel"] / second[..., None],
            "bias": one["out"]["bias"] + np.zeros((*SHAPE, 1)),
        },
    }
    return Samples(jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), draws))


def test_draws_that_differ_in_scales_alone_become_one_draw() -> None:
    samples = scaled()
    assert min(leaf.max() for leaf in jax.tree.leaves(samples.std()["hidden_0"])) > 0.1
    for leaf in jax.tree.leaves(balanced(samples, SYMMETRY).std()):
        assert leaf.max() < 1e-5


def test_balanced_draws_have_the_same_function() -> None:
    samples = prior_draws(0)
    inputs = np.random.default_rng(1).standard_normal((7, 3)).astype(np.float32)
    outputs = jax.vmap(lambda params: NETWORK.apply(params, inputs))
    before, after = (outputs(s.flatten()) for s in (samples, balanced(samples, SYMMETRY)))
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("values_at_once", [1, 1000, 10**6])
def test_it_is_the_same_in_blocks_and_from_a_store(values_at_once, tmp_path, monkeypatch) -> None:
    samples = prior_draws(2)
    ob.save_samples(tmp_path / "draws.zarr", samples)
    stored = ob.load_samples(tmp_path / "draws.zarr", LIKE)
    whole = ob.symmetry.balance(SYMMETRY, samples.params, num_batch_axes=2)
    monkeypatch.setattr("onebasin.knowledge.scales._BLOCK_VALUES", values_at_once)
    for source in (samples, stored):
        found = balanced(source, SYMMETRY).params
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), found, whole)


def test_balancing_and_permuting_may_trade_places() -> None:
    samples = prior_draws(3)
    moved = random_permutation(SYMMETRY, *SHAPE, key=jax.random.key(0))
    permuted = Samples(ob.permute(samples.params, SYMMETRY, moved))
    first = balanced(permuted, SYMMETRY).params
    second = ob.permute(balanced(samples, SYMMETRY).params, SYMMETRY, moved)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), first, second)


def test_pure_prior_draws_have_no_contraction_in_balanced_coordinates() -> None:
    """The bound on the mean over weights is about 5 of its standard errors."""
    std = balanced(prior_draws(4, (4, 400)), SYMMETRY).std()
    prior = exchangeable_std(balanced(prior_draws(5, (1, 4000)), SYMMETRY), SYMMETRY)
    ratios = jax.tree.map(lambda s, p: (np.asarray(s) / np.asarray(p)).reshape(-1), std, prior)
    contraction = 1 - np.concatenate(jax.tree.leaves(ratios)) ** 2
    assert abs(contraction.mean()) < 0.08
    assert not np.allclose(np.asarray(std["hidden_0"]["kernel"]), 1, atol=0.2)


def test_units_that_cannot_be_scaled_are_refused() -> None:
    tanh = mlp(3, (6,), 2, "tanh")
    draws = ob.methods.inits(tanh.init, 2, key=jax.random.key(0))
    samples = Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None], draws))
    with pytest.raises(ValueError, match="may be scaled"):
        balanced(samples, tanh.symmetry)


def test_exchangeable_weights_have_the_root_mean_square_of_their_stds() -> None:
    samples = prior_draws(6)
    found, own = exchangeable_std(samples, SYMMETRY), samples.std()
    kernel = np.asarray(own["hidden_0"]["kernel"], np.float64)
    expected = np.sqrt((kernel**2).mean(axis=1))
    np.testing.assert_allclose(found["hidden_0"]["kernel"], np.tile(expected[:, None], (1, 6)))
    np.testing.assert_allclose(found["out"]["bias"], own["out"]["bias"])
