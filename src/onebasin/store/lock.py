"""One process at a time writes to a store."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from onebasin.store.errors import StoreError


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of the store at a path, which need not exist yet.

    The kernel releases the lock if the process dies. On Windows there is no lock.

    Raises: StoreError if another process holds the lock, or the disk refuses the lock file.
    """
    lock = path / "sampler" / "state" / "lock"  # Zarr takes other files in a group for damaged ones
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        raise StoreError(
            f"A sample store must lie on a disk that can be written to and has room. Got {path}: "
            f"{error.strerror or error}. Mend the disk, or write elsewhere."
        ) from error
    with file:
        if os.name == "posix":
            _take(file.fileno(), path)
        yield


def _take(file: int, path: Path) -> None:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"One process at a time may draw samples into a store. Got {path}, into which another "
            "process draws. Wait until it ends, or name another store."
        ) from error
