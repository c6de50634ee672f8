"""check_files: which files of a run exist, are complete, and fit its present config and data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin.alignment.align import Alignment
from onebasin.gaussians.gaussian import load_gaussian
from onebasin.run.begin import check_run
from onebasin.run.representations import (
    COMPACT,
    COMPACT_ENSEMBLE,
    DIRECT,
    REFINED,
    VI,
    low_rank,
)
from onebasin.run.results import STEPS
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup
from onebasin.store.draws import check_samples, load_samples

WHOLE, MISSING = "whole", "missing"

_PNG_BEGIN, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


class FileState(NamedTuple):
    """A file of a run: its path within the run, and its state in words."""

    name: str
    state: str

    @property
    def is_whole(self) -> bool:
        """Whether the file is complete and fits the run."""
        return self.state == WHOLE


def check_files(run: RunDirectory, setup: Setup) -> list[FileState]:
    """The state of every file that a finished run has, in the order in which they are written.

    A file is whole if it can be read to its end and fits the network of the present config. The
    state of `key.json` says whether the run began with the present config, data and version.
    """
    return [_state(run.path, path, read) for path, read in _files(run, setup)]


def _files(run: RunDirectory, setup: Setup) -> Iterator[tuple[Path, Callable[[Path], Any]]]:
    """Every file with a function that reads it. The function raises if the file cannot be read."""
    yield run.path / "key.json", lambda path: check_run(run.path, setup)
    for name in ("hmc", "ensemble"):
        yield run.samples(name), lambda path: _read_samples(path, setup)
    yield run.compact(VI.key_unaligned), lambda path: _read_gaussian(path, setup)
    for name in ("hmc", "ensemble", "vi"):
        yield run.alignment(name), lambda path: Alignment.load(path, setup.posterior.symmetry)
    ranks = [
        low_rank(rank, is_tempered=is_tempered).key
        for is_tempered in (True, False)
        for rank in setup.config.compact.ranks
    ]
    for name in (
        *(DIRECT.key, COMPACT.key, "null", REFINED.key),
        *(COMPACT_ENSEMBLE.key_unaligned, COMPACT_ENSEMBLE.key, VI.key),
        *ranks,
    ):
        yield run.compact(name), lambda path: _read_gaussian(path, setup)
    yield run.path / "results.json", lambda path: _read_results(run)
    for path in sorted((run.path / "figures").glob("*.png")):
        yield path, _read_figure
    yield run.report, _read_page


def _state(run: Path, path: Path, read: Callable[[Path], Any]) -> FileState:
    name = str(path.relative_to(run))
    if not path.exists():
        return FileState(name, MISSING)
    try:
        read(path)
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # errors of libraries
        return FileState(name, " ".join(str(error).split()))
    return FileState(name, WHOLE)


def _read_samples(path: Path, setup: Setup) -> None:
    check_samples(path)
    _check_finite(load_samples(path, setup.template).params)


def _read_gaussian(path: Path, setup: Setup) -> None:
    found, _ = load_gaussian(path, setup.template)
    _check_finite(found.mean)
    _check_finite(found.std)


def _check_finite(params: Any) -> None:
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise ValueError(
            "Weights must be finite. Got NaN or infinity: part of the file may be lost."
        )


def _read_results(run: RunDirectory) -> None:
    missing = [step for step in STEPS if not run.is_done(step)]
    if missing:
        raise ValueError(f"All steps must be done. These are not: {', '.join(missing)}.")


def _read_figure(path: Path) -> None:
    content = path.read_bytes()
    if not (content.startswith(_PNG_BEGIN) and content.endswith(_PNG_END)):
        raise ValueError("A figure must be a complete PNG file.")


def _read_page(path: Path) -> None:
    if not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError("The page must end with </html>.")
