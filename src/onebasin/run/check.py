"""check_files: which files of a run are as they were written, and which are damaged or missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from onebasin.run.manifest import (
    ALL_STEPS,
    BEGIN,
    DAMAGED,
    MANIFEST,
    MISSING,
    REPORT,
    RESULTS,
    SAMPLES,
    WHOLE,
    Manifest,
    is_in_store,
    load_manifest,
    mend,
    state_of,
)
from onebasin.run.results import STEPS, Results
from onebasin.run.run_directory import LOCK, RunDirectory
from onebasin.store.arrays import HEADER
from onebasin.store.check import damaged_files
from onebasin.store.errors import StoreError

UNKNOWN = "of no finished step"


class FileState(NamedTuple):
    """A file of a run: its path within the run, its state in words, and how it is mended."""

    name: str
    state: str
    mend: str = ""

    @property
    def is_faulty(self) -> bool:
        """Whether the file is damaged or missing. One that no step has recorded is not."""
        return self.state not in (WHOLE, UNKNOWN)


def check_files(run: Path) -> list[FileState]:
    """The state of every file of the run at a path, in the order in which they are written.

    A store that is whole is one line; of others, each damaged or missing file is one. If the
    manifest is damaged, stores alone can be checked.

    Raises: StoreError if there is no run at the path.
    """
    try:
        manifest = load_manifest(run)
    except StoreError as error:
        return [FileState(MANIFEST, DAMAGED, str(error)), *_stores(run, Manifest())]
    if not manifest.steps:
        RunDirectory(run)  # which raises an error if there is no run
        go_on = (
            f"Go on with `onebasin resume {run}`: draws are kept, and all other steps are repeated."
        )
        return [FileState(MANIFEST, MISSING, go_on), *_stores(run, manifest)]
    found = [FileState(MANIFEST, WHOLE)]
    for step in ALL_STEPS:
        for name, sha in manifest.steps.get(step, {}).items():
            if not is_in_store(name):
                found.append(_state(run, step, name, state_of(run / name, [sha])))
        if step == BEGIN:
            found += [_results(run, manifest), *_stores(run, manifest)]
    return found + list(_unknown(run, found))


def _state(run: Path, step: str, name: str, state: str) -> FileState:
    return FileState(name, state, "" if state == WHOLE else mend(run, step, name))


def _results(run: Path, manifest: Manifest) -> FileState:
    """The state of results.json: every step must be done."""
    path, done = run / RESULTS, set[str]()
    state = state_of(path, manifest.results)
    has_begun = bool(manifest.results) and (path.exists() or len(manifest.steps) > 1)
    if state == WHOLE:
        results = Results.from_json(path.read_text("utf-8"), str(path))
        done = results.seconds.keys() & manifest.steps.keys()
    elif has_begun:
        return _state(run, STEPS[0], RESULTS, state)
    missing = [step for step in (*STEPS, REPORT) if step not in done]
    if not missing:
        return FileState(RESULTS, WHOLE)
    go_on = f"Go on with `onebasin resume {run}`."
    return FileState(RESULTS, f"without {', '.join(missing)}", go_on)


def _stores(run: Path, manifest: Manifest) -> Iterator[FileState]:
    """The state of every store, or of each file of it that is damaged or missing."""
    recorded = {name: sha for name, sha in manifest.files.items() if is_in_store(name)}
    there = {f"{SAMPLES}/{path.name}/{HEADER}" for path in (run / SAMPLES).glob("*.zarr")}
    for record in sorted(there | recorded.keys()):
        store = (run / record).parent
        states = {
            file.relative_to(run).as_posix(): DAMAGED if file.exists() else MISSING
            for file, _ in damaged_files(store)
        }
        if record in recorded:
            states[record] = state_of(run / record, [recorded[record]])
        faulty = {name: state for name, state in states.items() if state != WHOLE}
        for name, state in (faulty or {store.relative_to(run).as_posix(): WHOLE}).items():
            yield _state(run, STEPS[0], name, state)


def _unknown(run: Path, known: list[FileState]) -> Iterator[FileState]:
    """Files outside of stores that no finished step has recorded."""
    names = {file.name for file in known} | {LOCK}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and name not in names and ".zarr/" not in name:
            yield FileState(name, UNKNOWN)
