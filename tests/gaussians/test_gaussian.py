"""The compact posterior: densities, draws and summaries, against SciPy and NumPy."""

import jax
import numpy as np
import oracles
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from onebasin import _trees
from onebasin.diagnostics import mcse_mean, mcse_std
from onebasin.gaussians import DiagonalGaussian, LowRankGaussian, summarize
from onebasin.samples import Samples

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

SHAPES = {"layer": {"bias": (3,), "kernel": (2, 3)}, "scale": ()}
NUM_WEIGHTS = 10


def random_tree(rng: np.random.Generator, *lead: int, dtype=np.float64):
    return jax.tree.map(
        lambda shape: np.asarray(rng.standard_normal((*lead, *shape)), dtype),
        SHAPES,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def diagonal(seed: int = 0, dtype=np.float64) -> DiagonalGaussian:
    rng = np.random.default_rng(seed)
    mean, spread = random_tree(rng, dtype=dtype), random_tree(rng, dtype=dtype)
    return DiagonalGaussian(mean, jax.tree.map(lambda leaf: np.asarray(np.exp(leaf)), spread))


def low_rank(seed: int = 0, rank: int = 3, dtype=np.float64) -> LowRankGaussian:
    part = diagonal(seed, dtype)
    factor = random_tree(np.random.default_rng(seed + 1), rank, dtype=dtype)
    return LowRankGaussian(part.mean, factor, part.std)


GAUSSIANS = [diagonal, low_rank]


def flat(tree, num_batch_axes: int = 0) -> np.ndarray:
    return _trees.ravel_batch(tree, num_batch_axes).astype(np.float64)


def covariance(gaussian: DiagonalGaussian | LowRankGaussian) -> np.ndarray:
    spread = np.diag(flat(gaussian.std) ** 2)
    if isinstance(gaussian, DiagonalGaussian):
        return spread
    factor = flat(gaussian.factor, 1)
    return factor.T @ factor + spread


def samples_of(seed: int, num_chains: int = 2, num_draws: int = 4, dtype=np.float64) -> Samples:
    return Samples(random_tree(np.random.default_rng(seed), num_chains, num_draws, dtype=dtype))


# ---- densities and draws


@pytest.mark.parametrize("make", GAUSSIANS)
@pytest.mark.parametrize("seed", range(3))
def test_the_log_density_is_scipys(make, seed: int, float64: None) -> None:
    gaussian, point = make(seed), random_tree(np.random.default_rng(seed + 9))
    oracle = scipy.stats.multivariate_normal(flat(gaussian.mean), covariance(gaussian))
    assert float(gaussian.log_prob(point)) == pytest.approx(oracle.logpdf(flat(point)), rel=1e-10)


@pytest.mark.parametrize("make", GAUSSIANS)
def test_the_log_density_can_be_compiled_and_differentiated(make, float64: None) -> None:
    gaussian, point = make(), random_tree(np.random.default_rng(9))
    gradient = jax.jit(jax.grad(gaussian.log_prob))(point)
    away = flat(point) - flat(gaussian.mean)
    expected = -np.linalg.solve(covariance(gaussian), away)
    np.testing.assert_allclose(flat(gradient), expected, rtol=1e-9)


def test_the_log_density_takes_a_weight_of_std_0_as_a_point_mass() -> None:
    gaussian = DiagonalGaussian({"a": np.array([1.0, 2.0])}, {"a": np.array([0.0, 1.0])})
    on, off = ({"a": np.array([first, 2.5])} for first in (1.0, 1.5))
    assert float(gaussian.log_prob(on)) == pytest.approx(scipy.stats.norm.logpdf(0.5), rel=1e-6)
    assert float(gaussian.log_prob(off)) == -np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", GAUSSIANS)
def test_draws_have_the_mean_and_covariance_within_monte_carlo_error(make, dtype, key) -> None:
    # Fails by chance once in 10,000 keys; this key is fixed.
    gaussian, num_draws = make(dtype=dtype), 20_000
    draws = flat(gaussian.sample(num_draws, key=key), 1)
    assert draws.shape == (num_draws, NUM_WEIGHTS)
    sigma, centred = covariance(gaussian), draws - flat(gaussian.mean)
    z = oracles.z_bound(1e-4, num_comparisons=NUM_WEIGHTS + NUM_WEIGHTS**2)
    variance = np.diag(sigma)
    assert (abs(centred.mean(axis=0)) < z * np.sqrt(variance / num_draws)).all()
    # Var(x_i x_j) = S_ij^2 + S_ii S_jj for a centred Gaussian.
    error = np.sqrt((sigma**2 + np.outer(variance, variance)) / num_draws)
    assert (abs(centred.T @ centred / num_draws - sigma) < z * error).all()


@pytest.mark.parametrize("make", GAUSSIANS)
def test_draws_repeat_for_a_key_and_differ_between_keys(make, key) -> None:
    gaussian = make(dtype=np.float32)
    first, again, other = (
        flat(gaussian.sample(4, key=k), 1) for k in (key, key, jax.random.fold_in(key, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert len(np.unique(first)) == first.size


@pytest.mark.parametrize(
    ("mean", "std", "ratio"),
    [(-3.0, 1.5, 2.0), (0.0, 0.0, 0.0), (2.0, 0.0, np.inf), (0.0, 1.0, 0.0)],
)
def test_signal_to_noise_is_infinite_without_noise_and_0_without_signal(mean, std, ratio) -> None:
    gaussian = DiagonalGaussian({"a": np.float32([mean])}, {"a": np.float32([std])})
    assert gaussian.signal_to_noise["a"].tolist() == [ratio]


# ---- summaries


def test_a_summary_holds_the_mean_and_std_of_the_samples() -> None:
    samples = samples_of(0)
    compact = summarize(samples)
    assert isinstance(compact, DiagonalGaussian)
    np.testing.assert_allclose(flat(compact.mean), flat(samples.flatten(), 1).mean(axis=0))
    np.testing.assert_allclose(flat(compact.std), flat(samples.flatten(), 1).std(axis=0, ddof=1))
    assert (compact.values_per_weight, summarize(samples, rank=3).values_per_weight) == (2, 5)


@given(st.integers(0, 1000), st.integers(1, 7), st.sampled_from([np.float32, np.float64]))
def test_a_low_rank_summary_keeps_every_weights_variance(seed: int, rank: int, dtype) -> None:
    samples = samples_of(seed, dtype=dtype)
    compact = summarize(samples, rank)
    assert compact.rank == rank
    assert {leaf.dtype for leaf in jax.tree.leaves(compact)} == {np.dtype(dtype)}
    np.testing.assert_allclose(flat(compact.total_std), flat(samples.std()), rtol=1e-6)
    assert 0 <= compact.residual_share <= 1


@given(st.integers(0, 1000), st.integers(1, 7))
def test_the_factor_holds_the_singular_vectors_scaled_by_their_stds(seed: int, rank: int) -> None:
    draws = flat(samples_of(seed).flatten(), 1)
    _, values, vectors = np.linalg.svd(draws - draws.mean(axis=0), full_matrices=False)
    expected = (values[:, None] * vectors / np.sqrt(len(draws) - 1))[:rank]
    factor = flat(summarize(samples_of(seed), rank).factor, 1)
    signs = np.sign((expected * factor).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(factor, signs * expected, atol=1e-9)
    # The sign is fixed: the entry of largest magnitude is positive.
    assert (factor.max(axis=1) >= -factor.min(axis=1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_full_rank_the_factor_leaves_nothing_over(dtype) -> None:
    samples = samples_of(0, dtype=dtype)
    compact = summarize(samples, rank=7)
    assert compact.residual_share < 1e-12
    np.testing.assert_allclose(
        covariance(compact), np.cov(flat(samples.flatten(), 1).T), atol=10 * np.finfo(dtype).eps
    )


def test_the_residual_share_falls_with_the_rank() -> None:
    shares = [summarize(samples_of(0), rank).residual_share for rank in range(1, 8)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.1


def test_equal_draws_have_no_spread_at_any_rank() -> None:
    samples = Samples(jax.tree.map(lambda leaf: leaf[:, [0] * 4], samples_of(0, 1).params))
    compact = summarize(samples, rank=2)
    assert not flat(compact.total_std).any()
    assert compact.residual_share == 0


@pytest.mark.parametrize("rank", [-1, 8])
def test_a_rank_outside_the_draws_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=rf"\[0, 7\] \(draws - 1\)\. Got {rank}"):
        summarize(samples_of(0), rank)


def test_a_single_draw_has_no_summary() -> None:
    with pytest.raises(ValueError, match="at least 2 draws"):
        summarize(samples_of(0, 1, 1))


# ---- Monte Carlo errors


def chains_of(seed: int) -> Samples:
    """Autocorrelated chains, with a weight that never moves."""
    params = jax.tree.map(lambda leaf: leaf.cumsum(axis=1), samples_of(seed, 3, 41).params)
    params["layer"]["bias"][..., 1] = 0.1
    return Samples(params)


@pytest.mark.parametrize("part_values", [1, 300, 2**24])
def test_the_errors_of_a_summary_are_those_of_its_weights(part_values, monkeypatch) -> None:
    monkeypatch.setattr("onebasin.diagnostics.monte_carlo._PART_VALUES", part_values)
    samples = chains_of(0)
    values = _trees.ravel_batch(samples.params, 2)
    compact = summarize(samples)
    np.testing.assert_allclose(flat(compact.mcse_mean), mcse_mean(values), rtol=1e-12)
    np.testing.assert_allclose(flat(compact.mcse_std), mcse_std(values), rtol=1e-12)
    assert np.isnan(compact.mcse_mean["layer"]["bias"][1])


def test_statistics_have_no_error_of_a_std_that_is_set_to_0() -> None:
    draws = samples_of(0, 2, 20).params
    found = summarize(Samples({"weights": draws["layer"], "statistics": draws["scale"]}))
    assert found.mcse_mean["statistics"] > 0
    assert found.mcse_std["statistics"] == 0


def test_short_chains_and_those_who_ask_for_none_get_no_errors() -> None:
    for found in (summarize(samples_of(0, 4, 7)), summarize(chains_of(0), mcse=False)):
        assert found.mcse_mean is None
        assert found.mcse_std is None
