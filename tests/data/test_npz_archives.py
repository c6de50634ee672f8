"""One's own archives: which arrays are meant, and files that are not what they say."""

import numpy as np
import pytest

from onebasin.data import DataError, load_dataset

INPUTS = np.random.default_rng(0).normal(size=(30, 3))
LABELS = np.arange(30) % 3
NUMBERS = INPUTS.sum(axis=1)


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
        return path

    return save


@pytest.mark.parametrize(("inputs", "targets"), [("inputs", "targets"), ("x", "y"), ("X", "y")])
def test_the_usual_pairs_of_names_are_known(save, inputs, targets):
    dataset = load_dataset(save(**{inputs: INPUTS, targets: LABELS}))
    assert (dataset.name, dataset.task, dataset.num_features) == ("mine", "classification", 3)
    assert dataset.num_classes == 3


def test_arrays_of_three_dimensions_are_images(save):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8)
    dataset = load_dataset(save(inputs=images, targets=LABELS), pool=2)
    assert dataset.image_shape == (2, 2)
    assert 0 <= dataset.train.inputs.min() <= dataset.train.inputs.max() <= 1


def test_a_single_table_ends_in_its_target(save):
    dataset = load_dataset(save(table=np.column_stack([INPUTS, NUMBERS])))
    assert (dataset.task, dataset.num_features) == ("regression", 3)
    assert dataset.target_mean == pytest.approx(NUMBERS.mean(), abs=1)


@pytest.mark.parametrize("column", [1, -3])
def test_a_column_of_a_single_table_can_be_the_target(save, column):
    table = np.column_stack([INPUTS[:, 0], LABELS, INPUTS[:, 1:]])
    dataset = load_dataset(save(table=table), target=column, task="classification")
    assert (dataset.num_classes, dataset.num_features) == (3, 3)


def test_a_key_names_one_table_of_several(save):
    path = save(first=np.column_stack([INPUTS, NUMBERS]), second=np.zeros((5, 2)))
    dataset = load_dataset(path, target="first")
    assert (dataset.name, dataset.num_features) == ("mine-first", 3)


def test_a_key_names_one_array_of_targets_of_several(save):
    path = save(inputs=INPUTS, targets=NUMBERS, kinds=LABELS)
    assert load_dataset(path, target="kinds").task == "classification"
    assert load_dataset(path).task == "regression"


def test_a_key_names_the_targets_and_the_only_other_array_is_the_inputs(save):
    assert load_dataset(save(features=INPUTS, kinds=LABELS), target="kinds").num_features == 3


def test_texts_are_class_names(save):
    names = np.array(["bee", "ant", "cat"])[LABELS]
    assert load_dataset(save(x=INPUTS, y=names)).class_names == ("ant", "bee", "cat")


def test_an_official_test_set_is_kept(save):
    path = save(x_train=INPUTS, y_train=LABELS, x_test=INPUTS[:6] + 50, y_test=LABELS[:6])
    dataset = load_dataset(path, standardize=False)
    assert len(dataset.train) + len(dataset.validation) == 30
    assert len(dataset.test) == 6
    assert dataset.test.inputs.min() > 40


def test_an_official_test_set_has_the_shape_of_the_training_set(save):
    path = save(x_train=INPUTS, y_train=LABELS, x_test=INPUTS[:6, :2], y_test=LABELS[:6])
    with pytest.raises(DataError, match=r"shape of training inputs\. Got \(2,\), and \(3,\) for"):
        load_dataset(path)


def test_labels_that_skip_values_are_refused(save):
    with pytest.raises(DataError, match=r"0\.\.K-1.*Got 3 values, 0, 5, 10.*return_inverse"):
        load_dataset(save(inputs=INPUTS, targets=LABELS * 5))


def test_objects_are_never_unpickled(save):
    objects = np.array([{"a": 1}] * 30, object)
    with pytest.raises(DataError, match=r"'targets' of mine.npz must be readable.*no objects"):
        load_dataset(save(inputs=INPUTS, targets=objects))


def test_an_array_that_is_not_needed_may_be_anything(save):
    path = save(inputs=INPUTS, targets=LABELS, notes=np.array([None], object))
    assert load_dataset(path).num_classes == 3


@pytest.mark.parametrize(
    ("arrays", "target", "message"),
    [
        ({"a": INPUTS, "b": LABELS}, None, r"arrays inputs and targets.*Got arrays \['a', 'b'\]"),
        ({"a": INPUTS, "b": LABELS}, 0, "or a single table"),
        ({"a": INPUTS, "kinds": LABELS}, "kind", "Got 'kind'. Did you mean 'kinds'"),
        ({"a": INPUTS, "b": INPUTS, "c": LABELS}, "c", "must be the inputs.*'a', 'b'"),
        ({"c": LABELS}, "c", r"must be the inputs of target 'c'. Got \[\]"),
        ({"a": LABELS}, None, r"at least 2 columns.*Got shape \(30,\)"),
        ({"a": INPUTS[:, :1]}, None, r"at least 2 columns.*Got shape \(30, 1\)"),
        ({"a": INPUTS}, 3, r"target must be a column in \[-3, 2\].*Got 3"),
    ],
)
def test_arrays_that_cannot_be_told_apart_are_refused(save, arrays, target, message):
    with pytest.raises(DataError, match=message):
        load_dataset(save(**arrays), target=target)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04 cut short", b"\x80\x04N."])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(
        DataError, match=r"mine.npz must be an archive written by np.savez"
    ) as caught:
        load_dataset(tmp_path / "mine.npz")
    assert "allow_pickle" not in str(caught.value)


def test_a_single_saved_array_is_no_archive(tmp_path):
    np.save(tmp_path / "mine.npy", INPUTS)
    (tmp_path / "mine.npy").rename(tmp_path / "mine.npz")
    with pytest.raises(DataError, match=r"Got a single array of np.save"):
        load_dataset(tmp_path / "mine.npz")


def test_a_damaged_archive_is_refused(save):
    path = save(inputs=INPUTS, targets=LABELS)
    content = bytearray(path.read_bytes())
    content[200:260] = b"?" * 60
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"'inputs' of mine.npz must be readable"):
        load_dataset(path)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("notes.txt", "none")
    with pytest.raises(DataError, match=r"Got 'notes.txt', which is not"):
        load_dataset(tmp_path / "mine.npz")
