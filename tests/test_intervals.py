"""Intervals: their coverage, at a stated failure rate, and their closed forms."""

import itertools

import numpy as np
import pytest
import scipy.stats

from onebasin.intervals import bootstrap_interval, pair_interval, t_interval

FAILURE_RATE = 1e-6


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> int:
    return int(((low <= truth) & (truth <= high)).sum())


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("num_repeats", [2, 5])
def test_students_interval_covers_the_mean_as_often_as_it_says(level, num_repeats) -> None:
    trials = 20_000
    values = np.random.default_rng(num_repeats).normal(3.0, 2.0, (num_repeats, trials))
    hits = covered(*t_interval(values, level), truth=3.0)
    assert scipy.stats.binomtest(hits, trials, level).pvalue > FAILURE_RATE / 4


def test_students_interval_is_scipys() -> None:
    values = np.random.default_rng(0).standard_normal((7, 3))
    for column in range(3):
        found = scipy.stats.ttest_1samp(values[:, column], 0).confidence_interval(0.9)
        low, high = t_interval(values, 0.9)
        np.testing.assert_allclose([low[column], high[column]], found, rtol=1e-10)


def test_a_single_repeat_has_no_interval() -> None:
    low, high = t_interval(np.ones((1, 3)))
    assert low.shape == high.shape == (3,)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_equal_repeats_have_an_interval_of_no_width() -> None:
    low, high = t_interval(np.full((4, 2), 0.5))
    np.testing.assert_array_equal(low, 0.5)
    np.testing.assert_array_equal(high, 0.5)


def intervals_of_pairs(num_members: int, own_std: float, trials: int) -> int:
    """How many intervals cover 1, if a pair is the sum of two members and noise of its own."""
    rng = np.random.default_rng(num_members)
    members = np.array([*itertools.combinations(range(num_members), 2)])
    of_members = rng.normal(0.5, 1.0, (trials, num_members))
    values = of_members[:, members].sum(axis=2) + rng.normal(0, own_std, (trials, len(members)))
    ends = np.array([pair_interval(row, members) for row in values])
    return covered(*ends.T, truth=1.0)


@pytest.mark.parametrize("num_members", [3, 6])
def test_the_interval_of_pairs_covers_the_mean_as_often_as_it_says_if_members_vary(
    num_members,
) -> None:
    hits = intervals_of_pairs(num_members, 0.0, 500)
    assert scipy.stats.binomtest(hits, 500, 0.95).pvalue > FAILURE_RATE / 2


def test_the_interval_of_pairs_covers_the_mean_at_least_as_often_if_pairs_vary_too() -> None:
    hits = intervals_of_pairs(4, 1.0, 500)
    assert scipy.stats.binom.cdf(hits, 500, 0.95) > FAILURE_RATE


def test_the_interval_of_sums_of_two_members_is_students_of_the_members() -> None:
    values = np.random.default_rng(7).standard_normal(5)
    members = np.array([*itertools.combinations(range(5), 2)])
    expected = 2 * np.array(t_interval(values))
    np.testing.assert_allclose(pair_interval(values[members].sum(axis=1), members), expected)


def test_pairs_of_two_members_have_no_interval() -> None:
    assert np.isnan(pair_interval(np.array([1.0, 2.0]), np.array([[0, 1], [0, 1]]))).all()


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    trials, level = 1_500, 0.9
    values = np.random.default_rng(1).exponential(1.0, (150, trials))
    low, high = bootstrap_interval(values, seed=2, level=level)
    # Percentiles of a skewed mean from 150 examples cover some 89 %: allow two points.
    hits = covered(low, high, truth=1.0)
    assert scipy.stats.binom.sf(hits, trials, level + 0.01) > FAILURE_RATE
    assert scipy.stats.binom.cdf(hits, trials, level - 0.03) > FAILURE_RATE


def test_the_bootstrap_of_many_normal_examples_is_the_normal_interval() -> None:
    values = np.random.default_rng(3).standard_normal(2_000)
    low, high = bootstrap_interval(values)
    expected = values.mean() + np.array([-1.96, 1.96]) * values.std() / np.sqrt(2_000)
    np.testing.assert_allclose([low, high], expected, atol=0.1 * (high - low))


def test_the_bootstrap_resamples_whole_examples() -> None:
    # Two quantities that sum to one on every example keep doing so in every resample's mean.
    share = np.random.default_rng(4).random(50)
    low, high = bootstrap_interval(np.stack([share, 1 - share], axis=1))
    np.testing.assert_allclose(low[0], 1 - high[1], rtol=1e-10)
    assert (low < high).all()


def test_the_bootstrap_is_fixed_by_its_seed() -> None:
    values = np.random.default_rng(5).standard_normal(30)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
