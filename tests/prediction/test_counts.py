"""The predictive mixture of counts: probabilities and scores against SciPy and sums by hand."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import strategies
from hypothesis import given, strategies as st

from onebasin.prediction import CountPredictive

MANY = np.arange(600)
"""All counts that the mixtures below can tell from impossible."""


def make_counts(seed: int, num_draws: int = 4, num_examples: int = 3) -> CountPredictive:
    """Rates from about .05 to 150."""
    rng = np.random.default_rng(seed)
    return CountPredictive(rng.uniform(-3, 5, (num_draws, num_examples)))


def probs(counts: CountPredictive, upto: np.ndarray = MANY) -> np.ndarray:
    return scipy.stats.poisson.pmf(upto, np.exp(counts.log_rates)[..., None]).mean(axis=0)


mixtures = st.builds(make_counts, strategies.seeds, st.integers(1, 5))


def test_the_mean_the_cdf_and_the_log_density_are_scipys() -> None:
    counts = make_counts(0)
    np.testing.assert_allclose(counts.mean, probs(counts) @ MANY, rtol=1e-9)
    points = np.broadcast_to(np.arange(-1, 599), (3, 600))
    below = np.concatenate([np.zeros((3, 1)), probs(counts).cumsum(axis=1)[:, :-1]], axis=1)
    np.testing.assert_allclose(counts.cdf(points), below, atol=1e-12)
    targets = np.array([0, 7, 500])
    log_terms = scipy.stats.poisson.logpmf(targets, np.exp(counts.log_rates))
    expected = scipy.special.logsumexp(log_terms, axis=0) - np.log(4)
    np.testing.assert_allclose(counts.log_density(targets), expected, rtol=1e-12)


def test_a_count_that_no_draw_thinks_possible_has_finite_scores() -> None:
    counts = CountPredictive(np.array([[-800.0], [-900.0]]))
    scores = counts.scores(np.array([3]))
    # Of the larger rate: 3 * 800 + log 3!, and half of the draws.
    assert scores["nll"] == pytest.approx(2400 + np.log(6) + np.log(2), rel=1e-12)
    assert scores["rmse"] == 3
    assert scores["crps"] == pytest.approx(3)
    # F(3) is 1, above all levels.
    assert scores["calibration_error"] == pytest.approx(0.5)


@given(mixtures, strategies.seeds)
def test_the_ranked_score_is_the_sum_over_counts(counts, seed: int) -> None:
    targets = np.random.default_rng(seed).integers(0, 300, 3)
    below = probs(counts).cumsum(axis=1)
    expected = ((below - (targets[:, None] <= MANY)) ** 2).sum(axis=1).mean()
    assert counts.scores(targets)["crps"] == pytest.approx(expected, rel=1e-9)


@given(mixtures, mixtures)
def test_total_variation_is_the_sum_over_counts_either_way(p, q) -> None:
    expected = 0.5 * np.abs(probs(p) - probs(q)).sum(axis=1).mean()
    assert p.total_variation(q) == pytest.approx(expected, abs=1e-9)
    assert q.total_variation(p) == pytest.approx(expected, abs=1e-9)
    assert p.total_variation(p) == 0


@pytest.mark.parametrize("rate", [1e4, 1e6])
def test_counts_too_many_to_list_have_the_distances_of_gaussians(rate: float) -> None:
    """Beside narrow and wide ones, so that cells hold several counts."""
    rates = np.array([[rate], [0.5 * rate]]), np.array([[rate + 2 * rate**0.5], [1.0]])
    p, q = (CountPredictive(np.log(each)) for each in rates)
    # Of two unit Gaussians at the distance 2, halved, and two halves apart.
    expected = 0.5 * (2 * scipy.stats.norm.cdf(1) - 1) + 0.5
    assert expected - 0.02 < p.total_variation(q) < expected + 1e-3
    alone, target = CountPredictive(np.log([[rate]])), rate + rate**0.5
    z = scipy.stats.norm
    gaussian = rate**0.5 * (2 * z.cdf(1) - 1 + 2 * z.pdf(1) - 1 / np.sqrt(np.pi))
    assert alone.scores(np.array([target]))["crps"] == pytest.approx(gaussian, rel=0.01)


def test_calibrated_counts_have_next_to_no_calibration_error() -> None:
    """Also of rates so small that most counts are 0, where levels of F(y) alone would say no."""
    rng = np.random.default_rng(4)
    for rate in (0.2, 3.0, 50.0):
        counts = CountPredictive(np.full((1, 5_000), np.log(rate)))
        assert counts.scores(rng.poisson(rate, 5_000))["calibration_error"] < 0.02
        assert counts.scores(rng.poisson(1.5 * rate, 5_000))["calibration_error"] > 0.03


def test_the_calibration_error_is_that_of_random_levels_on_average() -> None:
    counts = make_counts(9, num_examples=30)
    targets = np.random.default_rng(10).integers(0, 60, 30)
    upto = probs(counts).cumsum(axis=1)[np.arange(30), targets]
    before = upto - probs(counts)[np.arange(30), targets]
    shares = (np.arange(100_000) + 0.5) / 100_000
    levels = before[:, None] + (upto - before)[:, None] * shares
    gaps = [abs((levels <= q).mean() - q) for q in np.arange(0.05, 0.96, 0.05)]
    assert len(gaps) == 19
    found = counts.scores(targets)["calibration_error"]
    assert found == pytest.approx(np.mean(gaps), abs=1e-5)


def test_single_draws_and_examples_are_those_of_the_mixture() -> None:
    counts, targets = make_counts(5), np.array([1, 2, 3])
    assert counts.num_draws == 4
    np.testing.assert_array_equal(counts.take(np.array([2, 0])).rates, counts.rates[[2, 0]])
    np.testing.assert_array_equal(counts.at(slice(1, 3)).rates, counts.rates[:, 1:3])
    np.testing.assert_array_equal(counts.draw_predictions(targets), counts.rates)
    squares = counts.example_scores(targets)
    assert squares.mean() == pytest.approx(counts.scores(targets)["rmse"] ** 2, rel=1e-12)
    assert set(counts.comparison(counts)) == {"total_variation"}


@given(mixtures, mixtures)
def test_cells_have_probabilities_that_sum_to_one_and_tell_no_more_apart(p, q) -> None:
    cells, reference = p.cell_probs(q), q.cell_probs(q)
    assert cells.shape == (p.num_draws, *reference.shape[1:])
    assert cells.shape[-1] <= 64
    assert (cells >= 0).all()
    np.testing.assert_allclose(cells.sum(axis=-1), 1, rtol=1e-5)
    gap = 0.5 * np.abs(cells.mean(axis=0) - reference.mean(axis=0)).sum(axis=1).mean()
    assert gap <= p.total_variation(q) + 1e-6


def test_cells_of_small_rates_are_single_counts_and_one_for_the_rest() -> None:
    counts, reference = make_counts(6), CountPredictive(np.zeros((2, 3)))
    cells = counts.cell_probs(reference)
    last = cells.shape[-1] - 1
    expected = scipy.stats.poisson.pmf(np.arange(last), counts.rates[..., None])
    np.testing.assert_allclose(cells[..., :-1], expected, atol=1e-6)
    np.testing.assert_allclose(cells[..., -1], 1 - expected.sum(axis=-1), atol=1e-6)


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_targets_that_are_no_counts_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"must be counts, .* Got {bad}"):
        make_counts(0).scores(np.array([1.0, 2.0, bad]))
