"""Which rows go where: partitions, exact sizes, strata, and too few rows."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.data import DataError
from onebasin.data.checks import check_count
from onebasin.data.splits import SplitOptions, split_official, split_rows

FRACTIONS = st.floats(0.01, 0.99)


def options(**changes):
    defaults = {"seed": 0, "num_train": None, "num_test": None, "validation": 0.1, "test": 0.2}
    return SplitOptions(**(defaults | changes))


@st.composite
def labels(draw):
    values = draw(st.lists(st.integers(0, 4), min_size=3, max_size=80))
    return np.array(values, np.int32)


@given(strata=labels(), seed=st.integers(0, 2**32 - 1), validation=FRACTIONS, test=FRACTIONS)
def test_splits_partition_the_rows(strata, seed, validation, test):
    rows = split_rows(strata, options(seed=seed, validation=validation, test=test))
    assert all(len(part) > 0 for part in rows)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(len(strata)))


@given(strata=labels(), seed=st.integers(0, 1000), data=st.data())
def test_exact_numbers_are_exact_and_parts_share_no_row(strata, seed, data):
    num_test = data.draw(st.integers(1, len(strata) - 2))
    num_train = data.draw(st.integers(1, len(strata) - num_test - 1))
    rows = split_rows(strata, options(seed=seed, num_train=num_train, num_test=num_test))
    assert (len(rows.train), len(rows.test)) == (num_train, num_test)
    together = np.concatenate(rows)
    assert len(rows.validation) > 0
    assert len(np.unique(together)) == len(together)


@given(strata=labels(), test_strata=labels(), seed=st.integers(0, 1000), validation=FRACTIONS)
def test_an_official_split_partitions_its_training_rows(strata, test_strata, seed, validation):
    rows = split_official(strata, test_strata, options(seed=seed, validation=validation))
    training = np.concatenate([rows.train, rows.validation])
    np.testing.assert_array_equal(np.sort(training), np.arange(len(strata)))
    np.testing.assert_array_equal(np.sort(rows.test), np.arange(len(test_strata)))


def test_validation_rows_come_beside_exactly_num_train_rows():
    strata = np.arange(1000, dtype=np.int32) % 10
    rows = split_official(strata, strata, options(num_train=180, num_test=30))
    assert [len(part) for part in rows] == [180, 20, 30]


def test_validation_takes_what_is_left_where_that_is_less_than_its_share():
    strata = np.zeros(100, np.int32)
    rows = split_official(strata, strata, options(num_train=98))
    assert [len(part) for part in rows] == [98, 2, 100]


def test_classes_keep_their_shares_in_every_part():
    strata = np.repeat(np.arange(3, dtype=np.int32), [600, 300, 100])
    for part in split_rows(strata, options(seed=5)):
        shares = np.bincount(strata[part], minlength=3) / len(part)
        np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.01)


def test_a_class_of_a_single_row_does_not_stop_the_split():
    strata = np.array([0] * 10 + [1] * 10 + [2], np.int32)
    assert sum(map(len, split_rows(strata, options()))) == 21


@pytest.mark.parametrize("num_train", [0, -1, 80, 81])
def test_num_train_leaves_a_row_for_validation(num_train):
    with pytest.raises(DataError, match=rf"num_train must be .* in \[1, 79\]\. Got {num_train}"):
        split_rows(np.zeros(100, np.int32), options(num_train=num_train))


@pytest.mark.parametrize("num_test", [0, 99, 1000])
def test_num_test_leaves_rows_for_the_other_parts(num_test):
    with pytest.raises(DataError, match=rf"num_test must be .* in \[1, 98\]\. Got {num_test}"):
        split_rows(np.zeros(100, np.int32), options(num_test=num_test))


def test_an_official_test_set_has_no_more_rows_than_it_has():
    with pytest.raises(DataError, match=r"num_test must be .* in \[1, 7\]\. Got 8"):
        split_official(np.zeros(50, np.int32), np.zeros(7, np.int32), options(num_test=8))


def test_two_rows_cannot_be_three_parts():
    with pytest.raises(DataError, match=r"at least 3 rows.*Got 2"):
        split_rows(np.zeros(2, np.int32), options())
    with pytest.raises(DataError, match=r"at least 2 rows.*Got 1"):
        split_official(np.zeros(1, np.int32), np.zeros(2, np.int32), options())


def test_true_is_no_count():
    with pytest.raises(DataError, match=r"num_train must be a whole number"):
        check_count("num_train", True, 1, 10, "")
