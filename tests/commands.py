"""The command line: as the real command, and in this process, where nothing is imported anew."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from tiny_runs import ONEBASIN

from onebasin.cli import main


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the real command leaves and says."""
    return subprocess.run([ONEBASIN, *map(str, arguments)], capture_output=True, text=True)


def onebasin(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same, in this process, which forgets the modules of `cwd` afterwards."""
    printed, said, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        contextlib.chdir(cwd or Path.cwd()),
        patch.object(sys, "argv", ["onebasin", *map(str, arguments)]),
        patch.object(sys, "path", list(sys.path)),
    ):
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
        finally:
            _forget_modules_in(Path.cwd())
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), said.getvalue())


def _forget_modules_in(folder: Path) -> None:
    places = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    for name in [name for name, place in places.items() if place and Path(place).parent == folder]:
        del sys.modules[name]


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("onebasin: ")
    for word in words:
        assert word in lines[0], lines[0]
