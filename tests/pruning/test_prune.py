"""Pruning: how many weights stay, and which."""

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, strategies as st

from onebasin import _trees
from onebasin.gaussians import DiagonalGaussian
from onebasin.pruning import layer_wise, prune, pruned_copies, pruning_scores
from onebasin.pruning.prune import KEEPS, num_kept

hundredths = st.integers(1, 100)


def make_params(seed: int, num_weights: int = 12) -> dict:
    """Two layers that share the weights; none is zero, so that pruned ones can be told."""
    flat = np.random.default_rng(seed).uniform(0.5, 1.5, num_weights).astype(np.float32)
    flat[::2] *= -1
    split = num_weights // 2
    return {"a": {"kernel": flat[:split].reshape(-1, 1)}, "b": flat[split:]}


def ravel(tree) -> np.ndarray:
    return _trees.ravel_batch(tree, 0)


@given(strategies.seeds, hundredths, st.integers(2, 120))
def test_exactly_the_share_is_kept_rounded_up(seed: int, percent: int, num_weights: int) -> None:
    params, scores = make_params(seed, num_weights), make_params(seed + 1, num_weights)
    pruned = ravel(prune(params, scores, percent / 100))
    exact = math.ceil(Fraction(percent, 100) * num_weights)  # no rounding in fractions
    assert np.count_nonzero(pruned) == exact


@given(hundredths, st.integers(1, 10**9))
def test_a_share_of_any_number_of_weights_is_rounded_up_once(percent: int, size: int) -> None:
    assert num_kept(percent / 100, size) == math.ceil(Fraction(percent, 100) * size)


@given(strategies.seeds, hundredths)
def test_the_weights_with_the_highest_scores_stay_as_they_are(seed: int, percent: int) -> None:
    params, scores = make_params(seed), make_params(seed + 1)
    pruned = ravel(prune(params, scores, percent / 100))
    kept = pruned != 0
    np.testing.assert_array_equal(pruned[kept], ravel(params)[kept])
    if not kept.all():
        assert ravel(scores)[kept].min() >= ravel(scores)[~kept].max()


@given(strategies.seeds, hundredths, hundredths)
def test_what_a_smaller_share_keeps_a_larger_share_keeps_too(
    seed: int, first: int, second: int
) -> None:
    params, scores = make_params(seed), make_params(seed + 1)
    fewer, more = (
        ravel(prune(params, scores, percent / 100)) != 0 for percent in sorted((first, second))
    )
    assert (fewer <= more).all()


def test_keeping_everything_changes_nothing() -> None:
    params = make_params(0)
    jax.tree.map(np.testing.assert_array_equal, prune(params, make_params(1), 1.0), params)


def test_layers_compete_with_each_other() -> None:
    params = {"a": np.ones(2), "b": np.ones(2)}
    scores = {"a": np.array([4.0, 3.0]), "b": np.array([1.0, 2.0])}
    pruned = prune(params, scores, 0.5)
    assert pruned["a"].tolist() == [1, 1]
    assert pruned["b"].tolist() == [0, 0]


def test_ties_are_broken_by_position() -> None:
    assert prune(np.ones(5), np.zeros(5), 0.4).tolist() == [1, 1, 0, 0, 0]


