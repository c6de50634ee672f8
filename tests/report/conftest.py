"""Two tiny finished runs: classes from two chains, and a regression from one."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from changed_results import with_changes

from onebasin.report import write_report
from onebasin.report.findings import Findings
from onebasin.run.run import open_setup
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup, silent

_MAKE = """
import sys
from pathlib import Path
from onebasin.run.begin import open_run
from onebasin.run.config import load_config
from onebasin.run.run import take_steps
from onebasin.run.setup import set_up

config = load_config(sys.argv[1], sys.argv[3:])
setup = set_up(config)
take_steps(open_run(Path(sys.argv[2]), setup), setup)
"""
_TINY = (
    "network.hidden=[12]",
    "hmc.num_draws=8",
    "hmc.num_warmup=4",
    "hmc.num_steps=5",
    "ensemble.num_members=2",
    "ensemble.num_steps=20",
    "vi.num_steps=20",
    "refinement.num_steps=20",
    "evaluation.num_gaussian_draws=8",
    "evaluation.kept=[1, 2, 4]",
    "evaluation.num_thinnings=3",
)
_RUNS = {
    "digits": ("hmc.num_chains=2", "compact.ranks=[2]"),
    "diabetes": ("hmc.num_chains=1", "compact.ranks=[]"),
}


class Report(NamedTuple):
    """A finished run, and the page written of it."""

    run: RunDirectory
    setup: Setup
    page: Path

    @property
    def findings(self) -> Findings:
        return Findings(self.run, self.setup)

    @property
    def html(self) -> str:
        return self.page.read_text()

    def changed(self, folder: Path, changes: Mapping[str, Any]) -> "Report":
        """A copy of the run with other results; its page is not written anew."""
        shutil.copytree(self.run.path, folder)
        run = RunDirectory(folder)
        run.save_results(with_changes(self.findings.results, changes))
        return Report(run, self.setup, run.report)


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RunDirectory]:
    """Images in ten classes from two chains, and a table and its regression from one chain.

    Processes that share the tests make them once, and copy them.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if hasattr(request.config, "workerinput") else own) / "report-runs"
    _make_once(shared)
    copies = tmp_path_factory.mktemp("runs")
    return {data: RunDirectory(shutil.copytree(shared / data, copies / data)) for data in _RUNS}


def _make_once(folder: Path) -> None:
    """Make the runs, or wait for whoever does. They are made side by side: most is compiling."""
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + 600
        while not (folder / "done").exists():
            assert time.monotonic() < until
            time.sleep(0.5)
        return
    # Tiny runs compile for longer than they run.
    quick = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, data, str(folder / data), *_TINY, *changes], env=quick
        )
        for data, changes in _RUNS.items()
    ]
    assert [command.wait(timeout=600) for command in commands] == [0, 0]
    (folder / "done").touch()


def _report(run: RunDirectory) -> Report:
    setup = open_setup(run)
    return Report(run, setup, write_report(run, setup, silent))


@pytest.fixture(scope="session")
def digits(runs: dict[str, RunDirectory]) -> Report:
    """Images in ten classes, two chains."""
    return _report(runs["digits"])


@pytest.fixture(scope="session")
def diabetes(runs: dict[str, RunDirectory]) -> Report:
    """A table and its regression, one chain."""
    return _report(runs["diabetes"])


@pytest.fixture(params=["digits", "diabetes"])
def report(request: pytest.FixtureRequest) -> Report:
    """Each of the two runs."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def changed_digits(digits: Report, tmp_path: Path) -> Callable[..., Report]:
    """Makes copies of the run of digits with other results."""
    return lambda **changes: digits.changed(tmp_path / "run", changes)
