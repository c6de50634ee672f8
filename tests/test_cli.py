"""The command line: what it prints, what it writes, and what it does with runs that are begun.

Runs and help are tried with the real command, all else in this process.
"""

import dataclasses
import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, command, onebasin
from tiny_runs import PRINTED, TINY, results_of, tiny_changes

from onebasin.run.config import BUILT_IN
from onebasin.run.results import STEPS, Step
from onebasin.run.run_directory import RunDirectory
from onebasin.store.commits import read_commit, write_commit
from onebasin.studies.names import STUDIES

OPTIONS = [f"--set={change}" for change in TINY]
DIGITS = [f"--set={change}" for change in tiny_changes("digits")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def finished_run(finished_runs: Path) -> Path:
    """The run directory that one whole `onebasin run digits` left; tests leave it as it is."""
    return finished_runs / "digits"


def without_seconds(out: Path) -> dict:
    """The results of a run, but for how long they took."""
    results = json.loads((out / "results.json").read_text())
    for step in STEPS:
        del results[step]["seconds"]
    return results | {"report_seconds": None}


def test_help_names_every_command_and_leaves_other_names_free():
    done = command("--help")
    assert done.returncode == 0
    lines = done.stdout.partition("Commands:")[2].strip().splitlines()
    commands = {
        "align", "report", "run", "resume", "status", "step", "check", "study", "symmetry",
        "merge", "prune",
    }  # fmt: skip
    assert {line.split()[0] for line in lines} == commands


def test_help_names_every_step_and_how_a_run_directory_is_made():
    done = command("step", "--help")
    assert done.returncode == 0
    for step in ("sample", "align", "summarize", "compare", "prune", "report"):
        assert step in done.stdout
    assert "onebasin step sample DIR --config CONFIG" in " ".join(done.stdout.split())


def test_help_names_every_study():
    done = command("study", "--help")
    assert done.returncode == 0
    for study in (*STUDIES, "paper"):
        assert study in done.stdout


def test_help_names_every_config():
    shown = "".join(command("run", "--help").stdout.split())  # lines break at hyphens too
    for name in BUILT_IN:
        assert f"{name}," in shown


def undo(out: Path, step: Step) -> None:
    """Make a step of a run one that is not done, with all steps after it."""
    run = RunDirectory(out)
    run.save_results(results_of(run).with_step(step, None))


def test_a_run_says_what_it_found_and_where_its_report_is(finished_run):
    printed = finished_run.with_name(f"digits-{PRINTED}").read_text("utf-8")
    assert "compact" in printed
    assert f"Report: {finished_run / 'report.html'}" in printed
    assert printed.count("HMC has not converged") == 2  # in the first line, and below the table


def test_that_hmc_has_not_converged_is_in_the_results(finished_run):
    diagnostics = json.loads((finished_run / "results.json").read_text())["summarize"][
        "diagnostics"
    ]
    assert diagnostics["warning"].startswith("HMC has not converged: ")


def test_a_run_writes_everything_it_promises(finished_run):
    assert (finished_run / "config.toml").is_file()
    assert (finished_run / "results.json").is_file()
    assert (finished_run / "report.html").is_file()
    assert list((finished_run / "figures").glob("*.png"))
    assert {p.stem for p in (finished_run / "samples").glob("*.zarr")} == {"hmc", "ensemble"}
    assert {p.stem for p in (finished_run / "alignment").iterdir()} == {"hmc", "ensemble", "vi"}
    assert not list(finished_run.rglob("*.partial"))


@pytest.mark.long
def test_the_steps_one_at_a_time_find_what_a_run_finds(finished_run, tmp_path):
    out = tmp_path / "steps"
    assert onebasin("step", "sample", out, "--config", "digits", *DIGITS).returncode == 0
    for step in ("align", "summarize", "compare", "prune", "report"):
        done = onebasin("step", step, out)
        assert done.returncode == 0, done.stderr
    assert without_seconds(out) == without_seconds(finished_run)


def test_a_step_waits_for_those_before_it(finished_run, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(finished_run, out)
    undo(out, "align")
    assert_refused(
        onebasin("step", "compare", out, "--again"), "needs the results of the step align"
    )


def test_a_step_is_taken_once(finished_run):
    assert_refused(onebasin("step", "prune", finished_run), "is done", "--again")


def test_a_run_never_overwrites_another(finished_run):
    before = (finished_run / "results.json").read_bytes()
    assert_refused(onebasin("run", "digits", "--out", finished_run, *DIGITS), "another run")
    assert (finished_run / "results.json").read_bytes() == before


@pytest.mark.long
def test_an_interrupted_run_is_refused_by_its_steps_and_ended_by_resume(finished_run, tmp_path):
    out = tmp_path / "interrupted"
    shutil.copytree(finished_run, out)
    (out / "results.json").unlink()
    store = out / "samples" / "hmc.zarr"
    commit = read_commit(store)
    write_commit(store, dataclasses.replace(commit, is_complete=False))
    (out / "compact" / "compact.safetensors.partial").write_bytes(b"half")
    assert_refused(onebasin("step", "align", out), "is not done", "onebasin step sample")
    assert_refused(
        onebasin("run", "digits", "--out", out, *DIGITS), "another run", "onebasin resume"
    )
    done = onebasin("run", "digits", "--out", out, "--resume", *DIGITS)
    assert done.returncode == 0, done.stderr
    assert without_seconds(out) == without_seconds(finished_run)
    assert not list(out.rglob("*.partial"))


def test_a_finished_run_has_the_status_of_one(finished_run):
    done = onebasin("status", finished_run)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("HMC has not converged: ")
    assert [line.split(":")[0] for line in lines[1:]] == [*STEPS, "report"]
    assert all(": done in " in line for line in lines[1:-1])
    assert lines[-1] == "report: written"


@pytest.mark.usefixtures("undrawn")
def test_a_run_goes_on_from_its_folder_alone(finished_run, tmp_path):
    out = tmp_path / "interrupted"
    shutil.copytree(finished_run, out)
    (out / "report.html").unlink()
    undo(out, "prune")
    lines = onebasin("status", out).stdout.splitlines()
    assert "prune: not done" in lines
    assert lines[-1] == f"Go on with `onebasin resume {out}`."
    done = onebasin("resume", out)
    assert done.returncode == 0, done.stderr
    assert f"Report: {out / 'report.html'}" in done.stdout
    assert without_seconds(out) == without_seconds(finished_run)


def test_the_status_of_an_interrupted_sampling_counts_its_draws(finished_run, tmp_path):
    out = tmp_path / "interrupted"
    shutil.copytree(finished_run, out)
    (out / "results.json").unlink()
    lines = onebasin("status", out).stdout.splitlines()
    assert lines[0] == "sample: not done, 8 of 8 draws of each chain of HMC are stored"
    shutil.rmtree(out / "samples")
    assert onebasin("status", out).stdout.splitlines()[0] == "sample: not done"


@pytest.mark.parametrize("arguments", [("run", "digits", "--out"), ("resume",), ("step", "prune")])
def test_ctrl_c_is_one_line_that_says_how_to_go_on(finished_run, tmp_path, arguments, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    if arguments[0] != "run":
        shutil.copytree(finished_run, out)
        undo(out, "prune")
    monkeypatch.setattr("onebasin.run.run.TAKE", dict.fromkeys(STEPS, interrupt))
    done = onebasin(*arguments, out, *(DIGITS if arguments[0] == "run" else ()))
    assert done.returncode == 130
    assert done.stderr.strip().endswith(f"Go on with `onebasin resume {out}`.")


def test_resuming_with_another_config_is_refused(finished_run):
    done = onebasin("run", "digits", "--out", finished_run, "--resume", "--seed", 5, *DIGITS)
    assert_refused(done, "seed 5 instead of 0")


def test_repeating_a_step_with_another_config_is_refused(finished_run, tmp_path):
    out = tmp_path / "other"
    shutil.copytree(finished_run, out)
    config = (out / "config.toml").read_text()
    (out / "config.toml").write_text(config.replace("    12,", "    32,"))
    assert (out / "config.toml").read_text() != config
    done = onebasin("step", "align", out, "--again")
    assert_refused(done, "config.toml, which is damaged, or changed", f"--out {out} --resume")


def files_in(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """A table that a run has drawn samples for, and that has been edited since."""
    rows = np.random.default_rng(0).normal(size=(60, 3)).round(4)
    lines = [",".join(map(str, row)) for row in rows]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["a,b,yield", *lines]))
    config = tmp_path / "own.toml"
    config.write_text(f'[data]\nname = "{table}"\n[network]\nhidden = [4]\n')
    done = onebasin("step", "sample", tmp_path / "own", "--config", config, *OPTIONS)
    assert done.returncode == 0, done.stderr
    table.write_text("\n".join(["a,b,yield", "9.5,9.5,9.5", *lines[1:]]))
    return tmp_path


@pytest.mark.long
def test_data_edited_between_two_steps_are_refused_until_the_run_is_begun_anew(own_data):
    out = own_data / "own"
    before = files_in(out)
    words = ("data that has changed since", f"onebasin step sample {out} --again")
    for arguments in (["step", "align", out], ["run", own_data / "own.toml", "--resume"]):
        done = onebasin(*arguments, *(["--out", out, *OPTIONS] if "run" in arguments else []))
        assert_refused(done, *words)
        assert files_in(out) == before
    assert_refused(onebasin("step", "sample", out), "is done", "--again")
    assert_refused(onebasin("step", "sample", out, "--seed", 3), "no --config")
    done = onebasin("step", "sample", out, "--again")
    assert done.returncode == 0, done.stderr
    assert files_in(out) != before
    assert (out / "config.toml").read_bytes() == before[out / "config.toml"]
    done = onebasin("step", "align", out)
    assert done.returncode == 0, done.stderr


def test_a_run_of_another_version_is_refused(finished_run, tmp_path, monkeypatch):
    out = tmp_path / "old"
    shutil.copytree(finished_run, out)
    old = importlib.import_module("onebasin").__version__
    monkeypatch.setattr("onebasin.__version__", "9.9.9")
    before = files_in(out)
    for step in ("align", "report"):
        done = onebasin("step", step, out, *(["--again"] if step == "align" else []))
        assert_refused(done, f"instead of {old}")
    assert_refused(
        onebasin("run", "digits", "--out", out, "--resume", *DIGITS), f"instead of {old}"
    )
    assert files_in(out) == before


def test_a_run_without_a_key_is_refused(finished_run, tmp_path):
    out = tmp_path / "old"
    shutil.copytree(finished_run, out)
    (out / "key.json").unlink()
    (out / "manifest.json").unlink()
    done = onebasin("step", "align", out, "--again")
    assert_refused(done, "key.json", "an earlier version wrote it")


def check(out: Path) -> tuple[int, dict[str, str], str]:
    """The exit code, the state of every file that is not whole, and the last line."""
    done = onebasin("check", out)
    states = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert "samples/ensemble.zarr" in states
    faulty = {name: state for name, state in states.items() if state != "whole"}
    assert len(done.stderr.strip().splitlines()) <= 1, done.stderr
    return done.returncode, faulty, done.stderr


def test_every_file_of_a_finished_run_is_whole(finished_run):
    before = files_in(finished_run)
    assert check(finished_run) == (0, {}, "")
    assert files_in(finished_run) == before


def test_files_that_are_missing_or_damaged_are_named(finished_run, tmp_path):
    out = tmp_path / "damaged"
    shutil.copytree(finished_run, out)
    (out / "alignment" / "vi.safetensors").unlink()
    chunk = "samples/hmc.zarr/posterior/out.bias/c.0.0.0"
    (out / chunk).unlink()
    cut = {"compact/vi.safetensors", "report.html", "results.json", "key.json"}
    cut.add(f"figures/{next((out / 'figures').glob('*.png')).name}")
    for name in cut:
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[: len(content) // 2])
    code, faulty, said = check(out)
    assert code == 2
    assert said.startswith("onebasin: All files of a run must be as they were written.")
    assert faulty.pop("alignment/vi.safetensors") == "missing"
    assert faulty.pop(chunk) == "missing"
    assert faulty == dict.fromkeys(cut, "damaged, or changed since it was written")


def test_a_check_knows_the_config_the_data_and_the_version_of_a_run(finished_run, monkeypatch):
    monkeypatch.setattr("onebasin.__version__", "9.9.9")
    code, faulty, said = check(finished_run)
    assert (code, faulty) == (2, {})
    assert "version 9.9.9 instead of" in said


def test_a_run_directory_that_is_none_is_refused(tmp_path):
    assert_refused(onebasin("step", "align", tmp_path), "config.toml")


def test_a_damaged_results_file_is_refused(finished_run, tmp_path):
    out = tmp_path / "damaged"
    shutil.copytree(finished_run, out)
    (out / "results.json").write_text('{"schema": 1, "sec')
    assert_refused(onebasin("step", "report", out), "results.json", "damaged", "onebasin resume")