def test_infinite_scores_stay_to_the_last_and_minus_infinity_goes_first() -> None:
    scores = np.array([-np.inf, 5.0, np.inf, 0.0])
    assert prune(np.ones(4), scores, 0.25).tolist() == [0, 0, 1, 0]
    assert prune(np.ones(4), scores, 0.75).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("keep", [10.0, 0.0, -0.1, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(keep: float) -> None:
    message = rf"keep must lie in \(0, 1\], a share of .* Got {keep}\. For ten per"
    with pytest.raises(ValueError, match=message):
        prune(np.ones(3), np.ones(3), keep)


def test_scores_that_are_nan_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores must not be NaN\. Got 1 of 3"):
        prune(np.ones(3), np.array([1.0, np.nan, 2.0]), 0.5)


def test_scores_of_another_shape_are_refused() -> None:
    message = r"scores must be shaped like params, which have \(3,\) at 'a'\. Got \(2,\)\. Make"
    with pytest.raises(ValueError, match=message):
        prune({"a": np.ones(3)}, {"a": np.ones(2)}, 0.5)


def test_scores_of_other_arrays_are_refused() -> None:
    message = r"scores must have the leaves of params\. Missing: 'a'\. Unexpected: 'b'\. Make"
    with pytest.raises(ValueError, match=message):
        prune({"a": np.ones(3)}, {"b": np.ones(3)}, 0.5)


def test_scores_keep_the_surest_the_largest_or_whatever_chance_says(key) -> None:
    params = {"w": np.array([0.5, -4.0, 1.0], np.float32)}
    gaussian = DiagonalGaussian(make_params(0), {"w": np.array([0.1, 8.0, 0.0], np.float32)})
    scores = pruning_scores(params, gaussian, key=key)
    assert set(scores) == {"std", "signal-to-noise", "magnitude", "random"}
    first_kept = {
        name: prune(params, tree, 1 / 3)["w"].nonzero()[0] for name, tree in scores.items()
    }
    assert first_kept["std"].tolist() == [2]
    assert first_kept["magnitude"].tolist() == [1]
    assert first_kept["signal-to-noise"].tolist() == [2]  # a std of 0 is certainty
    np.testing.assert_allclose(scores["signal-to-noise"]["w"], [5, 0.5, np.inf], rtol=1e-6)


def test_random_scores_are_fixed_by_their_key(key) -> None:
    params = {"w": np.ones(4, np.float32)}
    gaussian = DiagonalGaussian(params, params)
    first, again, other = (
        pruning_scores(params, gaussian, key=k)["random"]["w"]
        for k in (key, key, jax.random.fold_in(key, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_copies_are_stacked_in_the_order_of_their_shares() -> None:
    params, scores = make_params(0, 100), make_params(1, 100)
    copies = pruned_copies(params, scores)
    counts = np.count_nonzero(_trees.ravel_batch(copies), axis=1)
    assert counts.tolist() == [round(100 * keep) for keep in KEEPS]
    third = jax.tree.map(lambda leaf: leaf[2], copies)
    jax.tree.map(np.testing.assert_array_equal, third, prune(params, scores, KEEPS[2]))


def quadratic(seed: int, size: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The minimum and the curvature of a quadratic loss, weights depending on each other."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    return rng.normal(size=size), root @ root.T + 0.1 * np.eye(size)


@given(strategies.seeds)
def test_a_curvature_gives_the_exact_increase_of_a_quadratic_loss(seed: int) -> None:
    weights, curvature = quadratic(seed)
    gaussian = DiagonalGaussian(weights, np.ones(5))
    scores = pruning_scores(
        weights, gaussian, {"fisher": np.diag(curvature).copy()}, key=jax.random.key(0)
    )
    for row, weight in enumerate(weights):
        moved = np.zeros(5)
        moved[row] = -weight
        assert scores["fisher"][row] == pytest.approx(0.5 * moved @ curvature @ moved, rel=1e-10)


@given(strategies.seeds)
def test_signal_to_noise_gives_the_increase_after_all_other_weights_were_fitted_again(
    seed: int,
) -> None:
    weights, curvature = quadratic(seed)
    std = np.sqrt(np.diag(np.linalg.inv(curvature)))
    gaussian = DiagonalGaussian(weights, std)
    with jax.enable_x64(True):
        scores = pruning_scores(weights, gaussian, key=jax.random.key(0))
    for row, weight in enumerate(weights):
        # The best move of all weights that takes one of them to zero, by Lagrange's multiplier.
        direction = np.linalg.solve(curvature, np.eye(5)[row])
        moved = -weight * direction / direction[row]
        increase = 0.5 * moved @ curvature @ moved
        assert scores["signal-to-noise"][row] ** 2 / 2 == pytest.approx(increase, rel=1e-8)


@given(strategies.seeds, hundredths)
def test_layer_wise_scores_keep_the_same_share_of_every_array(seed: int, percent: int) -> None:
    params, scores = make_params(seed, 40), make_params(seed + 1, 40)
    pruned = prune(params, layer_wise(scores), percent / 100)
    kept = [np.count_nonzero(leaf) for leaf in jax.tree.leaves(pruned)]
    assert sum(kept) == math.ceil(Fraction(percent, 100) * 40)
    assert abs(kept[0] - kept[1]) <= 1


@given(strategies.seeds)
def test_layer_wise_scores_keep_the_order_inside_an_array(seed: int) -> None:
    scores = make_params(seed, 40)
    for leaf, ranked in zip(
        jax.tree.leaves(scores), jax.tree.leaves(layer_wise(scores)), strict=True
    ):
        np.testing.assert_array_equal(np.argsort(leaf, axis=None), np.argsort(ranked, axis=None))
        assert ranked.max() == 1


def test_an_inferred_noise_is_no_weight_and_always_stays() -> None:
    noise = {"log_noise_std": np.float32(-1.5)}
    params = {"weights": {"w": np.array([3.0, 1.0, 2.0, 4.0])}, "likelihood": noise}
    scores = {"weights": {"w": np.array([3.0, 1.0, 2.0, 4.0])}, "likelihood": noise}
    pruned = prune(params, scores, 0.5)
    assert pruned["weights"]["w"].tolist() == [3, 0, 0, 4]
    assert float(pruned["likelihood"]["log_noise_std"]) == -1.5
