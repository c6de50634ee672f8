"""Damaged runs: every flipped, lost or missing byte of a run is named, and none is read as data."""

import contextlib
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from damage import damaged
from tiny_runs import results_of

from onebasin.run.begin import open_run, restore
from onebasin.run.check import check_files
from onebasin.run.config import RunConfig
from onebasin.run.manifest import ALL_STEPS
from onebasin.run.results import STEPS
from onebasin.run.run import open_setup, take_step
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import set_up
from onebasin.run.status import status
from onebasin.store import StoreError, load_samples
from onebasin.store.draws import is_whole
from onebasin.store.tensors import load_tensors

pytestmark = pytest.mark.slow  # whole runs are made for these tests


@pytest.fixture
def copy(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    shutil.copytree(run.path, tmp_path / "copy")
    return RunDirectory(tmp_path / "copy")


def kind_of(file: Path) -> str:
    """What a file is: a chunk, or what its suffix or its name says."""
    if file.name.startswith("c."):
        return "state" if file.parent.name == "state" else "chunk"
    return file.suffix if file.suffix in (".safetensors", ".png") else file.name


def files_by_kind(run: RunDirectory) -> dict[str, list[Path]]:
    """All files of a run that hold something. A lock holds nothing."""
    kinds: dict[str, list[Path]] = {}
    for file in sorted(run.path.rglob("*")):
        if file.is_file() and file.stat().st_size:
            kinds.setdefault(kind_of(file), []).append(file)
    return kinds


def reader_of(run: RunDirectory, file: Path) -> Callable[[], Any]:
    """What reads a file for a step, a report or a status, or for a user."""
    store = next((folder for folder in file.parents if folder.suffix == ".zarr"), None)
    if store is not None:
        return lambda: load_samples(store)
    if file.suffix == ".safetensors":
        return lambda: load_tensors(file)
    if file.name == "results.json":
        return run.load_results
    return lambda: (run.check_intact(*ALL_STEPS), run.config)


def assert_never_other_data(read: Callable[[], Any], wanted: Any) -> None:
    """Reading a damaged file is an error, or gives exactly what was written."""
    with contextlib.suppress(StoreError):
        jax.tree.map(np.testing.assert_array_equal, read(), wanted)


@pytest.mark.parametrize(("seed", "count"), [(0, 20), pytest.param(1, 300, marks=pytest.mark.long)])
def test_damage_to_any_file_is_named_and_never_read(
    copy: RunDirectory, seed: int, count: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(seed)
    kinds = files_by_kind(copy)
    tried: Counter[str] = Counter()
    for trial in range(count):
        kind = sorted(kinds)[trial % len(kinds)]
        file = rng.choice(kinds[kind])
        read, content = reader_of(copy, file), file.read_bytes()
        wanted = read()
        file.write_bytes(damaged(content, rng))
        name = file.relative_to(copy.path).as_posix()
        faulty = [found for found in check_files(copy.path) if found.is_faulty]
        assert [found.name for found in faulty] == [name]
        assert "onebasin" in faulty[0].mend
        assert_never_other_data(read, wanted)
        file.write_bytes(content)
        tried[f"damages to {kind}"] += 1
    assert not [found for found in check_files(copy.path) if found.is_faulty]
    record_property("counted", dict(tried))


def test_the_kinds_of_files_that_are_damaged_are_all_that_a_run_has(run: RunDirectory) -> None:
    assert set(files_by_kind(run)) == {
        "manifest.json", "config.toml", "key.json", "results.json", "report.html",
        "zarr.json", "chunk", "state", ".safetensors", ".png",
        "predictions.csv",
    }  # fmt: skip


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_every_file_that_is_lost_is_named(copy: RunDirectory) -> None:
    for files in files_by_kind(copy).values():
        file = files[len(files) // 2]
        content = file.read_bytes()
        file.unlink()
        found = {state.name: state.state for state in check_files(copy.path) if state.is_faulty}
        assert found == {file.relative_to(copy.path).as_posix(): "missing"}
        file.write_bytes(content)


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_a_step_reads_no_damaged_file_of_an_earlier_step(copy: RunDirectory) -> None:
    setup = open_setup(copy)
    mends = {
        "compact/vi-unaligned.safetensors": "Delete results.json, and go on with `onebasin resume",
        "alignment/hmc.safetensors": f"`onebasin step align {copy.path} --again`; then",
        "compact/compact.safetensors": f"`onebasin step summarize {copy.path} --again`; then",
    }
    before = (copy.path / "results.json").read_bytes()
    for name, mend in mends.items():
        file = copy.path / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(StoreError, match=f"{name}, which is damaged") as raised:
            take_step(copy, "prune", setup)
        assert mend in str(raised.value)
        assert (copy.path / "results.json").read_bytes() == before
        file.write_bytes(content)


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_a_status_reads_no_damaged_file(copy: RunDirectory) -> None:
    for name in ("config.toml", "key.json", "results.json", "manifest.json"):
        content = (copy.path / name).read_bytes()
        (copy.path / name).write_bytes(content.replace(b"1", b"2", 1))
        with pytest.raises(StoreError, match=f"must be as it was written. Got .*{re.escape(name)}"):
            status(copy)
        (copy.path / name).write_bytes(content)
    assert status(copy)[-1] == "report: written"


@pytest.mark.parametrize("name", ["config.toml", "key.json"])
@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_the_config_that_a_run_began_with_restores_its_damaged_files(
    copy: RunDirectory, config: RunConfig, name: str
) -> None:
    content = (copy.path / name).read_bytes()
    (copy.path / name).write_bytes(content[:-9])
    restore(copy.path, set_up(config.model_copy(update={"seed": 3})))
    assert (copy.path / name).read_bytes() == content[:-9]
    restore(copy.path, set_up(config))
    assert (copy.path / name).read_bytes() == content


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_a_crash_between_the_manifest_and_the_results_leaves_a_step_that_is_not_done(
    copy: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    whole = results_of(copy)
    shorter = whole.with_step("summarize", None)
    for before, after in ((whole, shorter), (shorter, whole)):
        copy.save_results(before)
        with monkeypatch.context() as crashing:
            crashing.setattr("onebasin.run.run_directory.write_text", crash)
            with pytest.raises(KeyboardInterrupt):
                copy.save_results(after)
        assert [step for step in STEPS if copy.is_done(step)] == ["sample", "align"]
        faulty = [(found.name, found.state) for found in check_files(copy.path) if found.is_faulty]
        assert faulty == [("results.json", "without summarize, compare, prune, report")]


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_without_its_manifest_a_run_has_draws_alone(copy: RunDirectory, config: RunConfig) -> None:
    (copy.path / "manifest.json").unlink()
    assert not copy.is_done("sample")
    assert check_files(copy.path)[0].state == "missing"
    resumed = open_run(copy.path, set_up(config))
    assert not resumed.is_done("sample")
    assert is_whole(resumed.samples("ensemble"))
    assert check_files(copy.path)[0].state == "whole"


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_files_that_a_run_does_not_know_are_no_fault(copy: RunDirectory) -> None:
    (copy.path / "notes.txt").write_text("mine")
    found = {state.name: state for state in check_files(copy.path)}
    assert found["notes.txt"].state == "of no finished step"
    assert not any(state.is_faulty for state in found.values())
