"""Run directories: never overwritten, resumed with the same config alone, results merged."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin.run.run_directory import RunDirectory
from onebasin.samples import Samples
from onebasin.store.draws import SampleWriter, save_samples
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

CONFIG = {
    "seed": 3,
    "data": {"name": "digits", "target": None},
    "network": {"hidden": (8, 4), "activation": "relu"},
    "posterior": {"prior_std": {"hidden": 1.0, "out": 0.5}},
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", CONFIG)


def test_a_new_run_keeps_its_config_without_what_is_not_chosen(run: RunDirectory) -> None:
    assert run.config == {
        "seed": 3,
        "data": {"name": "digits"},
        "network": {"hidden": [8, 4], "activation": "relu"},
        "posterior": {"prior_std": {"hidden": 1.0, "out": 0.5}},
    }
    assert run.results == {}


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    assert RunDirectory.create(tmp_path, CONFIG).path == tmp_path


def test_a_folder_that_holds_another_run_is_refused(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match="new or empty folder.*another run.*--resume"):
        RunDirectory.create(run.path, CONFIG)


def test_a_folder_that_holds_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="new or empty folder.*other files"):
        RunDirectory.create(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(StoreError, match=r"must be a folder\. Got the file"):
        RunDirectory.create(tmp_path / "file", CONFIG)


@pytest.mark.parametrize("make", [RunDirectory, lambda path: RunDirectory.resume(path, CONFIG)])
def test_a_folder_without_a_config_is_no_run(tmp_path: Path, make) -> None:
    with pytest.raises(StoreError, match=r"holds a config\.toml\. Got .*which has none"):
        make(tmp_path)


def test_a_run_is_resumed_with_the_config_it_began_with(run: RunDirectory) -> None:
    run.add_results({"seconds": {"sample": 1.0}})
    assert RunDirectory.resume(run.path, CONFIG).results == run.results


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"seed": 4}, r"seed than"),
        ({"network": {"hidden": (8,), "activation": "relu"}}, r"network\.hidden than"),
        ({"data": {"name": "digits", "target": "age"}}, r"data\.target than"),
        ({"posterior": {"prior_std": 1.0}, "seed": 4}, r"posterior\.prior_std, seed than"),
    ],
)
def test_another_config_is_refused_and_what_differs_is_named(
    run: RunDirectory, change, names
) -> None:
    with pytest.raises(StoreError, match=rf"Got other values for {names} in .*config\.toml"):
        RunDirectory.resume(run.path, CONFIG | change)


def test_resuming_removes_what_was_left_unfinished_and_nothing_else(run: RunDirectory) -> None:
    samples = Samples({"w": np.ones((1, 2, 3))})
    save_samples(run.samples("hmc"), samples)
    SampleWriter(run.samples("ensemble")).append(samples)
    run.alignment("hmc").write_text("whole")
    left = run.alignment("hmc").with_name("hmc.safetensors.partial")
    left.write_text("half")
    RunDirectory.resume(run.path, CONFIG)
    assert run.samples("hmc").exists()
    assert not run.samples("ensemble").exists()
    assert run.alignment("hmc").read_text() == "whole"
    assert not left.exists()


def test_results_are_merged_key_by_key(run: RunDirectory) -> None:
    run.add_results({"seconds": {"sample": 1.0}, "curve": [1, 2], "deep": {"a": {"x": 1}}})
    run.add_results({"seconds": {"align": 2.0}, "curve": [3], "deep": {"a": {"y": 2}}})
    assert run.results == {
        "seconds": {"sample": 1.0, "align": 2.0},
        "curve": [3],
        "deep": {"a": {"x": 1, "y": 2}},
    }


leaves = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none()
trees = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    leaves | st.dictionaries(st.text("abc", min_size=1, max_size=2), leaves, max_size=3),
    max_size=3,
)


@given(trees)
def test_adding_the_same_results_again_changes_nothing(tmp_path_factory, found) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("run"), CONFIG)
    run.add_results(found)
    assert run.results == found
    run.add_results(found)
    assert run.results == found


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_results_that_json_cannot_hold_are_refused_and_the_old_ones_stay(
    run: RunDirectory, bad: float
) -> None:
    run.add_results({"nll": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.add_results({"nll": bad})
    assert run.results == {"nll": 1.0}
    assert not list(run.path.glob("*.partial"))


def test_a_step_is_done_once_its_seconds_are_known_until_it_is_forgotten(
    run: RunDirectory,
) -> None:
    assert not run.is_done("sample")
    run.forget("sample")
    run.add_results({"seconds": {"sample": 0.0, "align": 1.0}, "nll": 1.0})
    assert run.is_done("sample")
    run.forget("sample")
    assert not run.is_done("sample")
    assert run.results == {"seconds": {"align": 1.0}, "nll": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.toml", "seed = ", r"config\.toml must be TOML\. Got: "),
        ("results.json", '{"nll": ', r"results\.json must be JSON\. Got: .*Delete it"),
    ],
)
def test_damaged_files_are_named(run: RunDirectory, name, text, message) -> None:
    (run.path / name).write_text(text)
    with pytest.raises(StoreError, match=message):
        _ = run.config, run.results


def test_everything_of_a_run_has_its_place(run: RunDirectory) -> None:
    places = {
        run.samples("hmc"): "samples/hmc.zarr",
        run.alignment("hmc"): "alignment/hmc.safetensors",
        run.compact("vi"): "compact/vi.safetensors",
        run.figure("trade-off"): "figures/trade-off.png",
        run.report: "report.html",
    }
    for path, expected in places.items():
        assert str(path.relative_to(run.path)) == expected
        assert path.parent.is_dir()


def test_results_are_readable_json_that_ends_in_a_newline(run: RunDirectory) -> None:
    run.add_results({"nll": 1.0})
    text = (run.path / "results.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"nll": 1.0}


def test_texts_are_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "first")
    write_text(str(tmp_path / "page.html"), "second")
    assert (tmp_path / "page.html").read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_a_folder_that_is_new_or_empty_is_free(run: RunDirectory, tmp_path: Path) -> None:
    RunDirectory.check_free(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(StoreError, match="new or empty folder.*another run"):
        RunDirectory.check_free(run.path)
