"""Statistics of every weight at once, beside those that arviz-stats computes one by one."""

from functools import cache
from importlib.metadata import version

import numpy as np
import pytest
import scipy.stats
from arviz_stats.base.array import array_stats

from onebasin.diagnostics import (
    bulk_ess,
    excess_kurtosis,
    mcse_intervals,
    mcse_mean,
    mcse_std,
    mean_ess,
    per_weight,
    r_hat,
    square_ess,
    tail_ess,
)

ESS = {"bulk": bulk_ess, "tail": tail_ess, "mean": mean_ess, "sd": square_ess}


def chains(correlation: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Gaussian autoregressive chains with variance 1, in their stationary distribution."""
    draws = np.random.default_rng(seed).standard_normal(shape)
    for draw in range(1, shape[1]):
        fresh = draws[:, draw] * np.sqrt(1 - correlation**2)
        draws[:, draw] = correlation * draws[:, draw - 1] + fresh
    return draws


@cache
def series(num_chains: int, num_draws: int) -> np.ndarray:
    """50 weights: correlated ones, heavy tails, rejected proposals, rounded draws, a drift."""
    shape = (num_chains, num_draws, 10)
    rng = np.random.default_rng(num_draws)
    stuck = chains(0.3, shape, 1)
    for draw in range(1, num_draws):
        is_rejected = rng.random((num_chains, 1)) < 0.6
        stuck[:, draw] = np.where(is_rejected, stuck[:, draw - 1], stuck[:, draw])
    rounded = rng.integers(-1, 2, shape).astype(float)
    drift = chains(0.9, shape, 2) + np.linspace(0, 2, num_draws)[:, None]
    heavy = rng.standard_cauchy(shape) + np.arange(num_chains)[:, None, None]
    return np.concatenate([chains(-0.5, shape), heavy, stuck, rounded, drift], axis=2)


@pytest.mark.parametrize("shape", [(4, 100), (1, 51), (3, 33), (2, 8)])
def test_effective_sizes_and_r_hat_are_those_of_arviz_stats(shape: tuple[int, int]) -> None:
    values = series(*shape)
    axes = {"chain_axis": 0, "draw_axis": 1}
    for method, ours in ESS.items():
        prob = (0.05, 0.95) if method == "tail" else None
        theirs = array_stats.ess(values, method=method, prob=prob, **axes)
        np.testing.assert_allclose(ours(values), theirs, rtol=1e-9, err_msg=method)
    # arviz-stats refuses a single chain. R-hat of its halves is that of two chains.
    pair = values if shape[0] > 1 else np.concatenate([values, values])
    theirs = array_stats.rhat(pair, method="rank", **axes)
    np.testing.assert_allclose(r_hat(pair), theirs, rtol=1e-9)


@pytest.mark.parametrize("shape", [(4, 100), (1, 51), (3, 33), (2, 8)])
def test_errors_are_those_of_arviz_stats_with_the_effective_size_of_squares(shape) -> None:
    values = series(*shape)
    axes = {"chain_axis": 0, "draw_axis": 1}
    theirs = array_stats.mcse(values, method="mean", **axes)
    np.testing.assert_allclose(mcse_mean(values), theirs, rtol=1e-9)
    theirs = array_stats.mcse(values, method="sd", **axes)
    if version("arviz-stats").startswith("0."):  # it has the size of the weight, not of its square
        theirs *= np.sqrt(array_stats.ess(values, method="mean", **axes) / square_ess(values))
    np.testing.assert_allclose(mcse_std(values), theirs, rtol=1e-7)


def test_kurtosis_is_that_of_scipy() -> None:
    values = series(3, 33)
    expected = scipy.stats.kurtosis(values.reshape(-1, values.shape[2]))
    np.testing.assert_allclose(excess_kurtosis(values)[0], expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_together_are_what_each_is_alone(dtype: type) -> None:
    values = np.tile(series(4, 100), 5).astype(dtype)  # more than a block of weights
    values[:, :, 3], values[0, 7, 4], values[1, 2, 5] = 0.1, np.nan, np.inf
    found = per_weight(values)
    is_finite = np.isfinite(values).all(axis=(0, 1))
    kept = values[..., is_finite].astype(np.float64)
    np.testing.assert_allclose(found.mean[is_finite], kept.mean(axis=(0, 1)), rtol=1e-9, atol=1e-12)
    std = kept.std(axis=(0, 1), ddof=1)
    np.testing.assert_allclose(found.std[is_finite], std, rtol=1e-9, atol=1e-12)
    assert np.isnan(np.stack(found)[:, ~is_finite]).all()
    kurtosis, z = excess_kurtosis(values)
    alone = {"mcse_mean": mcse_mean, "mcse_std": mcse_std, "r_hat": r_hat}
    alone |= {"ess_bulk": bulk_ess, "ess_tail": tail_ess}
    expected = {name: statistic(values) for name, statistic in alone.items()}
    for name, each in (expected | {"kurtosis": kurtosis, "kurtosis_z": z}).items():
        np.testing.assert_allclose(getattr(found, name), each, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("shape", [(4, 50, 3), (1, 50, 3), (4, 5, 3), (60, 1, 3), (1, 1, 3)])
def test_a_weight_that_never_moves_has_no_effective_draws_and_unknown_errors(shape) -> None:
    found = per_weight(np.full(shape, 0.1))
    np.testing.assert_allclose(found.mean, 0.1)
    assert (np.stack([found.std, found.ess_bulk, found.ess_tail, found.ess_std]) == 0).all()
    unknown = found.mcse_mean, found.mcse_std, found.r_hat, found.kurtosis, found.kurtosis_z
    assert np.isnan(np.stack(unknown)).all()


def test_chains_that_each_stay_at_another_value_have_an_infinite_r_hat() -> None:
    stuck = np.tile(np.array([0.1, 0.2, 0.3, 0.4])[:, None, None], (1, 50, 2))
    assert (r_hat(stuck) == np.inf).all()
    assert (bulk_ess(stuck) < 8).all()
    stuck[0, 0] = 0.15  # one draw in one chain is enough for a number
    assert (r_hat(stuck) > 1).all()
    assert np.isfinite(r_hat(stuck)).all()


@pytest.mark.parametrize("num_draws", [1, 3, 7])
def test_short_chains_count_as_one_draw_each(num_draws: int) -> None:
    values = chains(0.0, (60, num_draws, 4))
    found = per_weight(values)
    sizes = found.ess_bulk, found.ess_tail, found.ess_std, mean_ess(values), square_ess(values)
    assert (np.stack(sizes) == 60).all()
    np.testing.assert_allclose(found.mcse_mean, found.std / np.sqrt(60))
    assert np.isnan(found.r_hat).all() == (num_draws < 4)


def test_no_weights_have_no_statistics() -> None:
    assert {len(each) for each in per_weight(np.zeros((4, 50, 0)))} == {0}


def test_a_single_chain_has_an_r_hat_that_shows_a_drift() -> None:
    steady = chains(0.0, (1, 500, 5))
    assert (r_hat(steady) < 1.02).all()
    assert (r_hat(steady + np.linspace(0, 5, 500)[:, None]) > 1.3).all()


def test_the_kurtosis_of_gaussian_chains_is_no_news_and_heavy_tails_are() -> None:
    # The bounds are five standard errors of 2,000 z-scores: they fail once in a million keys.
    for correlation in (0.0, 0.7):
        z = excess_kurtosis(chains(correlation, (4, 1000, 2000), 3))[1]
        assert abs(z.mean() + 0.05) < 5 / np.sqrt(2000)
        assert abs(z.var() - 1) < 5 * np.sqrt(3 / 2000)
    heavy = np.random.default_rng(4).standard_t(5, (4, 1000, 200))
    assert np.mean(excess_kurtosis(heavy)[1] > 3) > 0.99


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0])
def test_an_interval_of_no_probability_is_refused(level: float) -> None:
    one = np.ones(1)
    with pytest.raises(ValueError, match=r"^level must lie in \(0, 1\)\. Got "):
        mcse_intervals(one, one, one, one, level)
