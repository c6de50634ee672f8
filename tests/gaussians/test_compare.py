"""Comparing Gaussians weight by weight: closed forms, permutations, and one basin for two."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.stats
import strategies
from hypothesis import given, strategies as st

from onebasin import _trees
from onebasin.alignment import bring_to, permute_gaussian, weight_matching
from onebasin.gaussians import (
    DiagonalGaussian,
    kl_divergence,
    mean_over_weights,
    median_over_weights,
    wasserstein2,
)
from onebasin.networks import mlp
from onebasin.symmetry import random_permutation

FAILURE_RATE = 1e-6


def gaussian(mean, std, xp=np, dtype=np.float64) -> DiagonalGaussian:
    return DiagonalGaussian({"w": xp.asarray(mean, dtype)}, {"w": xp.asarray(std, dtype)})


means = st.floats(-3, 3)
stds = st.floats(0.1, 3)
one_weight = st.builds(lambda mean, std: gaussian([mean], [std]), means, stds)


def expectation(p: DiagonalGaussian, function) -> float:
    """Over a Gaussian, by Gauss and Hermite: exact for polynomials up to degree 15."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    values = function(p.mean["w"][0] + p.std["w"][0] * nodes)
    return float(weights @ values / weights.sum())


@given(one_weight, one_weight)
def test_the_divergence_is_the_expected_log_ratio_of_scipys_densities(p, q) -> None:
    scipys = [scipy.stats.norm(g.mean["w"][0], g.std["w"][0]) for g in (p, q)]
    expected = expectation(p, lambda w: scipys[0].logpdf(w) - scipys[1].logpdf(w))
    assert kl_divergence(p, q)["w"][0] == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_divergence_is_the_mean_log_ratio_of_draws(key) -> None:
    rng = np.random.default_rng(0)
    p, q = (
        gaussian(rng.normal(0, 1, 5), rng.uniform(0.5, 2, 5), dtype=np.float32) for _ in range(2)
    )
    draws = p.sample(20_000, key=key)
    ratios = jax.jit(jax.vmap(lambda w: p.log_prob(w) - q.log_prob(w)))(draws)
    ratios = np.asarray(ratios, np.float64)
    expected = kl_divergence(p, q)["w"].sum()
    error = ratios.std(ddof=1) / np.sqrt(len(ratios))
    assert abs(ratios.mean() - expected) < oracles.z_bound(FAILURE_RATE) * error


@given(one_weight, one_weight)
def test_the_divergence_is_positive_and_zero_from_itself(p, q) -> None:
    assert kl_divergence(p, q)["w"][0] >= -1e-12
    assert kl_divergence(p, p)["w"][0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("std", "other_std", "shift", "expected"),
    [
        (0.0, 1.0, 0.0, np.inf),
        (1.0, 0.0, 0.0, np.inf),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, np.inf),
    ],
)
def test_a_weight_without_spread_diverges_from_all_but_itself(
    std, other_std, shift, expected
) -> None:
    found = kl_divergence(gaussian([2.0], [std]), gaussian([2.0 + shift], [other_std]))
    assert found["w"].tolist() == [expected]


@given(one_weight, one_weight)
def test_the_distance_is_that_between_quantiles(p, q) -> None:
    # In one dimension the optimal transport is monotone (Villani 2003, theorem 2.18).
    standard = gaussian([0.0], [1.0])
    square = expectation(
        standard,
        lambda z: (p.mean["w"] + p.std["w"] * z - q.mean["w"] - q.std["w"] * z) ** 2,
    )
    assert wasserstein2(p, q)["w"][0] ** 2 == pytest.approx(square, rel=1e-9, abs=1e-12)


@given(one_weight, one_weight, one_weight)
def test_the_distance_is_symmetric_and_obeys_the_triangle_inequality(p, q, r) -> None:
    assert wasserstein2(p, q)["w"] == wasserstein2(q, p)["w"]
    assert wasserstein2(p, p)["w"] == 0
    assert wasserstein2(p, r)["w"] <= wasserstein2(p, q)["w"] + wasserstein2(q, r)["w"] + 1e-12


@pytest.mark.parametrize("compare", [kl_divergence, wasserstein2])
@pytest.mark.parametrize("xp", [np, jnp])
def test_float32_weights_are_compared_in_float64(compare, xp) -> None:
    rng = np.random.default_rng(1)
    p, q = (
        gaussian(rng.normal(0, 1, (2, 3)), rng.uniform(0.5, 2, (2, 3)), xp, np.float32)
        for _ in range(2)
    )
    found = compare(p, q)["w"]
    assert found.dtype == np.float64
    exact = [jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), g) for g in (p, q)]
    np.testing.assert_array_equal(found, compare(*exact)["w"])


@pytest.mark.parametrize("compare", [kl_divergence, wasserstein2])
def test_scalar_weights_are_compared_too(compare) -> None:
    found = compare(gaussian(0.0, 1.0), gaussian(1.0, 1.0))["w"]
    assert found.shape == ()
    assert found == pytest.approx({kl_divergence: 0.5, wasserstein2: 1.0}[compare])


def test_every_weight_counts_once_in_means_and_medians() -> None:
    tree = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array(10.0)}
    assert mean_over_weights(tree) == 4
    assert median_over_weights(tree) == 2.5


def make_gaussian(seed: int) -> tuple[DiagonalGaussian, strategies.Case]:
    case = strategies.make_case(mlp(3, (6,), 2), seed)
    rng = np.random.default_rng(seed)
    std = jax.tree.map(lambda w: rng.uniform(0.1, 2, w.shape).astype(w.dtype), case.params)
    return DiagonalGaussian(case.params, std), case


@pytest.mark.parametrize("compare", [kl_divergence, wasserstein2])
def test_permuting_both_moves_what_is_found_and_leaves_its_mean(key, compare) -> None:
    (p, case), (q, _) = make_gaussian(0), make_gaussian(1)
    symmetry = case.network.symmetry
    permutation = random_permutation(symmetry, key=key)
    moved = compare(*(permute_gaussian(g, symmetry, permutation) for g in (p, q)))
    expected = oracles.permute_by_hand(symmetry, permutation, compare(p, q))
    jax.tree.map(np.testing.assert_array_equal, moved, expected)
    assert mean_over_weights(moved) == pytest.approx(mean_over_weights(compare(p, q)), rel=1e-12)


@pytest.mark.parametrize("xp", [np, jnp])
def test_a_permuted_gaussian_is_brought_back_with_its_std(key, xp) -> None:
    p, case = make_gaussian(2)
    symmetry = case.network.symmetry
    permuted = permute_gaussian(p, symmetry, random_permutation(symmetry, key=key))
    assert mean_over_weights(wasserstein2(p, permuted)) > 0.5
    permuted = jax.tree.map(xp.asarray, permuted)
    brought = bring_to(permuted, symmetry, weight_matching(), p.mean)
    jax.tree.map(np.testing.assert_array_equal, brought, p)


def test_what_is_brought_lies_no_farther_than_before(key) -> None:
    (p, case), (q, _) = make_gaussian(3), make_gaussian(4)
    brought = bring_to(q, case.network.symmetry, weight_matching(), p.mean)
    squares = [
        sum(np.sum((a - b) ** 2) for a, b in zip(*map(jax.tree.leaves, pair), strict=True))
        for pair in ((p.mean, q.mean), (p.mean, brought.mean))
    ]
    assert squares[1] < squares[0]
    assert np.sort(_trees.ravel_batch(brought.std, 0)).tolist() == (
        np.sort(_trees.ravel_batch(q.std, 0)).tolist()
    )
