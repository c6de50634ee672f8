"""Kept draws: spread evenly, or chosen so that together they predict as all draws do."""

import itertools

import numpy as np
import pytest
import strategies
from hypothesis import given, strategies as st

from onebasin.prediction import chosen_draws
from onebasin.prediction.kept_draws import evenly_spaced

NUM_DRAWS = 7


def random_probs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), (NUM_DRAWS, 3))


def distance(probs: np.ndarray, goal: np.ndarray, rows) -> float:
    """Total variation of the mean of some draws to the goal, summed over inputs."""
    return float(0.5 * np.abs(probs[list(rows)].mean(axis=0) - goal).sum())


def smallest_distance(probs: np.ndarray, goal: np.ndarray, count: int) -> float:
    """Over all sets of so many draws."""
    subsets = itertools.combinations(range(len(probs)), count)
    return min(distance(probs, goal, subset) for subset in subsets)


@given(strategies.seeds, st.integers(1, NUM_DRAWS))
def test_exchanging_is_never_worse_than_adding_one_after_another(seed: int, count: int) -> None:
    probs = random_probs(seed)
    goal = probs.mean(axis=0)
    greedy = chosen_draws(probs, goal, count, max_sweeps=0)
    chosen = chosen_draws(probs, goal, count)
    assert len(set(chosen)) == len(set(greedy)) == count
    assert distance(probs, goal, chosen) <= distance(probs, goal, greedy) + 1e-6


@given(strategies.seeds, st.integers(1, NUM_DRAWS - 1))
def test_no_exchange_of_one_draw_brings_the_chosen_nearer(seed: int, count: int) -> None:
    probs = random_probs(seed)
    goal = probs.mean(axis=0)
    chosen = list(chosen_draws(probs, goal, count, max_sweeps=100))
    found = distance(probs, goal, chosen)
    for place, other in itertools.product(range(count), set(range(NUM_DRAWS)) - set(chosen)):
        exchanged = [*chosen[:place], other, *chosen[place + 1 :]]
        assert distance(probs, goal, exchanged) >= found - 1e-6


@given(strategies.seeds)
def test_one_chosen_draw_is_the_nearest_of_all(seed: int) -> None:
    probs = random_probs(seed)
    goal = probs.mean(axis=0)
    chosen = chosen_draws(probs, goal, 1)
    assert distance(probs, goal, chosen) == smallest_distance(probs, goal, 1)


@given(st.sets(st.integers(0, NUM_DRAWS - 1), min_size=1))
def test_planted_draws_are_found(planted: set[int]) -> None:
    probs = np.eye(NUM_DRAWS)[:, None]
    goal = probs[sorted(planted)].mean(axis=0)
    assert set(chosen_draws(probs, goal, len(planted))) == planted


def test_a_draw_that_is_best_alone_gives_way_to_two_that_are_better_together() -> None:
    probs = np.array([[[0.5, 0.5]], [[0.0, 1.0]], [[1.0, 0.0]]])
    goal = np.array([[0.5, 0.5]])
    greedy = chosen_draws(probs, goal, 2, max_sweeps=0)
    assert 0 in greedy
    assert distance(probs, goal, greedy) == 0.25
    chosen = chosen_draws(probs, goal, 2)
    assert set(chosen) == {1, 2}
    assert distance(probs, goal, chosen) == smallest_distance(probs, goal, 2) == 0


def test_all_draws_are_chosen_where_all_are_asked_for() -> None:
    probs = random_probs(0)
    assert set(chosen_draws(probs, probs.mean(axis=0), NUM_DRAWS)) == set(range(NUM_DRAWS))


@pytest.mark.parametrize("count", [0, NUM_DRAWS + 1])
def test_a_count_outside_the_draws_is_refused(count: int) -> None:
    message = rf"count must lie in \[1, 7\] \(draws\)\. Got {count}"
    with pytest.raises(ValueError, match=message):
        chosen_draws(random_probs(0), random_probs(0)[0], count)
    with pytest.raises(ValueError, match=message):
        evenly_spaced(NUM_DRAWS, count)


@pytest.mark.parametrize("num_draws", [5, 16, 300])
def test_a_start_just_below_one_spacing_stays_within_the_draws(num_draws: int) -> None:
    rows = evenly_spaced(num_draws, num_draws, float(np.nextafter(1.0, 0.0)))
    np.testing.assert_array_equal(rows, np.arange(num_draws))


@given(st.integers(1, 300), st.data())
def test_evenly_spaced_rows_are_distinct_and_equally_far_apart(num_draws: int, data) -> None:
    count = data.draw(st.integers(1, num_draws))
    start = data.draw(st.floats(0, 1, exclude_max=True))
    rows = evenly_spaced(num_draws, count, start)
    assert len(rows) == count
    assert 0 <= rows[0] <= rows[-1] < num_draws
    gaps = np.diff(rows)
    assert ((gaps >= num_draws // count) & (gaps <= -(-num_draws // count))).all()


def test_the_start_moves_all_rows_by_a_share_of_their_spacing() -> None:
    np.testing.assert_array_equal(evenly_spaced(20, 4), [0, 5, 10, 15])
    np.testing.assert_array_equal(evenly_spaced(20, 4, 0.6), [3, 8, 13, 18])


@pytest.mark.parametrize("start", [-0.1, 1.0])
def test_a_start_beyond_one_spacing_is_refused(start: float) -> None:
    with pytest.raises(ValueError, match=rf"start must lie in \[0, 1\)\. Got {start}"):
        evenly_spaced(20, 4, start)
