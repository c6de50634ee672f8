"""How many draws a std needs, beside chains of which it is known."""

import math

import numpy as np
import pytest
from arviz_stats.base.array import array_stats
from scipy.stats import kurtosis

from onebasin.diagnostics import draws_needed
from onebasin.samples import Samples


def autoregressive(coefficient: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Stationary chains of std 1. Squares have the autocorrelation coefficient**2."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    for draw in range(1, shape[1]):
        noise = values[:, draw] * np.sqrt(1 - coefficient**2)
        values[:, draw] = coefficient * values[:, draw - 1] + noise
    return values


def known(coefficient: float, mcse_std: float, num_chains: int) -> float:
    """The draws of each chain in closed form: of squares, (1 - c^2) / (1 + c^2) are effective."""
    effective = 1 / (2 * mcse_std**2)
    return effective * (1 + coefficient**2) / (1 - coefficient**2) / num_chains


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("mcse_std", [0.1, 0.02])
def test_of_an_autoregressive_chain_it_has_its_closed_form(
    coefficient: float, mcse_std: float
) -> None:
    pilot = Samples({"w": autoregressive(coefficient, (4, 3000, 50)).astype(np.float32)})
    needed = draws_needed(pilot, mcse_std)
    assert needed.median == pytest.approx(known(coefficient, mcse_std, 4), rel=0.15, abs=1)
    assert needed.median <= needed.most < 1.5 * needed.median + 1


def test_with_so_many_draws_the_std_has_the_error_that_was_asked_for() -> None:
    """Its relative std over 1,000 weights is .1: beyond .09 and .11 once in 10,000 times."""
    needed = draws_needed(Samples({"w": autoregressive(0.8, (4, 3000, 50))}))
    values = autoregressive(0.8, (4, int(needed.median), 1000), seed=1)
    stds = values.std(axis=(0, 1))
    assert stds.std() / stds.mean() == pytest.approx(0.1, rel=0.15)


def test_heavy_tails_need_more_draws() -> None:
    """A Laplace distribution has a kurtosis of 6: (6 - 1) / (3 - 1) times as many draws."""
    rng = np.random.default_rng(0)
    tails = draws_needed(Samples({"w": rng.laplace(size=(4, 20_000, 30))}), 0.01)
    normal = draws_needed(Samples({"w": rng.standard_normal((4, 20_000, 30))}), 0.01)
    assert tails.median / normal.median == pytest.approx(2.5, rel=0.1)


def test_it_follows_from_the_kurtosis_of_scipy_and_the_effective_size_of_arviz_stats() -> None:
    values = autoregressive(0.6, (4, 200, 1))
    size = array_stats.ess(values[..., 0], chain_axis=0, draw_axis=1, method="sd")
    squared_error = (kurtosis(values, axis=None, fisher=False) - 1) / (4 * size)
    needed = draws_needed(Samples({"w": values}), 0.01)
    assert needed.median == math.ceil(200 * squared_error / 0.01**2)


def test_ninety_percent_of_the_weights_are_known_with_the_most_draws() -> None:
    fast, slow = autoregressive(0.0, (4, 3000, 80)), autoregressive(0.9, (4, 3000, 20))
    needed = draws_needed(Samples({"fast": fast, "slow": slow}))
    assert needed.median == pytest.approx(known(0.0, 0.1, 4), rel=0.2)
    assert needed.most == pytest.approx(known(0.9, 0.1, 4), rel=0.3)


def test_minutes_are_those_of_the_draws() -> None:
    pilot = Samples({"w": autoregressive(0.5, (4, 500, 10))})
    needed = draws_needed(pilot, seconds_per_draw=30.0)
    assert (needed.median_minutes, needed.most_minutes) == (needed.median / 2, needed.most / 2)
    assert draws_needed(pilot).median_minutes is None


def test_weights_that_never_move_are_never_known() -> None:
    values = autoregressive(0.0, (2, 100, 10))
    values[..., :2] = 3.0
    assert draws_needed(Samples({"w": values})).most == math.inf
    assert draws_needed(Samples({"w": values})).median < 100
    values[..., :1] = autoregressive(0.0, (2, 100, 1), seed=3)
    assert draws_needed(Samples({"w": values})).most < 100


def test_the_size_of_weights_does_not_matter() -> None:
    values = autoregressive(0.5, (2, 300, 12))
    plain, scaled = (
        draws_needed(Samples({"w": values})),
        draws_needed(Samples({"w": 1e-6 * values})),
    )
    assert plain == scaled


@pytest.mark.parametrize("wrong", [{"mcse_std": 0.0}, {"seconds_per_draw": -1.0}])
def test_numbers_that_are_not_positive_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))} must be positive"):
        draws_needed(Samples({"w": np.zeros((2, 10, 1))}), **wrong)
