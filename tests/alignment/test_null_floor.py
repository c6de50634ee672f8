"""The null floor: how far alignment alone shrinks draws that share nothing."""

import jax
import numpy as np
import pytest
import strategies

from onebasin.alignment import align, null_draws, null_floor, rms, to_densest, to_first, to_mean
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import permute, random_permutation


def prior_draws(network, num_draws: int, seed: int = 0) -> Samples:
    """Independent draws of N(0, 1): they share nothing at all."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    return Samples(
        jax.tree.map(
            lambda leaf: rng.standard_normal((2, num_draws // 2, *leaf.shape), np.float32), shapes
        )
    )


@pytest.mark.parametrize(
    ("units", "inputs", "outputs", "num_draws", "reference", "expected", "tolerance"),
    [
        (8, 1, 1, 300, to_mean(), 0.74, 0.02),
        (64, 1, 1, 300, to_first(), 0.45, 0.02),
        (64, 20, 1, 300, to_first(), 0.89, 0.02),
        (64, 784, 10, 30, to_first(), 0.995, 0.003),
    ],
)
def test_independent_draws_shrink_by_as_much_as_was_measured(
    key, units, inputs, outputs, num_draws, reference, expected, tolerance
) -> None:
    network = mlp(inputs, (units,), outputs)
    samples = prior_draws(network, num_draws)
    assert rms(samples.std()) == pytest.approx(1, abs=0.02)
    floor = null_floor(samples, network.symmetry, reference=reference, key=key)
    assert rms(floor.std) == pytest.approx(expected, abs=tolerance)


def test_the_root_mean_square_counts_every_weight_once() -> None:
    assert rms({"a": np.array([3.0, 4.0]), "b": np.array(0.0)}) == pytest.approx(np.sqrt(25 / 3))


@pytest.fixture(scope="module")
def network():
    return mlp(2, (4,), 3)


@pytest.fixture(scope="module")
def samples(network) -> Samples:
    """Draws whose arrays differ in mean and spread."""
    draws = prior_draws(network, 300, seed=1).params
    draws["out"]["bias"] = draws["out"]["bias"] * 0.1 + np.array([5, 6, 7], np.float32)
    draws["hidden_0"]["kernel"] = draws["hidden_0"]["kernel"] * np.array([[2], [4]], np.float32)
    return Samples(draws)


def test_weights_that_never_move_keep_their_own_mean_and_std(key, network, samples) -> None:
    floor = null_floor(samples, network.symmetry, reference=to_first(), key=key)
    found, given = floor.mean["out"]["bias"], samples.mean()["out"]["bias"]
    # Five standard errors of the mean and the std of 300 draws.
    np.testing.assert_allclose(found, given, atol=5 * 0.1 * 1.5 / np.sqrt(300))
    np.testing.assert_allclose(floor.std["out"]["bias"], 0.1, rtol=5 * 1.5 / np.sqrt(600))


def test_each_position_has_the_spread_of_all_units_that_may_take_it(key, network, samples) -> None:
    floor = null_floor(samples, network.symmetry, reference=to_first(), key=key)
    spread = np.sqrt((floor.std["hidden_0"]["kernel"] ** 2).mean(axis=1))
    assert (spread < [2.1, 4.2]).all()  # alignment only shrinks
    assert spread[1] / spread[0] > 1.3


def test_the_floor_does_not_depend_on_how_the_draws_were_permuted(key, network, samples) -> None:
    permutation = random_permutation(network.symmetry, 2, 150, key=key)
    permuted = Samples(permute(samples.params, network.symmetry, permutation))
    first, second = (
        null_floor(s, network.symmetry, reference=to_first(), key=key) for s in (samples, permuted)
    )
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, first.std, second.std)


def test_the_floor_is_fixed_by_its_key(key, network, samples) -> None:
    first, again, other = (
        null_floor(samples, network.symmetry, reference=to_first(), key=k)
        for k in (key, key, jax.random.fold_in(key, 1))
    )
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert rms(first.std) != rms(other.std)


def test_aligned_copies_of_one_network_lie_far_below_the_floor(key, network) -> None:
    case = strategies.make_case(network, seed=5)
    copies, _ = strategies.permuted_copies(case, key, 2, 150)
    assert rms(copies.std()) > 0.3
    floor = null_floor(copies, network.symmetry, key=key)
    aligned = align(copies, network.symmetry).apply(copies)
    assert rms(aligned.std()) == 0
    assert rms(floor.std) > 0.2


def test_the_densest_draw_of_noise_is_any_draw_of_it(key, network, samples) -> None:
    densest, first = (
        null_floor(samples, network.symmetry, reference=reference, key=key)
        for reference in (to_densest(), to_first())
    )
    jax.tree.map(np.testing.assert_array_equal, densest, first)


def autocorrelated(network, correlation: float, seed: int = 0) -> Samples:
    """Draws that share nothing, of chains whose positions differ in mean, std and speed."""
    rng = np.random.default_rng(seed)

    def leaf(like: jax.ShapeDtypeStruct) -> np.ndarray:
        draws = rng.standard_normal((4, 300, *like.shape))
        for draw in range(1, 300):
            draws[:, draw] *= np.sqrt(1 - correlation**2)
            draws[:, draw] += correlation * draws[:, draw - 1]
        rows = np.arange(like.shape[0]).reshape(-1, *[1] * (len(like.shape) - 1))
        return ((1 + rows) * (draws + 3)).astype(np.float32)

    return Samples(jax.tree.map(leaf, jax.eval_shape(network.init, jax.random.key(0))))


def lag_1(samples: Samples) -> float:
    """The autocorrelation of hidden weights about the mean of their input, pooled over units."""
    draws = samples.params["hidden_0"]["kernel"].astype(np.float64)
    draws = draws - draws.mean(axis=(0, 1, 3), keepdims=True)
    products = (draws[:, 1:] * draws[:, :-1]).mean(axis=(0, 1, 3)) / draws.var(axis=(0, 1, 3))
    return float(products.mean())


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("is_relabelled", [False, True])
def test_the_noise_is_as_autocorrelated_as_the_draws_however_their_units_are_labelled(
    key, activation: str, correlation: float, is_relabelled: bool
) -> None:
    network = mlp(2, (8,), 1, activation=activation)
    samples = autocorrelated(network, correlation)
    if activation == "tanh":  # signs leave no mean over the units that may take a position
        scale = lambda leaf: (leaf - leaf.mean((0, 1))).astype(np.float32)
        samples = Samples(jax.tree.map(scale, samples.params))
    given = samples
    if is_relabelled:
        permutation = random_permutation(network.symmetry, 4, 300, key=key)
        given = Samples(permute(samples.params, network.symmetry, permutation))
        assert lag_1(given) < 0.3
    noise = null_draws(given, network.symmetry, key=key)
    assert lag_1(noise) == pytest.approx(correlation, abs=0.09 if correlation < 0.8 else 0.03)


def test_weights_of_one_network_may_mix_at_different_speeds(key, network) -> None:
    quick, slow = (autocorrelated(network, c).params["hidden_0"]["kernel"] for c in (0.0, 0.9))
    params = autocorrelated(network, 0.5).params
    params["hidden_0"]["kernel"] = np.stack([quick[:, :, 0], slow[:, :, 1]], axis=2)
    noise = null_draws(Samples(params), network.symmetry, key=key).params["hidden_0"]["kernel"]
    noise = noise - noise.mean(axis=(0, 1, 3), keepdims=True)
    lags = (noise[:, 1:] * noise[:, :-1]).mean(axis=(0, 1, 3)) / noise.var(axis=(0, 1, 3))
    np.testing.assert_allclose(lags, [0, 0.9], atol=0.06)
