"""The door to data: names, paths, folders and the shape of what comes out."""

import numpy as np
import pytest

from onebasin.data import DataError, Split, load_dataset
from onebasin.data.targets import check_task


def parts(dataset):
    return dataset.train, dataset.validation, dataset.test


def save_table(path, **arrays):
    rng = np.random.default_rng(0)
    np.savez(path, inputs=rng.normal(size=(30, 2)), targets=rng.normal(size=30), **arrays)


def test_digits_are_the_default():
    dataset = load_dataset()
    assert dataset.name == "digits"
    assert dataset.task == "classification"
    assert dataset.image_shape == (8, 8)
    assert (dataset.num_features, dataset.num_outputs, dataset.num_classes) == (64, 10, 10)
    assert sum(map(len, parts(dataset))) == 1797


def test_digits_lie_between_zero_and_one_with_labels_of_int32():
    for part in parts(load_dataset("digits")):
        assert part.inputs.dtype == np.float32
        assert part.targets.dtype == np.int32
        assert (part.inputs.min(), part.inputs.max()) == (0, 1)


def test_diabetes_is_a_standardized_regression():
    dataset = load_dataset("diabetes")
    assert dataset.task == "regression"
    assert (dataset.num_outputs, dataset.num_classes, dataset.image_shape) == (1, None, None)
    assert dataset.train.targets.dtype == np.float32
    assert 140 < dataset.target_mean < 165
    np.testing.assert_allclose(dataset.train.inputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.train.inputs.std(axis=0), 1, atol=1e-5)


def test_one_seed_gives_one_data_set_and_another_seed_another():
    first, again, other = (load_dataset("digits", seed=seed) for seed in (3, 3, 4))
    for part, same in zip(parts(first), parts(again), strict=True):
        np.testing.assert_array_equal(part.inputs, same.inputs)
        np.testing.assert_array_equal(part.targets, same.targets)
    assert not np.array_equal(first.test.targets, other.test.targets)


def test_exact_sizes_are_kept():
    dataset = load_dataset("digits", num_train=100, num_test=50)
    assert [len(part) for part in parts(dataset)] == [100, 11, 50]


def test_pooling_halves_the_sides_of_the_digits():
    dataset = load_dataset("digits", pool=2)
    assert dataset.image_shape == (4, 4)
    assert dataset.num_features == 16


def test_names_are_read_in_any_case_and_with_underscores(tmp_path):
    assert load_dataset("Digits").name == "digits"
    np.savez(tmp_path / "fashion-mnist.npz", x_train=np.ones(2))
    with pytest.raises(DataError, match=r"fashion-mnist\.npz must hold x_train"):
        load_dataset("Fashion_MNIST", folder=tmp_path)


@pytest.mark.parametrize(("typed", "meant"), [("digit", "digits"), ("mnits", "mnist")])
def test_a_misspelled_name_is_met_with_the_nearest_one(typed, meant):
    with pytest.raises(DataError, match=rf"Did you mean '{meant}'"):
        load_dataset(typed)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"one of digits, diabetes, mnist, fashion-mnist, or"):
        load_dataset("data.xlsx")


def test_a_misspelled_task_is_met_with_the_nearest_one():
    with pytest.raises(DataError, match=r"Did you mean 'regression'"):
        check_task("regresion")


def test_a_target_is_refused_for_a_named_set():
    with pytest.raises(DataError, match=r"target must be left out for the data set digits"):
        load_dataset("digits", target=0)


@pytest.mark.parametrize("name", ["none.npz", "none.csv"])
def test_a_missing_file_is_a_data_error(tmp_path, name):
    with pytest.raises(DataError, match=rf"lead to a file\. Got none at .*{name}"):
        load_dataset(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"must lead to a file"):
        load_dataset(tmp_path / "folder.npz")


def test_a_relative_path_is_looked_for_in_the_data_folder_too(tmp_path, monkeypatch):
    save_table(tmp_path / "mine.npz")
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path))
    assert load_dataset("mine.npz").name == "mine"


def test_a_given_folder_goes_before_the_working_one(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    save_table(tmp_path / "mine.npz")
    save_table(tmp_path / "given" / "mine.npz", x_train=np.ones(2))
    (tmp_path / "given" / "other.npz").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"other.npz must be an archive"):
        load_dataset("other.npz", folder="given")
    assert load_dataset("mine.npz", folder="given").num_features == 2


@pytest.mark.parametrize("name", ["mnist", "mine.npz"])
def test_a_data_folder_that_is_none_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"ONEBASIN_DATA must name a folder"):
        load_dataset(name)
    with pytest.raises(DataError, match=r"^folder must name a folder"):
        load_dataset(name, folder=tmp_path / "nothing")


def test_the_embedded_sets_do_not_care_about_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path / "none"))
    assert load_dataset("digits").name == "digits"


@pytest.mark.parametrize("name", ["validation", "test"])
@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 10.0, float("nan")])
def test_fractions_lie_between_zero_and_one(name, fraction):
    with pytest.raises(DataError, match=rf"{name} must lie in \(0, 1\).*Got {fraction}"):
        load_dataset("digits", **{name: fraction})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(DataError, match=rf"seed must be .* Got {seed}\."):
        load_dataset("digits", seed=seed)


def test_every_message_is_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text('a,b\n1,"two\nlines"\n2,3\n')
    for bad in ("digit", tmp_path / "bad.csv", tmp_path / "no.npz"):
        with pytest.raises(DataError, match=r"Got") as caught:
            load_dataset(bad)
        assert "\n" not in str(caught.value)


def test_a_data_error_is_a_value_error():
    assert issubclass(DataError, ValueError)


def test_a_split_shows_its_size_and_not_its_numbers():
    split = Split(np.zeros((3, 2), np.float32), np.zeros(3, np.int32))
    assert repr(split) == "Split(3 examples, 2 features)"
    assert len(split) == 3
    assert "array" not in repr(load_dataset("digits"))
