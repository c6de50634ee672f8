"""Significance of a std: uniform p-values under the null, certainty for copies of one network."""

import jax
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings

from onebasin.alignment.align import align
from onebasin.alignment.null import null_draws, null_floor
from onebasin.alignment.significance import significant_share, std_significance
from onebasin.models.mlp import mlp
from onebasin.samples import Samples
from onebasin.symmetry.axes import Axes, Symmetry

# 13 units and 3 replicates: of 40 exchangeable stds, p <= .05 takes 2.
NETWORK = mlp(2, (13,), 2)


def prior_draws(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(NETWORK.init, jax.random.key(0))
    return Samples(
        jax.tree.map(lambda leaf: rng.standard_normal((1, 40, *leaf.shape), np.float32), shapes)
    )


def p_values(seed: int, num_replicates: int = 3):
    """Of draws that are themselves null draws."""
    samples = prior_draws(seed)
    aligned = align(samples, NETWORK.symmetry, reference="first").apply(samples)
    keys = jax.random.split(jax.random.key(seed), num_replicates)
    nulls = [null_floor(key, samples, NETWORK.symmetry, None, "first").std for key in keys]
    return std_significance(aligned.std(), nulls, NETWORK.symmetry)


def test_under_the_null_a_twentieth_of_the_weights_has_a_p_value_up_to_a_twentieth() -> None:
    shares = []
    for seed in range(24):
        found = p_values(seed)
        tested = [found["hidden_0"]["kernel"], found["hidden_0"]["bias"], found["out"]["kernel"]]
        shares.append(np.mean(np.concatenate([leaf.reshape(-1) for leaf in tested]) <= 0.05))
    # Weights of one data set depend on each other; data sets do not. Failure rate 1e-4.
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 0.05) <= oracles.z_bound(1e-4) * error
    assert error < 0.01


def test_for_copies_of_one_network_every_weight_that_may_move_is_significant(key) -> None:
    case = strategies.make_case(NETWORK, 0)
    copies, _ = strategies.permuted_copies(case, key, 2, 20)
    std = align(copies, NETWORK.symmetry).apply(copies).std()
    nulls = [null_floor(k, copies, NETWORK.symmetry).std for k in jax.random.split(key, 3)]
    found = std_significance(std, nulls, NETWORK.symmetry)
    assert significant_share(found) == 1
    assert np.isnan(found["out"]["bias"]).all()
    np.testing.assert_allclose(found["hidden_0"]["kernel"], 1 / 40)


@settings(max_examples=10)
@given(seed=strategies.seeds)
def test_a_p_value_counts_the_null_stds_of_every_unit_that_may_take_the_position(seed) -> None:
    rng = np.random.default_rng(seed)
    axes = {"mix": Axes("a", None, "b"), "still": Axes(None)}
    leaf = lambda: {"mix": rng.integers(0, 9, (2, 3, 4)) / 4, "still": rng.random(2)}
    std, nulls = leaf(), [leaf(), leaf()]
    found = std_significance(std, nulls, Symmetry.of(axes, std))
    for i, j, k in np.ndindex(2, 3, 4):
        pool = np.concatenate([null["mix"][:, j].reshape(-1) for null in nulls])
        smaller = sum(value <= std["mix"][i, j, k] for value in pool)
        assert found["mix"][i, j, k] == pytest.approx((1 + smaller) / 17)
    assert np.isnan(found["still"]).all()


def test_the_share_is_that_of_the_benjamini_hochberg_procedure() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, np.nan, np.nan])
    # The largest k with p_k <= .05 k / 8: 0.008 <= .0125, and 0.042 > .03125.
    assert significant_share({"w": p}) == 2 / 8
    assert np.isnan(significant_share({"w": p[-2:]}))


def test_null_draws_share_nothing_but_are_as_dense_as_each_other(key) -> None:
    samples = prior_draws(0)
    noise = null_draws(key, samples, NETWORK.symmetry)
    assert (noise.num_chains, noise.num_draws) == (1, 40)
    assert (noise.stats["lp"] == 0).all()


@pytest.mark.parametrize("rate", [0.0, 1.0, 5.0, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\)\. Got .*pass 0\.05"):
        significant_share({"w": np.ones(3)}, rate)


def test_stds_that_do_not_fit_are_refused() -> None:
    std = prior_draws(0).std()
    with pytest.raises(ValueError, match=r"at least one null std\. Got none"):
        std_significance(std, [], NETWORK.symmetry)
    other = jax.tree.map(lambda leaf: leaf[:1], std)
    with pytest.raises(ValueError, match="All axes of a group must have one length"):
        std_significance(std, [other], NETWORK.symmetry)
