"""Environments of the peers: made when first needed, in a folder that git ignores."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
FOLDER = _HERE.parents[1] / ".venv-peers"

PEERS = {"rebasin": "rebasin", "sinkhorn-rebasin": "sinkhorn"}
"""The packages, and what their environments, requirements and scripts are called."""


class PeerError(Exception):
    """A peer cannot be installed or fails. The message is one line that says why."""


def align_in_environment(
    package: str, pair: Path, result: Path, *, num_threads: int, repeats: int
) -> float:
    """Align a pair in a file with a peer and write what it makes of the second network.

    Args:
        package: The peer's name on PyPI.
        pair: The file with both networks.
        result: Where the aligned network is written to.
        num_threads: How many threads PyTorch and BLAS may use.
        repeats: How many times the pair is aligned.

    Returns:
        The least seconds of all repeats.

    Raises:
        PeerError: If the peer fails, or its environment is not there and cannot be made.
    """
    python, script = _python_of(package), _HERE / f"align_with_{PEERS[package]}.py"
    # Paths of this environment's packages would hide those of the peer's.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    arguments = [str(pair), str(result), str(num_threads), str(repeats)]
    told = _told(
        [str(python), str(script), *arguments],
        "failed",
        {**env, "OMP_NUM_THREADS": str(num_threads)},
    )
    return json.loads(told.splitlines()[-1])["seconds"]


def _python_of(package: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not as required."""
    folder = FOLDER / PEERS[package]
    python, ready = folder / "bin" / "python", folder / ".ready"
    required = _HERE / f"requirements-{PEERS[package]}.txt"
    if not ready.is_file() or ready.read_text() != required.read_text():
        _install(folder, python, required)
        ready.write_text(required.read_text())
    return python


def _install(folder: Path, python: Path, required: Path) -> None:
    print(f"Installing {required.stem.removeprefix('requirements-')} in {folder}", file=sys.stderr)
    # The list names every package. What the peers ask for would take other releases of PyTorch.
    install = ["install", "--quiet", "--no-deps", "--requirement", str(required)]
    try:
        _told([sys.executable, "-m", "venv", "--clear", str(folder)], "not installed")
        _told([str(python), "-m", "pip", "--disable-pip-version-check", *install], "not installed")
    except PeerError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _told(command: list[str], trouble: str, env: dict[str, str] | None = None) -> str:
    """What a command prints.

    Raises: PeerError with the trouble and the error that the command told last.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        errors = [line for line in lines if line.startswith("ERROR")]
        raise PeerError(f"{trouble}: {(errors or lines)[-1].removeprefix('ERROR: ')}")
    return done.stdout
