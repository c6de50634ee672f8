"""Importances in weight matching: what is minimized, and which importances are refused."""

import jax
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings

from onebasin.alignment import align, to, weight_matching
from onebasin.networks import mlp

NETWORK = mlp(3, (4,), 2)


def random_importance(seed: int):
    rng = np.random.default_rng(seed)
    return {
        "hidden_0": {"kernel": rng.uniform(0, 5, (3, 1)), "bias": rng.uniform(0, 5)},
        "out": {"kernel": rng.uniform(0, 5, 2), "bias": rng.uniform(0, 5, 2)},
    }


def distance(importance, first, second) -> float:
    """The squared distance with each weight's square multiplied by its importance."""
    terms = jax.tree.map(lambda c, a, b: float((c * (a - b) ** 2).sum()), importance, first, second)
    return sum(jax.tree.leaves(terms))


@settings(max_examples=10)
@given(seed=strategies.seeds)
def test_the_weighted_distance_is_the_least_of_all_permutations(seed: int) -> None:
    importance = random_importance(seed)
    reference = strategies.make_case(NETWORK, seed, dtype=np.float64).params
    samples = strategies.random_samples(NETWORK, seed ^ 1, 1, 2, np.float64)
    found = align(samples, NETWORK.symmetry, weight_matching(importance), to(reference))
    for draw in range(2):
        params = samples.draw(0, draw)
        least = min(
            distance(importance, reference, oracles.permute_by_hand(NETWORK.symmetry, p, params))
            for p in oracles.all_joint_permutations(NETWORK.symmetry)
        )
        aligned = found.apply(samples).draw(0, draw)
        assert distance(importance, reference, aligned) == pytest.approx(least, abs=1e-9)


def test_importances_of_one_are_plain_weight_matching() -> None:
    ones = jax.tree.map(lambda _: 1.0, random_importance(0))
    samples = strategies.random_samples(NETWORK, 0, 2, 5)
    first, second = (
        align(samples, NETWORK.symmetry, matching)
        for matching in (weight_matching(ones), weight_matching())
    )
    jax.tree.map(np.testing.assert_array_equal, first.permutation, second.permutation)
    np.testing.assert_allclose(first.objective, second.objective)


def test_outgoing_weights_alone_can_decide() -> None:
    importance = jax.tree.map(lambda _: 0.0, random_importance(0))
    importance["out"]["kernel"] = 1.0
    reference = strategies.make_case(NETWORK, 0).params
    samples = strategies.random_samples(NETWORK, 1, 1, 3)
    found = align(samples, NETWORK.symmetry, weight_matching(importance), to(reference))
    others = jax.tree.map(np.copy, samples.params)
    others["hidden_0"]["kernel"] *= -3
    again = align(
        samples.__class__(others), NETWORK.symmetry, weight_matching(importance), to(reference)
    )
    jax.tree.map(np.testing.assert_array_equal, found.permutation, again.permutation)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_an_importance_that_is_no_weight_is_refused_when_built(bad: float) -> None:
    importance = random_importance(0)
    importance["hidden_0"]["kernel"][1, 0] = bad
    with pytest.raises(ValueError, match=r"finite and not negative\. Got hidden_0/kernel"):
        weight_matching(importance)


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        ("hidden_0", "kernel", np.arange(4.0), r"units of 'hidden_0' that differ in hidden_0/ker"),
        ("out", "kernel", np.arange(8.0).reshape(4, 2), r"differ in out/kernel\. .*over axis 0"),
        ("hidden_0", "bias", np.arange(4.0), r"differ in hidden_0/bias"),
        ("out", "bias", np.ones((2, 2)), r"broadcast to the params\. Got out/bias of shape \(2, 2"),
        ("out", "bias", np.ones(3), r"broadcast to the params\. Got out/bias of shape \(3,\)"),
    ],
)
def test_an_importance_that_does_not_fit_is_refused(layer, name, value, message) -> None:
    importance = random_importance(0)
    importance[layer][name] = value
    samples = strategies.random_samples(NETWORK, 0, 1, 2)
    with pytest.raises(ValueError, match=message):
        align(samples, NETWORK.symmetry, weight_matching(importance))


def test_an_importance_of_another_network_is_refused() -> None:
    samples = strategies.random_samples(mlp(3, (4, 4), 2), 0, 1, 2)
    with pytest.raises(ValueError, match=r"one leaf for each of the params\. .*hidden_1"):
        align(samples, mlp(3, (4, 4), 2).symmetry, weight_matching(random_importance(0)))
