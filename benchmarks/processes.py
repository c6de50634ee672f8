"""Functions in a process of their own, and how much memory a process holds, as Linux tells it.

`resource.getrusage` is no use here: the peak of a child begins at that of its parent.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PROCESS = Path("/proc/self")


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module returns in a new process, as JSON gives it back."""
    module, name = function.__module__, function.__name__
    code = f"import json; from {module} import {name}; print(json.dumps({name}(*{arguments!r})))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def held_megabytes() -> float:
    """The memory that this process holds now."""
    return _status("VmRSS")


def peak_megabytes() -> float:
    """The most memory that this process has held since it began or `forget_peak` was called."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Begin the peak anew at what this process holds now."""
    (_PROCESS / "clear_refs").write_text("5")


def _status(key: str) -> float:
    lines = (_PROCESS / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return 1024 * int(kilobytes) / 1e6
