"""Two tiny finished runs: classes from two chains, and a regression from one."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from changed_results import with_changes

from onebasin.report.findings import Findings
from onebasin.run.run import open_setup
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup


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


def _report(run: RunDirectory) -> Report:
    """The page as the real command wrote it; tests leave the run as it is."""
    return Report(run, open_setup(run), run.report)


@pytest.fixture(scope="session")
def digits(finished_runs: Path) -> Report:
    """Images in ten classes, two chains."""
    return _report(RunDirectory(finished_runs / "digits"))


@pytest.fixture(scope="session")
def diabetes(finished_runs: Path) -> Report:
    """A table and its regression, one chain."""
    return _report(RunDirectory(finished_runs / "diabetes"))


@pytest.fixture(params=["digits", "diabetes"])
def report(request: pytest.FixtureRequest) -> Report:
    """Each of the two runs."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def changed_digits(digits: Report, tmp_path: Path) -> Callable[..., Report]:
    """Makes copies of the run of digits with other results."""
    return lambda **changes: digits.changed(tmp_path / "run", changes)
