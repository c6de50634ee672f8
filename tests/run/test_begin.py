"""A run is of one config, of the same data and of one version, from its first step to its last."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import onebasin
from onebasin.run import run as module
from onebasin.run.begin import open_run
from onebasin.run.config import RunConfig, load_config
from onebasin.run.results import STEPS, DataSizes, SampleResults
from onebasin.run.run import take_step
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup, set_up
from onebasin.store import StoreError

SIZES = DataSizes(task="regression", num_features=2, train=1, validation=1, test=1)


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that samples in no time."""

    def sample(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> SampleResults:
        (run.path / "drawn").write_text(str(setup.dataset.train.inputs.sum()))
        return SampleResults(num_draws=4, data=SIZES)

    monkeypatch.setitem(module.TAKE, "sample", sample)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(40, 3)).round(4)
    path.write_text("a,b,yield\n" + "\n".join(",".join(map(str, row)) for row in rows))
    return path


@pytest.fixture
def config(table: Path) -> RunConfig:
    return load_config("diabetes", [f"data.name={table}", "network.hidden=[3]"])


@pytest.fixture
def run(config: RunConfig, tmp_path: Path) -> RunDirectory:
    """A run whose first step has been taken."""
    setup = set_up(config)
    found = open_run(tmp_path / "run", setup)
    take_step(found, "sample", setup)
    return found


def assert_refused(run: RunDirectory, setup: Setup, words: str) -> None:
    """Neither the next step, nor the same one again, nor going on: and nothing changes."""
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    for attempt in (
        lambda: take_step(run, "align", setup),
        lambda: take_step(run, "sample", setup),
        lambda: open_run(run.path, setup),
    ):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def edit(table: Path) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], "7.5,7.5,7.5", *lines[2:]]))


def test_data_that_were_edited_between_two_steps_are_refused(
    run: RunDirectory, config: RunConfig, table: Path
) -> None:
    text = table.read_text()
    edit(table)
    assert_refused(run, set_up(config), "data that has changed since")
    table.write_text(text)
    assert open_run(run.path, set_up(config)).is_done("sample")


def test_a_step_with_another_config_is_refused(run: RunDirectory, config: RunConfig) -> None:
    method = config.method.model_copy(update={"thin": 3})
    other = config.model_copy(update={"method": method})
    assert_refused(run, set_up(other), "method.thin 3 instead of 2")


def test_a_step_by_another_version_is_refused(
    run: RunDirectory, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = onebasin.__version__
    monkeypatch.setattr(onebasin, "__version__", "9.9.9")
    assert_refused(run, set_up(config), f"version 9.9.9 instead of {old}")


def test_a_folder_of_schema_2_is_refused(run: RunDirectory, config: RunConfig) -> None:
    for name in ("key.json", "manifest.json"):  # which schema 2 did not have
        (run.path / name).unlink()
    (run.path / "results.json").write_text(json.dumps({"schema": 2, "seconds": {"sample": 1.0}}))
    assert_refused(run, set_up(config), "an earlier version wrote it")
    with pytest.raises(StoreError, match="schema 4. Got schema 2"):
        run.is_done("sample")


def test_a_run_that_is_begun_again_takes_every_step_anew(
    run: RunDirectory, config: RunConfig, table: Path
) -> None:
    before = (run.path / "drawn").read_text()
    edit(table)
    setup = set_up(config)
    again = open_run(run.path, setup, again=True)
    assert not any(again.is_done(step) for step in STEPS)
    take_step(again, "sample", setup)
    assert (run.path / "drawn").read_text() != before


def test_a_run_that_was_moved_goes_on(run: RunDirectory, config: RunConfig, tmp_path: Path) -> None:
    shutil.move(run.path, tmp_path / "moved")
    assert open_run(tmp_path / "moved", set_up(config)).is_done("sample")


def test_a_folder_of_other_files_is_never_deleted(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    for again in (False, True):
        with pytest.raises(StoreError, match="holds other files"):
            open_run(tmp_path / "mine", set_up(config), again=again)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"
