"""The effective sample size of every weight at once, beside arviz-stats."""

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

from onebasin.alignment.effective_size import std_ess
from onebasin.diagnostics.effective_size import mean_ess
from onebasin.samples import Samples


def chains(correlation: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed).standard_normal(shape)
    for draw in range(1, shape[1]):
        draws[:, draw] += correlation * draws[:, draw - 1]
    return draws


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("shape", [(4, 300, 20), (1, 51, 20), (3, 24, 20)])
def test_it_is_that_of_arviz_stats(correlation: float, shape: tuple[int, ...]) -> None:
    values = chains(correlation, shape)
    found = mean_ess(values)
    expected = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_of_a_std_it_is_the_lesser_of_that_of_the_weight_and_of_its_square() -> None:
    slow = chains(0.9, (4, 300, 6)).astype(np.float32)
    signs = np.random.default_rng(1).choice([-1, 1], slow.shape)
    found = std_ess(Samples({"w": slow, "flipped": np.abs(slow) * signs}))
    # Random signs leave no autocorrelation but that of the size, .81 at lag 1: 1200 x .19 / 1.81.
    assert np.median(found["flipped"]) == pytest.approx(126, rel=0.3)
    assert np.median(found["w"]) == pytest.approx(63, rel=0.4)


def test_draws_that_alternate_count_once_at_most() -> None:
    found = std_ess(Samples({"w": chains(-0.9, (2, 200, 3))}))
    assert (found["w"] <= 400).all()


def test_a_weight_that_never_moves_has_none() -> None:
    found = std_ess(Samples({"w": np.full((2, 50, 3), 1e6), "b": np.zeros((2, 50))}))
    assert (found["w"] == 0).all()
    assert found["b"] == 0


def test_chains_that_disagree_are_worth_little_however_well_each_mixes() -> None:
    offsets = np.arange(4)[:, None, None] * 5.0
    found = std_ess(Samples({"w": chains(0.0, (4, 300, 5)) + offsets}))
    assert (found["w"] < 10).all()


def test_members_of_an_ensemble_are_independent_draws() -> None:
    found = std_ess(Samples({"w": np.random.default_rng(0).standard_normal((60, 1, 4))}))
    assert (found["w"] == 60).all()
