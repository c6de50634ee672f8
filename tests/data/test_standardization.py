"""Scaling: fitted on train alone, undone exactly, harmless for constant features."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as npst

from onebasin.data import DataError
from onebasin.data.assemble import assemble
from onebasin.data.dataset import Source
from onebasin.data.splits import SplitOptions, split_rows

OPTIONS = SplitOptions(seed=0, num_train=None, num_test=None, validation=0.1, test=0.2)


def build(inputs, targets, *, standardize=None, task="regression", pool=1):
    source = Source("made up", np.asarray(inputs), np.asarray(targets))
    return assemble(source, OPTIONS, task=task, pool=pool, standardize=standardize)


def random_table(rows=50, features=3):
    rng = np.random.default_rng(1)
    return rng.normal(3.0, 2.0, (rows, features)), rng.normal(-1.0, 4.0, rows)


def test_standardization_is_fitted_on_train_only():
    inputs, targets = random_table()
    rows = split_rows(np.zeros(50, np.int32), OPTIONS)
    outside = np.concatenate([rows.validation, rows.test])
    moved_inputs, moved_targets = inputs.copy(), targets.copy()
    moved_inputs[outside] += 100.0
    moved_targets[outside] -= 100.0
    plain, moved = build(inputs, targets), build(moved_inputs, moved_targets)
    np.testing.assert_array_equal(plain.train.inputs, moved.train.inputs)
    np.testing.assert_array_equal(plain.input_std, moved.input_std)
    assert (plain.target_mean, plain.target_std) == (moved.target_mean, moved.target_std)
    np.testing.assert_allclose(plain.input_mean, inputs[rows.train].mean(axis=0), rtol=1e-6)
    assert plain.target_std == pytest.approx(targets[rows.train].std())


@settings(max_examples=50)
@given(
    inputs=npst.arrays(np.float64, (20, 2), elements=st.floats(-1e6, 1e6, width=32)),
    targets=npst.arrays(np.float64, 20, elements=st.floats(-1e3, 1e3, width=32), unique=True),
)
def test_standardization_is_undone_by_mean_and_std(inputs, targets):
    rows = split_rows(np.zeros(20, np.int32), OPTIONS)
    dataset = build(inputs, targets)
    for part, index in zip((dataset.train, dataset.validation, dataset.test), rows, strict=True):
        raw = part.inputs.astype(np.float64) * dataset.input_std + dataset.input_mean
        scale = np.abs(inputs).max(axis=0) + np.abs(part.inputs) * dataset.input_std
        assert np.all(np.abs(raw - inputs[index]) <= 1e-5 * scale + 1e-30)
        undone = part.targets.astype(np.float64) * dataset.target_std + dataset.target_mean
        np.testing.assert_allclose(undone, targets[index], rtol=1e-5, atol=1e-3)


def test_constant_features_get_std_one_and_become_zero():
    inputs, targets = random_table()
    inputs[:, 1] = 0.1
    dataset = build(inputs, targets)
    assert dataset.input_std[1] == 1
    assert not dataset.train.inputs[:, 1].any()


def test_dark_pixels_stay_zero():
    images = np.random.default_rng(0).random((40, 2, 2))
    images[:, 0, 0] = 0
    dataset = build(images, np.arange(40) % 2, standardize=True, task="classification")
    assert dataset.input_std[0] == 1
    assert not dataset.test.inputs[:, 0].any()
    np.testing.assert_allclose(dataset.train.inputs[:, 1:].std(axis=0), 1, atol=1e-5)


def test_images_are_not_standardized_unless_asked():
    images = np.random.default_rng(0).random((40, 2, 2))
    dataset = build(images, np.arange(40) % 2, task="classification")
    assert dataset.train.inputs.min() >= 0
    np.testing.assert_array_equal(dataset.input_mean, 0)
    np.testing.assert_array_equal(dataset.input_std, 1)


def test_tables_keep_raw_inputs_where_asked_and_still_standardize_targets():
    inputs, targets = random_table()
    rows = split_rows(np.zeros(50, np.int32), OPTIONS)
    dataset = build(inputs, targets, standardize=False)
    np.testing.assert_array_equal(dataset.train.inputs, inputs[rows.train].astype(np.float32))
    np.testing.assert_array_equal(dataset.input_std, 1)
    assert dataset.train.targets.std() == pytest.approx(1, abs=1e-5)


def test_class_labels_are_never_standardized():
    dataset = build(random_table()[0], np.arange(50) % 3, task="classification")
    assert (dataset.target_mean, dataset.target_std) == (0.0, 1.0)
    assert set(dataset.train.targets.tolist()) == {0, 1, 2}


def test_small_spreads_around_large_values_survive():
    inputs = 1e9 + np.arange(40.0)[:, None]
    dataset = build(inputs, np.arange(40.0))
    assert len(np.unique(dataset.train.inputs)) == len(dataset.train)


def test_an_outlier_beyond_float32_in_another_part_is_refused():
    inputs = np.where(np.arange(40)[:, None] % 2, 1e-37, 0.0)
    inputs[split_rows(np.zeros(40, np.int32), OPTIONS).test[0]] = 1e38
    with pytest.raises(DataError, match=r"Standardized inputs must fit float32"):
        build(inputs, np.arange(40.0))


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0), "at least one example"),
        (np.zeros((4, 0)), np.zeros(4), "and one feature"),
        (np.zeros(4), np.zeros(4), r"Got shape \(4,\).*reshape\(-1, 1\)"),
        (np.zeros((4, 2, 2, 3)), np.zeros(4), r"Got shape \(4, 2, 2, 3\)"),
        (np.zeros((4, 2)), np.zeros((4, 1)), r"one-dimensional.*Got shape \(4, 1\)"),
        (np.zeros((4, 2)), np.zeros(5), "Got 4 inputs and 5 targets"),
        (np.array([["a"]] * 4), np.zeros(4), "inputs must be real numbers. Got dtype <U1"),
    ],
)
def test_inputs_and_targets_that_do_not_fit_are_refused(inputs, targets, message):
    with pytest.raises(DataError, match=message):
        build(inputs, targets)


@given(row=st.integers(0, 9), column=st.integers(0, 3), bad=st.sampled_from([np.nan, -np.inf]))
def test_the_first_bad_input_is_located(row, column, bad):
    inputs = np.zeros((11, 4))
    inputs[row, column] = inputs[10, 0] = bad
    with pytest.raises(DataError, match=rf"Got 2 NaN.* first in row {row}, column {column} "):
        build(inputs, np.arange(11.0))


def test_the_first_bad_pixel_is_located():
    images = np.zeros((5, 2, 2))
    images[3, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"Got 1 NaN.* image 3, pixel \(1, 0\)"):
        build(images, np.arange(5.0))
