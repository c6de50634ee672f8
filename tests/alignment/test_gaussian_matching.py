"""Gaussian matching: a likelihood that only rises, and equals the formula in float64."""

import jax
import numpy as np
import oracles
import pytest
import scipy.stats
import strategies
from hypothesis import given, settings, strategies as st

from onebasin import _trees
from onebasin.alignment import align, gaussian_matching, to, to_mean, weight_matching
from onebasin.gaussians import DiagonalGaussian
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import permute, random_permutation

pytestmark = pytest.mark.slow

NETWORKS = {1: mlp(2, (5,), 2), 2: mlp(2, (5, 4), 2)}


def penalized_log_likelihood(aligned: Samples, floor: float) -> np.ndarray:
    """Of every draw under the mean and variance of all of them, term by term in float64."""
    w = _trees.ravel_batch(aligned.params, 2).astype(np.float64)
    mean, square = w.mean(axis=(0, 1)), (w**2).mean(axis=(0, 1))
    epsilon = floor * square.mean()
    variance = square - mean**2 + epsilon
    log_density = scipy.stats.norm.logpdf(w, mean, np.sqrt(variance)).sum(axis=-1)
    return log_density - 0.5 * epsilon * (1 / variance).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("depth", NETWORKS)
@settings(max_examples=4)
@given(seed=strategies.seeds, floor=st.sampled_from([1e-3, 0.1]))
def test_the_mean_objective_never_decreases_over_rounds_and_is_the_penalized_likelihood(
    dtype, depth, seed, floor
) -> None:
    network, matching = NETWORKS[depth], gaussian_matching(floor=floor)
    samples = strategies.random_samples(network, seed, 2, 6, dtype)
    precision = 1e-10 if dtype is np.float64 else 1e-5
    values = []
    for rounds in (0, 1, 2, 50):
        found = align(
            samples, network.symmetry, matching, reference=to_mean(max_rounds=rounds, tolerance=0.0)
        )
        expected = penalized_log_likelihood(found.apply(samples), floor)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.objective, expected, rtol=0, atol=precision * scale)
        values.append(found.objective.mean())
    assert (np.diff(values) >= -precision * np.abs(values[0])).all()


def test_relabelling_raises_the_likelihood_of_the_iterated_mean_of_weights() -> None:
    network = NETWORKS[1]
    samples = strategies.random_samples(network, 0, 2, 20)
    found = align(samples, network.symmetry)
    relabel = lambda **options: align(
        samples, network.symmetry, gaussian_matching(), to_mean(start=found, **options)
    )
    before, after = relabel(max_rounds=0), relabel()
    assert after.objective.mean() > before.objective.mean() + 0.1
    jax.tree.map(np.testing.assert_array_equal, before.permutation, found.permutation)


@settings(max_examples=10)
@given(seed=strategies.seeds)
def test_matched_to_one_network_it_is_weight_matching(seed: int) -> None:
    network = NETWORKS[1]
    samples = strategies.random_samples(network, seed, 1, 6, np.float64)
    reference = strategies.make_case(network, seed ^ 1, dtype=np.float64).params
    first, second = (
        align(samples, network.symmetry, matching, to(reference)).permutation
        for matching in (gaussian_matching(), weight_matching())
    )
    jax.tree.map(np.testing.assert_array_equal, first, second)


def random_gaussian(network, seed: int) -> DiagonalGaussian:
    mean = strategies.make_case(network, seed, dtype=np.float64).params
    rng = np.random.default_rng(seed)
    return DiagonalGaussian(mean, jax.tree.map(lambda x: rng.uniform(0.05, 2.0, x.shape), mean))


@settings(max_examples=10)
@given(seed=strategies.seeds)
def test_given_a_gaussian_the_objective_is_the_largest_log_density_of_all_permutations(
    seed: int,
) -> None:
    network = mlp(2, (4,), 2)
    fit = random_gaussian(network, seed)
    samples = strategies.random_samples(network, seed ^ 1, 1, 3, np.float64)
    found = align(samples, network.symmetry, gaussian_matching(fit), to(fit.mean))
    mean, std = (_trees.ravel_batch(tree, 0) for tree in (fit.mean, fit.std))
    for draw in range(3):
        params = samples.draw(0, draw)
        best = max(
            scipy.stats.norm.logpdf(
                _trees.ravel_batch(oracles.permute_by_hand(network.symmetry, p, params), 0),
                mean,
                std,
            ).sum()
            for p in oracles.all_joint_permutations(network.symmetry)
        )
        assert found.objective[0, draw] == pytest.approx(best, abs=1e-8)


def test_units_that_one_noisy_weight_hides_from_weight_matching_are_found(key) -> None:
    # The first input's weights are sure and tell units apart; those of the second vary widely.
    network = mlp(2, (6,), 1)
    fit = strategies.make_case(network, 0).params
    fit = jax.tree.map(np.zeros_like, fit)
    fit["hidden_0"]["kernel"][:] = np.arange(6) / 10
    std = jax.tree.map(lambda leaf: np.full_like(leaf, 1e-3), fit)
    std["hidden_0"]["kernel"][1] = 5.0
    gaussian = DiagonalGaussian(fit, std)
    draws = jax.tree.map(lambda leaf: np.asarray(leaf)[None], gaussian.sample(50, key=key))
    planted = random_permutation(network.symmetry, 1, 50, key=key)
    samples = Samples(permute(draws, network.symmetry, planted))
    share = {}
    for matching in (gaussian_matching(gaussian), weight_matching()):
        found = align(samples, network.symmetry, matching, to(fit)).permutation.units["hidden_0"]
        share[matching.name] = (found == np.argsort(planted.units["hidden_0"], axis=-1)).mean()
    assert share["gaussian"] == 1
    assert share["weights"] < 0.5


@pytest.mark.parametrize("floor", [0.0, -1.0, float("inf"), float("nan")])
def test_a_floor_that_is_not_positive_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=r"floor must be positive and finite\. Got"):
        gaussian_matching(floor=floor)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_given_std_that_is_not_positive_is_refused(bad: float) -> None:
    fit = random_gaussian(NETWORKS[1], 0)
    fit.std["out"]["kernel"][1, 1] = bad
    with pytest.raises(ValueError, match=r"must be positive\. Got .* in out/kernel\. Raise it"):
        gaussian_matching(fit)
