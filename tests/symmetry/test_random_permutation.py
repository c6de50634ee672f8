"""Random permutations: uniform, or uniform among those of an exact NoT; the random baseline."""

import math

import jax
import numpy as np
import oracles
import pytest
import strategies

from onebasin.symmetry import Symmetry, random_num_transpositions, random_permutation
from onebasin.symmetry.axes import Axes
from onebasin.symmetry.random_permutation import _log_stirling

SYMMETRY = Symmetry.of({"a": Axes("a"), "b": Axes("b")}, {"a": np.zeros(3), "b": np.zeros(5)})


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize("n", range(1, 13))
def test_the_random_baseline_equals_the_exact_distribution_by_stirling_numbers(n: int) -> None:
    found = random_num_transpositions(strategies.one_group(n))
    np.testing.assert_allclose(found, oracles.uniform_num_transpositions(n), atol=1e-7, rtol=0)


def test_the_random_baseline_of_512_units_is_505_18_with_std_2_27() -> None:
    mean, std = random_num_transpositions(strategies.one_group(512))
    assert (round(mean, 2), round(std, 2)) == (505.18, 2.27)


def test_the_random_baseline_sums_over_groups() -> None:
    parts = [random_num_transpositions(strategies.one_group(n)) for n in SYMMETRY.sizes.values()]
    mean, std = random_num_transpositions(SYMMETRY)
    assert mean == pytest.approx(sum(part[0] for part in parts), abs=1e-12)
    assert std**2 == pytest.approx(sum(part[1] ** 2 for part in parts), abs=1e-12)


def test_uniform_permutations_of_512_units_have_the_baselines_mean_and_std(key) -> None:
    # Fails by chance once in 10,000 keys; this key is fixed.
    num_draws, z = 10_000, oracles.z_bound(1e-4, num_comparisons=2)
    symmetry = strategies.one_group(512)
    drawn = random_permutation(symmetry, num_draws, key=key)
    counts = drawn.num_transpositions()["units"].astype(np.float64)
    mean, std = random_num_transpositions(symmetry)
    assert abs(counts.mean() - mean) < z * std / np.sqrt(num_draws)
    squares = (counts - mean) ** 2
    assert abs(squares.mean() - std**2) < z * squares.std() / np.sqrt(num_draws)


def test_random_permutations_are_uniform_over_all_24_of_4_units(key) -> None:
    drawn = random_permutation(strategies.one_group(4), 24_000, key=key).units["units"]
    assert chi_square(drawn, oracles.all_permutations(4)) < oracles.chi_square_bound(1e-4, 24)


@pytest.mark.parametrize("count", range(4))
def test_permutations_of_an_exact_not_are_uniform_among_those_of_4_units(key, count: int) -> None:
    every = oracles.all_permutations(4)
    possible = every[[4 - oracles.count_cycles(row) == count for row in every]]
    assert len(possible) == [1, 6, 11, 6][count] == oracles.stirling_first_kind(4, 4 - count)
    drawn = random_permutation(
        strategies.one_group(4), 1000 * len(possible), key=key, num_transpositions=count
    ).units["units"]
    # Fails by chance once in 10,000 keys; one possible permutation leaves nothing to chance.
    bound = oracles.chi_square_bound(1e-4, len(possible)) if len(possible) > 1 else 0.0
    assert chi_square(drawn, possible) <= bound


def chi_square(drawn: np.ndarray, possible: np.ndarray) -> float:
    counts = (drawn[:, None] == possible).all(axis=2).sum(axis=0)
    assert counts.sum() == len(drawn), "a draw is none of the possible permutations"
    expected = len(drawn) / len(possible)
    return float(((counts - expected) ** 2 / expected).sum())


def test_the_recursion_gives_the_logarithms_of_the_stirling_numbers_of_the_first_kind() -> None:
    table = np.exp(_log_stirling(20))
    exact = [[oracles.stirling_first_kind(m, k) for k in range(m + 1)] for m in range(21)]
    for m, row in enumerate(exact):
        np.testing.assert_allclose(table[m, : m + 1], np.array(row, float), rtol=1e-12)
        assert not table[m, m + 1 :].any()
        assert sum(row) == math.factorial(m)


@pytest.mark.parametrize("n", range(1, 21))
def test_every_not_from_0_to_n_minus_1_is_drawn_exactly(key, n: int) -> None:
    symmetry = strategies.one_group(n)
    for count in range(n):
        drawn = random_permutation(symmetry, 3, key=key, num_transpositions=count)
        assert (np.sort(drawn.units["units"]) == np.arange(n)).all()
        assert drawn.num_transpositions()["units"].tolist() == [count] * 3


@pytest.mark.parametrize("count", [0, 1, 2, 255, 505, 510, 511])
def test_every_not_is_drawn_exactly_at_512_units(key, count: int) -> None:
    drawn = random_permutation(strategies.one_group(512), key=key, num_transpositions=count)
    assert (np.sort(drawn.units["units"]) == np.arange(512)).all()
    assert drawn.num_transpositions() == {"units": count}


@pytest.mark.parametrize("exact", [None, {"a": 2, "b": 3}])
def test_permutations_repeat_for_a_key_and_differ_between_keys_and_rows(key, exact) -> None:
    draw = lambda k: random_permutation(SYMMETRY, 4, 5, key=k, num_transpositions=exact)
    other = draw(jax.random.fold_in(key, 1))
    assert {group: p.shape for group, p in other.units.items()} == {"a": (4, 5, 3), "b": (4, 5, 5)}
    assert_same(draw(key), draw(key))
    assert (draw(key).units["b"] != other.units["b"]).any()
    assert len(np.unique(other.units["b"].reshape(20, 5), axis=0)) > 5


def test_groups_left_out_of_an_exact_not_do_not_move(key) -> None:
    drawn = random_permutation(SYMMETRY, key=key, num_transpositions={"b": 4})
    assert drawn.num_transpositions() == {"a": 0, "b": 4}


@pytest.mark.parametrize(
    ("symmetry", "wanted", "message"),
    [
        (strategies.one_group(4), 4, r"'units' must lie in \[0, 3\] \(units - 1\)\. Got 4"),
        (strategies.one_group(4), -1, r"must lie in \[0, 3\] \(units - 1\)\. Got -1"),
        (SYMMETRY, 2, r"must be a dict .* several groups\. Got 2 for groups \['a', 'b'\]"),
        (SYMMETRY, {"c": 1}, r"must name groups of the symmetry, \['a', 'b'\]\. Got 'c'"),
    ],
)
def test_an_impossible_not_is_refused(key, symmetry, wanted, message) -> None:
    with pytest.raises(ValueError, match=message):
        random_permutation(symmetry, key=key, num_transpositions=wanted)
