"""Linear assignment: optimal, stable under ties, and loud about NaN."""

import numpy as np
import oracles
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from onebasin.alignment.assignment import assign

small_integers = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (n, n), elements=st.integers(-2, 2).map(float))
)


def objective(similarity: np.ndarray, assigned: np.ndarray) -> float:
    return float(similarity[np.arange(len(similarity)), assigned].sum())


@given(small_integers)
def test_no_permutation_of_up_to_6_units_is_better(similarity: np.ndarray) -> None:
    (assigned,) = assign(similarity[None])
    assert sorted(assigned) == list(range(len(similarity)))
    assert objective(similarity, assigned) == oracles.assignment_objectives(similarity).max()


@given(small_integers)
def test_among_the_best_permutations_the_most_units_stay_where_they_are(similarity) -> None:
    every = oracles.all_permutations(len(similarity))
    values = oracles.assignment_objectives(similarity)
    stay = (every == np.arange(len(similarity))).sum(axis=1)
    (assigned,) = assign(similarity[None])
    assert (assigned == np.arange(len(similarity))).sum() == stay[values == values.max()].max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 20, 100])
def test_the_objective_is_that_of_scipys_solver(n: int, dtype) -> None:
    similarity = np.random.default_rng(n).standard_normal((5, n, n)).astype(dtype)
    for one, assigned in zip(similarity.astype(np.float64), assign(similarity), strict=True):
        assert objective(one, assigned) == pytest.approx(
            oracles.scipy_assignment_objective(one), abs=n * 1e-9
        )


def hard_similarity(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Units of which many are alike, dead, nearly alike, or differ by a number alone."""
    n = int(rng.integers(1, 65))
    normal = rng.standard_normal((n, n))
    few = rng.standard_normal((n, 4))[rng.integers(0, max(1, n // 3), n)]
    return {
        "random": lambda: normal,
        "tied": lambda: rng.integers(0, 3, (n, n)).astype(float),
        "dead": lambda: normal * (rng.random(n) < 0.6) * (rng.random((n, 1)) < 0.6),
        "nearly alike": lambda: 1 + 10.0 ** -rng.integers(3, 14) * normal,
        "copies": lambda: few @ few.T + 1e-12 * normal,
        "of rank one": lambda: np.outer(normal[0], normal[-1]) * 10.0 ** rng.integers(-4, 2),
    }[kind]()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "kind", ["random", "tied", "dead", "nearly alike", "copies", "of rank one"]
)
def test_hard_similarities_are_assigned_as_well_as_by_scipy(kind: str, dtype) -> None:
    rng = np.random.default_rng(0)
    for _ in range(560):  # 10,080 of all kinds and precisions together
        similarity = hard_similarity(kind, rng).astype(dtype)
        wide = similarity.astype(np.float64)
        reached = objective(wide, assign(similarity[None])[0])
        best = oracles.scipy_assignment_objective(wide)
        assert reached == pytest.approx(best, rel=0, abs=1e-12 * max(1.0, np.abs(wide).max()))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_a_batch_is_assigned_like_each_of_it_at_any_scale(scale: float) -> None:
    similarity = np.random.default_rng(0).standard_normal((6, 8, 8))
    alone = np.concatenate([assign(one[None]) for one in similarity])
    np.testing.assert_array_equal(assign(scale * similarity), alone)


def test_rows_are_units_of_the_reference_and_columns_units_of_the_sample() -> None:
    similarity = np.zeros((1, 3, 3))
    similarity[0, [0, 1, 2], [1, 2, 0]] = 1.0
    assert assign(similarity).tolist() == [[1, 2, 0]]


def test_the_rule_for_ties_does_not_outweigh_a_difference_of_one_part_in_a_million() -> None:
    similarity = np.ones((1, 50, 50))
    similarity[0, np.arange(50), np.roll(np.arange(50), 1)] += 1e-6
    assert assign(similarity).tolist() == [np.roll(np.arange(50), 1).tolist()]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e-20])
def test_units_that_are_all_alike_stay_where_they_are(value: float) -> None:
    assert assign(np.full((2, 64, 64), value)).tolist() == [list(range(64))] * 2


def test_units_that_are_alike_up_to_rounding_stay_where_they_are() -> None:
    rng = np.random.default_rng(0)
    similarity = 1 + 1e-15 * rng.standard_normal((3, 32, 32))
    assert (assign(similarity) == np.arange(32)).all()


def test_units_that_would_trade_places_for_a_gain_of_rounding_stay_where_they_are() -> None:
    above = np.nextafter(1.0, 2.0)
    assert assign(np.array([[[1.0, above], [above, 1.0]]])).tolist() == [[0, 1]]


def test_the_similarity_is_left_as_it_was() -> None:
    similarity = np.random.default_rng(0).standard_normal((2, 4, 4))
    before = similarity.copy()
    assign(similarity)
    np.testing.assert_array_equal(similarity, before)


def test_no_matrices_give_no_permutations() -> None:
    assert assign(np.empty((0, 4, 4))).shape == (0, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_similarity_that_is_not_finite_is_refused(bad: float) -> None:
    similarity = np.zeros((2, 3, 3))
    similarity[1, 2, 0] = bad
    with pytest.raises(ValueError, match=r"Similarities must be finite\. Got NaN or infinity"):
        assign(similarity)
