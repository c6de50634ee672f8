"""What was computed is read again where everything is the same, and else refused in one line."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from onebasin.data import Dataset, load_dataset
from onebasin.data.fingerprint import fingerprint
from onebasin.run.cache import Key, cached, is_keyed, key_of
from onebasin.run.config import load_config
from onebasin.store import StoreError


class Computation:
    """Counts how often it is computed; its result is a number in a file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0

    def compute(self) -> int:
        self.count += 1
        return self.count

    def load(self, folder: Path) -> int:
        return int((folder / "number").read_text())

    def save(self, folder: Path, value: int) -> None:
        assert not is_keyed(folder)  # the key comes last
        (folder / "number").write_text(str(value))

    def __call__(self, key: Key, *, again: bool = False) -> int:
        return cached(self.folder, key, self.compute, self.load, self.save, again=again)


@pytest.fixture
def computation(tmp_path: Path) -> Computation:
    return Computation(tmp_path / "parts" / "one")


def assert_refused(computation: Computation, key: Key, *words: str) -> str:
    files = {path: path.read_bytes() for path in computation.folder.iterdir()}
    count = computation.count
    with pytest.raises(StoreError) as caught:
        computation(key)
    assert {path: path.read_bytes() for path in computation.folder.iterdir()} == files
    assert computation.count == count
    message = str(caught.value)
    assert "\n" not in message
    for word in (*words, "--again"):
        assert word in message
    return message


def test_the_same_key_reads_what_is_there(computation: Computation) -> None:
    key = Key(arguments={"num_steps": 5, "widths": (1, 2)}, config={"seed": 0})
    assert computation(key) == computation(key) == 1
    assert computation.count == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arguments": {"num_steps": 6}}, "num_steps 6 instead of 5"),
        ({"arguments": {}}, "num_steps null instead of 5"),
        ({"arguments": {"num_steps": 5, "more": [1]}}, "more [1] instead of null"),
        ({"config": {"method": {"thin": 2}}}, "method.thin 2 instead of 1"),
        ({"data": {"digits": "b"}}, "data that has changed since"),
        ({"version": "0.0.9"}, "version 0.0.9 instead of 0.0.8"),
    ],
)
def test_another_key_is_refused_and_what_differs_is_named(
    computation: Computation, changed: dict, words: str
) -> None:
    key = Key(
        arguments={"num_steps": 5},
        config={"method": {"thin": 1}},
        data={"digits": "a"},
        version="0.0.8",
    )
    computation(key)
    message = assert_refused(computation, key.model_copy(update=changed), words, "--out")
    assert message.count("instead of") == (0 if "data" in changed else 1)


def test_data_that_other_settings_select_are_not_called_changed(computation: Computation) -> None:
    computation(Key(config={"seed": 0}, data={"digits": "a"}))
    message = assert_refused(computation, Key(config={"seed": 1}, data={"digits": "b"}), "seed 1")
    assert "changed since" not in message


def test_many_long_differences_make_a_short_line(computation: Computation) -> None:
    computation(Key(config={f"key_{number}": list(range(200)) for number in range(20)}))
    assert len(assert_refused(computation, Key(), "and 16 more")) < 700


def test_again_computes_anew_and_replaces(computation: Computation) -> None:
    first, second = Key(arguments={"num_steps": 5}), Key(arguments={"num_steps": 6})
    computation(first)
    assert computation(second, again=True) == 2
    assert computation(second) == 2
    assert_refused(computation, first, "num_steps 5 instead of 6")


def test_what_was_interrupted_is_computed_again(computation: Computation) -> None:
    key = Key()
    computation(key)

    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(computation.folder, key, interrupted, computation.load, computation.save, again=True)
    assert not is_keyed(computation.folder)  # the old number must not pass for the new one
    assert computation(key) == 2


@pytest.mark.parametrize("content", ['{"arguments": {}, "con', "[]", '{"scale": "small"}', "\xff"])
def test_a_damaged_key_is_one_line(computation: Computation, content: str) -> None:
    computation(Key())
    (computation.folder / "key.json").write_bytes(content.encode("latin1"))
    assert_refused(computation, Key(), "key.json")
    assert computation(Key(), again=True) == 2


def test_a_key_is_a_file_that_people_can_read(computation: Computation) -> None:
    config, dataset = load_config("diabetes"), load_dataset("diabetes")
    computation(key_of(config, dataset, num_steps=3))
    found = json.loads((computation.folder / "key.json").read_text())
    assert found["arguments"] == {"num_steps": 3}
    assert found["config"]["network"]["hidden"] == [32]
    assert found["data"] == {"diabetes": fingerprint(dataset)}


def changed(dataset: Dataset, part: str, name: str) -> Dataset:
    split = getattr(dataset, part)
    array = getattr(split, name).copy()
    array.flat[-1] += 1
    return dataclasses.replace(dataset, **{part: dataclasses.replace(split, **{name: array})})


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_fingerprint_is_the_same_for_the_same_data_alone(name: str) -> None:
    dataset = load_dataset(name)
    assert fingerprint(load_dataset(name)) == fingerprint(dataset)
    others = [
        changed(dataset, part, array)
        for part in ("train", "validation", "test")
        for array in ("inputs", "targets")
    ]
    others += [
        dataclasses.replace(dataset, train=dataset.validation, validation=dataset.train),
        dataclasses.replace(dataset, target_mean=dataset.target_mean + 1),
        dataclasses.replace(dataset, input_std=np.asarray(dataset.input_std) * 2),
        dataclasses.replace(dataset, class_names=("yes", "no")),
        load_dataset(name, seed=1),
    ]
    assert len({fingerprint(data) for data in (dataset, *others)}) == 1 + len(others)


def test_a_fingerprint_does_not_depend_on_how_arrays_lie_in_memory() -> None:
    dataset = load_dataset("diabetes")
    inputs = np.asfortranarray(dataset.train.inputs)
    turned = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, inputs=inputs))
    assert fingerprint(turned) == fingerprint(dataset)


def test_a_table_that_became_a_number_is_one_difference(computation: Computation) -> None:
    computation(Key(config={"posterior": {"prior_std": {"hidden": 1.0, "out": 0.5}}}))
    key = Key(config={"posterior": {"prior_std": 2.0}})
    message = assert_refused(computation, key, 'posterior.prior_std 2.0 instead of {"hidden": 1.0')
    assert message.count("instead of") == 1


def test_an_argument_does_not_hide_a_key_of_the_config(computation: Computation) -> None:
    computation(Key(arguments={"seed": 0}, config={"seed": 1}))
    assert_refused(computation, Key(arguments={"seed": 0}, config={"seed": 2}), "seed 2 instead")
