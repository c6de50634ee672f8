"""Runs that are killed, run out of disk, or are begun twice: nothing is lost or taken for whole."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from changed_results import with_changes
from tiny_runs import ONEBASIN, results_of, tiny_changes

from onebasin.run.begin import open_run
from onebasin.run.check import check_files
from onebasin.run.config import RunConfig
from onebasin.run.results import STEPS, Results
from onebasin.run.run import take_step
from onebasin.run.run_directory import RunDirectory, writing
from onebasin.run.setup import set_up
from onebasin.run.status import status
from onebasin.store import StoreError, load_samples
from onebasin.store.draws import num_committed

pytestmark = pytest.mark.slow

NUM_KILLS = 100
_BEGIN = [str(ONEBASIN), "run", "diabetes", *(f"--set={one}" for one in tiny_changes("diabetes"))]


def go_on(out: Path, log: Path) -> subprocess.Popen[bytes]:
    """The command that begins the run, or goes on with it. What it says goes to a file."""
    has_begun = (out / "config.toml").exists()
    command = [str(ONEBASIN), "resume", str(out)] if has_begun else [*_BEGIN, "--out", str(out)]
    with log.open("wb") as said:
        return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)


def phase_of(log: Path) -> str:
    """What a command said last that it was doing: `aligning`, `drawing figures` and others."""
    said = log.read_text("utf-8", errors="replace").splitlines()
    phases = [found[1] for line in said if (found := re.match(r"(.+?) \d+%", line))]
    return phases[-1] if phases else "imports"


def kill_after(process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Kill a command some seconds after it said what it does, unless it ends before.

    A negative number: so many seconds after it began.
    """
    while seconds > 0 and process.poll() is None and not log.stat().st_size:
        time.sleep(0.01)
    try:
        process.wait(abs(seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def without_seconds(run: RunDirectory) -> Results:
    steps = {step: {"seconds": 0.0} for step in STEPS}
    return with_changes(results_of(run), steps | {"report_seconds": None})


def assert_same(found: RunDirectory, wanted: RunDirectory) -> None:
    """That two runs have the same draws to the bit, and the same results but for times."""
    for store in (wanted.path / "samples").glob("*.zarr"):
        ours, theirs = load_samples(found.path / "samples" / store.name), load_samples(store)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert without_seconds(found) == without_seconds(wanted)


def assert_nothing_damaged(out: Path) -> None:
    """That all files are whole, but that results.json may be without some steps."""
    if (out / "config.toml").exists():
        faulty = {found.name: found.state for found in check_files(out) if found.is_faulty}
        assert faulty.keys() <= {"results.json", "manifest.json"}, faulty
        assert faulty.get("results.json", "without").startswith("without"), faulty
        assert faulty.get("manifest.json", "missing") == "missing"


@pytest.mark.long
@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_a_run_that_is_killed_at_random_instants_is_as_one_that_was_never_killed(
    run: RunDirectory, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(0)
    longest = max(results_of(run).seconds.values())
    out, log, phases, known = tmp_path / "run", tmp_path / "log", Counter[str](), 0
    while sum(phases.values()) < NUM_KILLS:
        is_drawing = log.exists() and phase_of(log) == "drawing figures"
        process = go_on(out, log)
        if is_drawing:  # it was killed there; else most kills would be
            process.wait()
        else:
            seconds = 1.3 * longest * rng.random() ** 2
            kill_after(process, log, -seconds if rng.random() < 0.1 else seconds)
        now = num_committed(out / "samples" / "hmc.zarr") or 0
        assert now >= known, "committed draws were lost"
        known = now
        assert_nothing_damaged(out)
        if process.returncode == 0:
            assert_same(RunDirectory(out), run)
            shutil.rmtree(out)
            log.unlink()
            known = 0
        else:
            assert process.returncode == -9, log.read_text("utf-8")
            phases[f"kills while: {phase_of(log)}"] += 1
    assert go_on(out, log).wait() == 0, log.read_text("utf-8")
    assert_same(RunDirectory(out), run)
    record_property("counted", dict(phases))
    told = " ".join(phases)
    assert all(what in told for what in ("HMC", "refining", "drawing figures"))


@pytest.fixture
def copy(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    shutil.copytree(run.path, tmp_path / "copy")
    return RunDirectory(tmp_path / "copy")


def refused(*arguments: object) -> str:
    """The one line by which the real command refuses something."""
    done = subprocess.run([ONEBASIN, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("onebasin: ")] == lines[-1:]
    assert "Traceback" not in done.stderr
    return lines[-1]


@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_a_second_process_is_refused_at_every_step_until_the_first_has_ended(
    copy: RunDirectory, config: RunConfig
) -> None:
    setup = set_up(config)
    before = {file: file.read_bytes() for file in copy.path.rglob("*") if file.is_file()}
    with writing(copy.path):
        for step in STEPS:
            with pytest.raises(StoreError, match="One process at a time may write to a run"):
                take_step(copy, step, setup)
        for again in (False, True):
            with pytest.raises(StoreError, match="One process at a time may write to a run"):
                open_run(copy.path, setup, again=again)
        assert not any(found.is_faulty for found in check_files(copy.path))
        assert status(copy)[-1] == "report: written"
    assert {file: file.read_bytes() for file in before} == before
    open_run(copy.path, setup)


@pytest.mark.long
@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_the_command_is_refused_while_another_writes_to_the_run(
    copy: RunDirectory, tmp_path: Path
) -> None:
    copy.save_results(results_of(copy).with_step("summarize", None))
    log = tmp_path / "log"
    with go_on(copy.path, log) as first:
        while not log.stat().st_size:
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # in the middle of a step after sampling
        try:
            for arguments in (["resume"], ["step", "sample", "--again"], ["step", "summarize"]):
                assert "One process at a time" in refused(*arguments, copy.path)
        finally:
            first.send_signal(signal.SIGCONT)
        assert first.wait() == 0


def test_a_run_that_ended_before_its_config_was_written_begins_again(
    config: RunConfig, tmp_path: Path
) -> None:
    setup = set_up(config)
    begun = open_run(tmp_path / "run", setup)
    for name in ("config.toml", "manifest.json"):
        (begun.path / name).unlink()
    assert {file.name for file in begun.path.iterdir()} == {"key.json", "lock"}
    RunDirectory.check_free(begun.path)
    again = open_run(begun.path, setup)
    (again.path / "manifest.json").unlink()  # as if it had ended after the config
    again = open_run(begun.path, setup)
    found = {state.name: state.state for state in check_files(again.path)}
    assert found.pop("results.json").startswith("without sample")
    assert found == dict.fromkeys(["manifest.json", "config.toml", "key.json"], "whole")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system of 20 MB needs root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_a_run_on_a_full_disk_goes_on_once_there_is_room(run: RunDirectory, disk: Path) -> None:
    filler, out, log = disk / "filler", disk / "run", disk.parent / "log"
    filler.write_bytes(bytes(19 * 2**20))
    for room in (300, 740, 1500, 2500):  # in kB: for some draws, for all, for figures, for the page
        os.truncate(filler, 20 * 2**20 - room * 2**10)
        assert go_on(out, log).wait() == 2
        assert re.search(r"\nonebasin: .* has room\. Got .*No space left.*", log.read_text("utf-8"))
        assert_nothing_damaged(out)
        assert not list(out.rglob("*.partial"))
    filler.unlink()
    assert go_on(out, log).wait() == 0, log.read_text("utf-8")
    assert_same(RunDirectory(out), run)


@pytest.mark.long
@pytest.mark.parametrize("config", ["diabetes"], indirect=True)
def test_a_run_on_a_disk_that_cannot_be_written_to_is_read_alone(
    run: RunDirectory, disk: Path
) -> None:
    out = disk / "run"
    shutil.copytree(run.path, out)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for arguments in (["resume"], ["step", "align", "--again"], ["step", "report"]):
        assert "can be written to" in refused(*arguments, out)
    for name in ("status", "check"):
        assert subprocess.run([ONEBASIN, name, str(out)], stdout=subprocess.DEVNULL).returncode == 0
