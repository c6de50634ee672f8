"""MNIST and Fashion-MNIST: archives, IDX files, OpenML, and the official test set."""

import gzip
import os
import struct
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from onebasin.data import DataError, load_dataset
from onebasin.data.official import read_idx

DATA_FOLDER = os.environ.get("ONEBASIN_DATA", "")
MNIST_LABELS = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def make_images(seed=0, num_train=60, num_test=20):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (n, 4, 4), np.uint8) for n in (num_train, num_test)]
    labels = [np.arange(n, dtype=np.uint8) % 10 for n in (num_train, num_test)]
    return images[0], labels[0], images[1], labels[1]


def write_idx(path, values):
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_idx_files(folder, arrays, ending=""):
    folder.mkdir(exist_ok=True)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, values in zip(names, arrays, strict=True):
        write_idx(folder / f"{name}-ubyte{ending}", values)


def write_archive(path, arrays):
    np.savez(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))


def rows_of(inputs):
    return {row.tobytes() for row in inputs}


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_an_archive_keeps_its_official_test_set(tmp_path, monkeypatch, name):
    arrays = make_images()
    write_archive(tmp_path / f"{name}.npz", arrays)
    monkeypatch.setenv("ONEBASIN_DATA", str(tmp_path))
    dataset = load_dataset(name)
    assert (dataset.name, dataset.image_shape, dataset.num_classes) == (name, (4, 4), 10)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [54, 6, 20]
    scaled = arrays[2].reshape(20, -1).astype(np.float32) / np.float32(255)
    assert rows_of(dataset.test.inputs) == rows_of(scaled)


@pytest.mark.parametrize("file", ["fashion_mnist.npz", "FashionMNIST.npz", "fashionmnist.NPZ"])
def test_an_archive_is_found_however_its_name_is_spelled(tmp_path, file):
    write_archive(tmp_path / "made.npz", make_images())
    (tmp_path / "made.npz").rename(tmp_path / file)
    assert len(load_dataset("fashion-mnist", folder=tmp_path).test) == 20


