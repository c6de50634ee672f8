"""The predictive mixture of regression: densities and scores against SciPy and closed forms."""

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import strategies
from hypothesis import given, strategies as st

from onebasin.prediction import MixturePredictive


def make_mixture(seed: int, num_draws: int = 4, num_examples: int = 3) -> MixturePredictive:
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 2, (num_draws, num_examples))
    # Of odd seeds the noise depends on the example.
    shape = means.shape if seed % 2 else num_draws
    return MixturePredictive(means, rng.uniform(0.3, 1.5, shape))


def columns(mixture: MixturePredictive) -> np.ndarray:
    """The stds, for every draw and example."""
    return np.broadcast_to(mixture.stds.reshape(mixture.num_draws, -1), mixture.means.shape)


def gaussian(mean: float, std: float = 1.0, num_examples: int = 1) -> MixturePredictive:
    return MixturePredictive(np.full((1, num_examples), float(mean)), np.array([float(std)]))


def fine_grid(*mixtures: MixturePredictive) -> np.ndarray:
    """One axis for all examples, many times finer than the library's."""
    reach = 8 * max(m.stds.max() for m in mixtures)
    low, high = min(m.means.min() for m in mixtures), max(m.means.max() for m in mixtures)
    points = np.linspace(low - reach, high + reach, 20_001)
    return np.broadcast_to(points, (mixtures[0].means.shape[1], len(points)))


mixtures = st.builds(make_mixture, strategies.seeds, st.integers(1, 5))


def scipy_components(mixture: MixturePredictive):
    return scipy.stats.norm(mixture.means[..., None], columns(mixture)[..., None])


