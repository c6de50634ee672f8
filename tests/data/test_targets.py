"""Labels, numbers, and which of the two targets are."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.data import DataError
from onebasin.data.targets import MAX_INFERRED_CLASSES, encode_targets, infer_task


@given(st.integers(2, 30), st.integers(0, 40), st.integers(0, 1000))
def test_labels_that_count_up_from_zero_are_kept(num_classes, extra, seed):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(num_classes), rng.integers(0, num_classes, extra))
    encoded = encode_targets(rng.permutation(labels), "classification")
    assert encoded.num_classes == num_classes
    assert encoded.targets.dtype == np.int32


@given(st.lists(st.sampled_from(["ant", "bee", "cat"]), min_size=2).filter(lambda x: len({*x}) > 1))
def test_text_becomes_labels_of_its_sorted_names(names):
    encoded = encode_targets(np.array(names), None)
    assert encoded.class_names == tuple(sorted(set(names)))
    assert [encoded.class_names[label] for label in encoded.targets] == names


@pytest.mark.parametrize("labels", [[0, 5], [1, 2], [-1, 0, 1], [0, 2, 2], [0.0, 0.5]])
def test_labels_out_of_range_are_refused(labels):
    with pytest.raises(DataError, match=rf"0\.\.K-1, each of them present\. Got .*{labels[0]}"):
        encode_targets(np.array(labels), "classification")


def test_labels_stored_as_floats_are_labels_where_the_task_says_so():
    encoded = encode_targets(np.array([0.0, 1.0, 2.0]), "classification")
    np.testing.assert_array_equal(encoded.targets, [0, 1, 2])


def test_many_labels_are_not_all_listed():
    with pytest.raises(DataError, match=r"Got 40 values, 1, 2, .* 8 and 32 more\. Renumber"):
        encode_targets(np.arange(1, 41), "classification")


@pytest.mark.parametrize("value", [0, 3, "only"])
def test_one_class_is_no_classification(value):
    with pytest.raises(DataError, match=rf"at least two classes. Got only {value!r}"):
        encode_targets(np.array([value] * 5), "classification")


def test_constant_numbers_are_no_regression():
    with pytest.raises(DataError, match=r"at least two distinct values. Got only 2.5"):
        encode_targets(np.full(5, 2.5), None)


def test_text_is_no_regression():
    with pytest.raises(DataError, match=r"must be numbers. Got 2 distinct texts, 'a', 'b'"):
        encode_targets(np.array(["a", "b"]), "regression")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_targets_that_are_not_finite_are_counted_and_located(bad):
    with pytest.raises(DataError, match=r"Got 2 NaN, infinite .* first in row 1 \(counted from 0"):
        encode_targets(np.array([0.0, bad, 1.0, bad]), None)


@pytest.mark.parametrize(
    "targets", [np.array([1j, 2j]), np.array(["2020-01-01"], "datetime64[D]"), np.array([b"a"])]
)
def test_targets_of_another_kind_are_refused(targets):
    with pytest.raises(DataError, match=r"targets must be real numbers. Got dtype"):
        encode_targets(targets, None)


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        (np.arange(MAX_INFERRED_CLASSES), "classification"),
        (np.arange(MAX_INFERRED_CLASSES + 1), "regression"),
        (np.array(["a", "b"]), "classification"),
        (np.array([True, False]), "classification"),
        (np.array([0.0, 1.0]), "regression"),
    ],
)
def test_the_task_is_inferred_from_dtype_and_distinct_values(targets, task):
    assert infer_task(targets) == task
