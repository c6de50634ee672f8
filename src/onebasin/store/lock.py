"""One process at a time writes to a store, or to another folder."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from onebasin.store.errors import StoreError


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of the store at a path, which need not exist yet.

    Raises: StoreError if another process holds the lock, or the disk refuses the lock file.
    """
    lock = path / "sampler" / "state" / "lock"  # Zarr takes other files in a group for damaged ones
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = take_lock(
            lock,
            f"One process at a time may draw samples into a store. Got {path}, into which another "
            "process draws. Wait until it ends, or name another store.",
        )
    except OSError as error:
        raise StoreError(
            f"A sample store must lie on a disk that can be written to and has room. Got {path}: "
            f"{error.strerror or error}. Mend the disk, or write elsewhere."
        ) from error
    with file:
        yield


def take_lock(lock: Path, busy: str) -> TextIOWrapper:
    """The lock file, opened, which is locked until it is closed.

    The kernel releases the lock if the process dies. On Windows there is no lock.

    Raises: StoreError with the message `busy` if another process holds the lock; OSError if the
    disk refuses the file.
    """
    file = lock.open("a")
    if os.name != "posix":
        return file
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StoreError(busy) from error
    return file