@pytest.mark.parametrize("folder", ["fashion_mnist", "FashionMNIST/raw"])
def test_idx_files_are_found_where_other_libraries_put_them(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    write_idx_files(tmp_path / folder, make_images())
    assert len(load_dataset("fashion-mnist", folder=tmp_path).test) == 20


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_idx_files_are_found_in_the_folder_and_below(tmp_path, ending, subfolder):
    arrays = make_images()
    write_idx_files(tmp_path / subfolder, arrays, ending)
    write_archive(tmp_path / "same.npz", arrays)
    dataset = load_dataset("mnist", folder=tmp_path)
    same = load_dataset("same.npz", folder=tmp_path)
    np.testing.assert_array_equal(dataset.train.inputs, same.train.inputs)
    np.testing.assert_array_equal(dataset.test.targets, same.test.targets)


def test_subsets_are_drawn_by_seed_from_their_own_side(tmp_path):
    write_archive(tmp_path / "mnist.npz", make_images())
    whole = load_dataset("mnist", folder=tmp_path)
    training = rows_of(whole.train.inputs) | rows_of(whole.validation.inputs)
    first, other = (
        load_dataset("mnist", folder=tmp_path, num_train=30, num_test=10, seed=seed)
        for seed in (0, 1)
    )
    assert [len(part) for part in (first.train, first.validation, first.test)] == [30, 3, 10]
    assert rows_of(first.train.inputs) <= training
    assert rows_of(first.test.inputs) <= rows_of(whole.test.inputs)
    assert rows_of(first.train.inputs) != rows_of(other.train.inputs)
    assert rows_of(first.test.inputs) != rows_of(other.test.inputs)


def test_a_lacking_array_or_file_is_named(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros(1))
    with pytest.raises(DataError, match=r"Got none named x_test, y_test, y_train"):
        load_dataset("mnist", folder=tmp_path)
    write_idx_files(tmp_path / "fashion-mnist", make_images())
    (tmp_path / "fashion-mnist" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"all four.*Got none named t10k-images-idx3-ubyte"):
        load_dataset("fashion-mnist", folder=tmp_path)


def test_files_of_the_other_set_are_not_taken_for_this_one(tmp_path):
    x_train, y_train, x_test, y_test = make_images()
    y_train[:10] = MNIST_LABELS
    write_idx_files(tmp_path, (x_train, y_train, x_test, y_test))
    assert load_dataset("mnist", folder=tmp_path).name == "mnist"
    with pytest.raises(DataError, match=r"must hold fashion-mnist. Got those of mnist"):
        load_dataset("fashion-mnist", folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first bytes are b''"),
        (b"text, not IDX", "the first bytes are b'text'"),
        (b"\0\0\x08\x03\0\0", "a header of 6 bytes"),
        (b"\0\0\x08\x01\0\0\0\x03ab", r"2 values for shape \(3,\)"),
        (b"\0\0\x08\x01\0\0\0\x01ab", r"2 values for shape \(1,\)"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "unsigned bytes. Got the first bytes"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, content, message):
    (tmp_path / "plain").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "plain")


def test_a_damaged_gzip_file_is_refused(tmp_path):
    (tmp_path / "file.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"file.gz must be a whole IDX file"):
        read_idx(tmp_path / "file.gz")
    (tmp_path / "file.gz").write_bytes(gzip.compress(b"\0\0\x08\x01" * 50)[:-6])
    with pytest.raises(DataError, match=r"file.gz must be a whole IDX file"):
        read_idx(tmp_path / "file.gz")


def test_without_files_and_network_the_data_folder_is_named_as_the_mend(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise URLError("no route to host")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fail)
    for folder in (None, tmp_path):
        with pytest.raises(DataError, match=r"no route to host.*Set .* ONEBASIN_DATA to a folder"):
            load_dataset("mnist", folder=folder)


def test_a_download_keeps_its_last_ten_thousand_rows_as_the_test_set(monkeypatch):
    asked = []
    data = np.zeros((10_100, 784))
    data[-10_000:] = 255
    target = (np.arange(10_100) % 10).astype(str).astype(object)

    def fetch(name, **options):
        asked.append((name, options["version"], options["as_frame"]))
        return SimpleNamespace(data=data, target=target)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    dataset = load_dataset("fashion-mnist", num_train=50, num_test=40)
    assert asked == [("Fashion-MNIST", 1, False)]
    assert dataset.image_shape == (28, 28)
    assert not dataset.train.inputs.any()
    assert np.all(dataset.test.inputs == 1)


def test_a_download_of_another_shape_is_refused(monkeypatch):
    bunch = SimpleNamespace(data=np.zeros((5, 3)), target=np.array(["1"] * 5, object))
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda *_args, **_options: bunch)
    with pytest.raises(DataError, match=r"mnist from OpenML .* Got shape \(5, 3\)"):
        load_dataset("mnist")


@pytest.mark.skipif(
    not (Path(DATA_FOLDER) / "mnist.npz").is_file() or not DATA_FOLDER,
    reason="ONEBASIN_DATA names no folder with mnist.npz",
)
def test_the_real_mnist_has_its_known_sizes_and_brightness():
    dataset = load_dataset("mnist", folder=DATA_FOLDER, num_train=2000, num_test=1000, pool=2)
    assert [len(part) for part in (dataset.train, dataset.validation)] == [2000, 222]
    assert len(dataset.test) == 1000
    assert (dataset.num_features, dataset.num_outputs) == (196, 10)
    assert dataset.train.inputs.mean() == pytest.approx(0.1307, abs=0.005)
    with pytest.raises(DataError, match=r"num_train must be .* in \[1, 59999\]"):
        load_dataset("mnist", folder=DATA_FOLDER, num_train=60000)
