"""Tiny runs of the main job: every step, in seconds."""

import subprocess
import sys
import time
from pathlib import Path

from onebasin.run.begin import open_run
from onebasin.run.config import RunConfig, load_config
from onebasin.run.results import Results
from onebasin.run.run import take_steps
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import set_up

ONEBASIN = Path(sys.executable).with_name("onebasin")
"""The real command."""

TINY = (
    "network.hidden=[12]",
    "method.num_draws=8",
    "method.most_draws=8",
    "method.num_warmup=4",
    "method.num_steps=5",
    "ensemble.num_members=2",
    "ensemble.num_steps=20",
    "vi.num_steps=20",
    "refinement.num_steps=20",
    "evaluation.num_gaussian_draws=8",
    "evaluation.num_thinnings=2",
    "evaluation.kept=[1, 2, 4, 99]",
    "evaluation.keeps=[1.0, 0.5, 0.2, 0.1]",
)
MORE = {
    "digits": ("method.num_chains=2", "method.thin=2", "compact.ranks=[2]"),
    "diabetes": ("method.num_chains=1", "method.start=map", "compact.ranks=[]"),
}
"""Images in ten classes from two chains; a table and its regression from one chain."""

PRINTED = "printed.txt"
_LONGEST_SECONDS = 600


def tiny_changes(name: str) -> tuple[str, ...]:
    """What makes the built-in config of a data set tiny."""
    return (*TINY, *MORE[name])


def tiny_config(name: str, *changes: str) -> RunConfig:
    return load_config(name, [*tiny_changes(name), *changes])


def take_all_steps(path: Path, config: RunConfig) -> RunDirectory:
    setup = set_up(config)
    run = open_run(path, setup)
    take_steps(run, setup)
    return run


def results_of(run: RunDirectory) -> Results:
    """The results of a run that has some."""
    found = run.load_results()
    assert found is not None
    return found


def make_finished_runs(folder: Path) -> None:
    """One run for each data set, by the real command, with what it printed beside it.

    If another process makes them already, wait until they are there.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        _wait_for(folder / "done")
        return
    commands = [_start(name, folder) for name in MORE]
    assert [command.wait(_LONGEST_SECONDS) for command in commands] == [0, 0], _printed(folder)
    (folder / "done").touch()


def _start(name: str, folder: Path) -> subprocess.Popen[bytes]:
    changes = [f"--set={change}" for change in tiny_changes(name)]
    arguments = [str(ONEBASIN), "run", name, "--out", str(folder / name), *changes]
    with (folder / f"{name}-{PRINTED}").open("wb") as printed:
        return subprocess.Popen(arguments, stdout=printed, stderr=subprocess.STDOUT)


def _wait_for(done: Path) -> None:
    until = time.monotonic() + _LONGEST_SECONDS
    while not done.exists():
        assert time.monotonic() < until, _printed(done.parent)
        time.sleep(0.5)


def _printed(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in folder.glob(f"*-{PRINTED}"))