@given(mixtures)
def test_the_density_is_the_mean_of_scipys_and_integrates_to_one(mixture) -> None:
    y = fine_grid(mixture)
    density = mixture.density(y)
    np.testing.assert_allclose(density, scipy_components(mixture).pdf(y).mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(scipy.integrate.trapezoid(density, y, axis=1), 1, rtol=1e-8)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_cdf_is_the_mean_of_scipys(seed: int) -> None:
    mixture = make_mixture(seed)
    y = fine_grid(mixture)[:, ::100]
    expected = scipy_components(mixture).cdf(y).mean(axis=0)
    np.testing.assert_allclose(mixture.cdf(y), expected, atol=1e-14)


def test_the_mean_and_taken_draws_are_those_of_the_components() -> None:
    mixture = make_mixture(0)
    assert mixture.num_draws == 4
    np.testing.assert_array_equal(mixture.mean, mixture.means.mean(axis=0))
    some = mixture.take(np.array([2, 0]))
    np.testing.assert_array_equal(some.means, mixture.means[[2, 0]])
    np.testing.assert_array_equal(some.stds, mixture.stds[[2, 0]])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_negative_log_likelihood_is_scipys(seed: int) -> None:
    mixture = make_mixture(seed, num_draws=6, num_examples=50)
    targets = np.random.default_rng(2).normal(0, 3, 50)
    log_terms = scipy.stats.norm.logpdf(targets, mixture.means, columns(mixture))
    expected = -(scipy.special.logsumexp(log_terms, axis=0) - np.log(6)).mean()
    assert mixture.scores(targets)["nll"] == pytest.approx(expected, rel=1e-12)


def test_a_target_far_away_has_a_finite_likelihood() -> None:
    scores = gaussian(0.0).scores(np.array([1e6]))
    assert scores["nll"] == pytest.approx(0.5e12, rel=1e-6)
    assert scores["rmse"] == 1e6


def test_the_root_mean_squared_error_is_of_the_predictive_mean() -> None:
    mixture = MixturePredictive(np.array([[0.0, 2.0], [2.0, 4.0]]), np.ones(2))
    assert mixture.scores(np.array([0.0, 0.0]))["rmse"] == pytest.approx(np.sqrt(5))


def crps_of_a_gaussian(y: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Gneiting and Raftery (2007), equation 21, with the sign of a loss."""
    z = (y - mean) / std
    normal = scipy.stats.norm
    return std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / np.sqrt(np.pi))


@pytest.mark.parametrize("target", [-40.0, -2.3, 0.5, 0.51, 3.0, 40.0])
def test_the_crps_of_one_gaussian_has_its_closed_form(target: float) -> None:
    found = gaussian(0.5, 2.0).scores(np.array([target]))["crps"]
    assert found == pytest.approx(crps_of_a_gaussian(target, 0.5, 2.0), abs=2e-3)


@pytest.mark.parametrize("seed", [2, 3])
def test_the_crps_of_a_mixture_is_the_expected_distance_to_draws(seed: int) -> None:
    mixture = make_mixture(seed, num_draws=3, num_examples=2)
    targets = np.array([0.3, -1.0])
    y = fine_grid(mixture)
    integrand = (mixture.cdf(y) - (y >= targets[:, None])) ** 2
    expected = scipy.integrate.trapezoid(integrand, y, axis=1).mean()
    assert mixture.scores(targets)["crps"] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("std", "low", "high"), [(1.0, 0.0, 0.02), (0.5, 0.1, 0.2)])
def test_only_a_calibrated_mixture_has_next_to_no_calibration_error(std, low, high) -> None:
    targets = np.random.default_rng(4).standard_normal(5_000)
    found = gaussian(0.0, std, num_examples=5_000).scores(targets)["calibration_error"]
    assert low <= found < high


def test_the_calibration_error_is_the_mean_gap_of_nineteen_quantiles() -> None:
    mixture = make_mixture(9, num_examples=30)
    targets = np.random.default_rng(10).normal(0, 3, 30)
    gaps = []
    for level in np.arange(0.05, 0.96, 0.05):
        below = [
            scipy.stats.norm.cdf(y, means, stds).mean() <= level
            for y, means, stds in zip(targets, mixture.means.T, columns(mixture).T, strict=True)
        ]
        gaps.append(abs(np.mean(below) - level))
    assert len(gaps) == 19
    assert mixture.scores(targets)["calibration_error"] == pytest.approx(np.mean(gaps), rel=1e-10)


def test_only_the_scores_of_regression_are_there() -> None:
    mixture = make_mixture(5)
    assert set(mixture.scores(np.zeros(3))) == {"rmse", "nll", "crps", "calibration_error"}
    assert set(mixture.comparison(mixture)) == {"total_variation"}


def test_the_score_of_an_example_is_the_squared_error_of_the_mean() -> None:
    mixture, targets = make_mixture(5, num_examples=7), np.linspace(-2, 2, 7)
    expected = mixture.scores(targets)["rmse"] ** 2
    assert mixture.example_scores(targets).mean() == pytest.approx(expected, rel=1e-12)


def test_whole_numbers_are_targets_too() -> None:
    mixture, targets = make_mixture(5), np.array([1, -2, 3])
    assert mixture.scores(targets) == mixture.scores(targets.astype(float))


@given(mixtures, mixtures)
def test_total_variation_is_between_zero_and_one_and_that_of_a_fine_grid_either_way(p, q) -> None:
    found = p.total_variation(q)
    assert 0 <= found <= 1
    y = fine_grid(p, q)
    gap = scipy.integrate.trapezoid(np.abs(p.density(y) - q.density(y)), y, axis=1)
    assert found == pytest.approx(0.5 * gap.mean(), abs=1e-3)
    assert q.total_variation(p) == pytest.approx(0.5 * gap.mean(), abs=1e-3)


@given(mixtures)
def test_a_mixture_lies_nowhere_from_itself(mixture) -> None:
    assert mixture.total_variation(mixture) == 0


@pytest.mark.parametrize("distance", [0.01, 0.5, 2.0, 10.0, 100.0])
def test_the_total_variation_of_two_unit_gaussians_has_its_closed_form(distance: float) -> None:
    found = gaussian(0.0).total_variation(gaussian(distance))
    expected = 2 * scipy.stats.norm.cdf(distance / 2) - 1
    assert found == pytest.approx(expected, abs=1e-3)


def test_total_variation_is_the_same_in_other_units() -> None:
    p, q = make_mixture(6), make_mixture(7)
    scaled = [MixturePredictive(100 + 50 * m.means, 50 * m.stds) for m in (p, q)]
    assert scaled[0].total_variation(scaled[1]) == pytest.approx(p.total_variation(q), abs=1e-9)


def test_narrow_components_far_apart_are_not_missed_between_grid_points() -> None:
    rng = np.random.default_rng(8)
    p, q = (MixturePredictive(rng.normal(0, 50, (20, 4)), np.full(20, 0.4)) for _ in range(2))
    y = fine_grid(p, q)
    gap = scipy.integrate.trapezoid(np.abs(p.density(y) - q.density(y)), y, axis=1)
    assert p.total_variation(q) == pytest.approx(0.5 * gap.mean(), abs=5e-3)


@given(mixtures, mixtures)
def test_each_draws_cells_have_probabilities_that_sum_to_one(p, reference) -> None:
    cells = p.cell_probs(reference)
    assert cells.shape == (p.num_draws, 3, 64)
    assert (cells >= 0).all()
    np.testing.assert_allclose(cells.sum(axis=-1), 1, rtol=1e-5)


def test_cells_of_one_gaussian_are_equally_probable_under_it() -> None:
    one = gaussian(2.0, 3.0, num_examples=2)
    np.testing.assert_allclose(one.cell_probs(one), 1 / 64, rtol=1e-5)


@pytest.mark.parametrize("seeds", [(0, 1), (1, 0), (1, 3)])
def test_cells_are_scipys_between_quantiles_of_the_references_moments(seeds) -> None:
    p, reference = map(make_mixture, seeds)
    y = fine_grid(reference)
    density = reference.density(y)
    mean = scipy.integrate.trapezoid(density * y, y, axis=1)
    variance = scipy.integrate.trapezoid(density * (y - mean[:, None]) ** 2, y, axis=1)
    levels = np.arange(65) / 64
    edges = scipy.stats.norm(mean[:, None], np.sqrt(variance)[:, None]).ppf(levels)
    expected = np.diff(scipy_components(p).cdf(edges[None]), axis=-1)
    np.testing.assert_allclose(p.cell_probs(reference), expected, atol=1e-6)


@given(mixtures, mixtures)
def test_cells_never_tell_more_apart_than_the_densities_do(p, q) -> None:
    gap = p.cell_probs(q).mean(axis=0) - q.cell_probs(q).mean(axis=0)
    assert 0.5 * np.abs(gap).sum(axis=1).mean() <= p.total_variation(q) + 1e-3


@pytest.mark.parametrize("seed", [2, 3])
def test_some_examples_alone_keep_all_draws(seed: int) -> None:
    mixture = make_mixture(seed)
    some = mixture.at(slice(1, 3))
    np.testing.assert_array_equal(some.means, mixture.means[:, 1:3])
    np.testing.assert_array_equal(columns(some), columns(mixture)[:, 1:3])
    y = fine_grid(mixture)
    np.testing.assert_array_equal(some.density(y[1:3]), mixture.density(y)[1:3])


def test_the_cells_of_targets_are_laid_out_by_the_reference() -> None:
    p = MixturePredictive(np.array([[0.0, 1.0]]), np.ones(1))
    reference = MixturePredictive(np.array([[5.0, 1.0]]), np.ones(1))
    cells = p.cell_probs(reference)
    # The first example lies far below its cells, the second where they are.
    assert cells[0, 0, 0] > 0.99
    np.testing.assert_allclose(cells[0, 1], 1 / 64, rtol=1e-5)
