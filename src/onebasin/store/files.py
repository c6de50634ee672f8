"""Files that are written whole or not at all, and are on the disk once they are written."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeAlias

File: TypeAlias = tuple[Path, tuple[bytes | memoryview, ...]]
"""The path of a file, and the parts of its content."""

_NUM_WAITING = 32
"""How many files are written to the disk at once."""


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, *parts: bytes | memoryview) -> None:
    """Write a file whole or not at all. When the function returns, the file is on the disk.

    The bytes go to a file of another name first, which then takes the name `path`. A reader sees
    the old file or the new one, never a part. A write that is cut off leaves the old file.

    Raises:
        OSError: If the disk refuses the file. The half that was written is deleted.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()  # a full disk needs the room
        raise
    sync_folder(path.parent)


def write_together(files: Iterable[File]) -> None:
    """Write files as `write_bytes` does. They wait for the disk together, not in a row."""
    rest = iter(files)
    with ThreadPoolExecutor(_NUM_WAITING) as pool:
        while batch := list(islice(rest, _NUM_WAITING)):
            list(pool.map(lambda file: write_bytes(file[0], *file[1]), batch))


def sync_folder(path: Path) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    if os.name != "posix":
        return  # Windows opens no folders
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
