"""Claims: the verdict follows from the interval, the threshold and the direction alone."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from onebasin.studies.claims import claim_over_seeds, verdict

numbers = st.floats(-100, 100)


@pytest.mark.parametrize(
    ("interval", "direction", "expected"),
    [
        ((0.1, 0.2), ">", "supported"),
        ((-0.2, -0.1), ">", "not supported"),
        ((-0.1, 0.1), ">", "undecided"),
        ((0.0, 0.1), ">", "undecided"),
        ((0.0, 0.1), ">=", "supported"),
        ((0.1, 0.2), "<", "not supported"),
        ((-0.1, 0.0), "<=", "supported"),
        ((-0.1, 0.0), "<", "undecided"),
        ((0.0, 0.0), "<=", "supported"),
        ((0.0, 0.0), "<", "not supported"),
        ((float("nan"), float("nan")), ">", "undecided"),
    ],
)
def test_a_verdict_is_given_where_the_whole_interval_lies_on_one_side(
    interval, direction, expected
):
    assert verdict(interval, 0.0, direction) == expected


@given(a=numbers, b=numbers, threshold=numbers)
def test_a_claim_and_its_opposite_never_have_the_same_verdict_but_undecided(a, b, threshold):
    interval = (min(a, b), max(a, b))
    opposite = {"supported": "not supported", "not supported": "supported"}
    for one, other in ((">", "<="), (">=", "<")):
        found = verdict(interval, threshold, one)
        assert verdict(interval, threshold, other) == opposite.get(found, found)


def test_a_claim_over_seeds_has_the_interval_of_student():
    values = np.array([0.3, 0.5, 0.4, 0.45])
    found = claim_over_seeds("it is large", "its mean", values, ">", 0.1)
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    np.testing.assert_allclose(found.interval, expected, rtol=1e-12)
    assert found.estimate == pytest.approx(values.mean(), rel=1e-12)
    assert (found.num_seeds, found.verdict) == (4, "supported")


def test_one_seed_decides_nothing():
    assert claim_over_seeds("it is large", "its mean", [5.0], ">", 0.1).verdict == "undecided"
