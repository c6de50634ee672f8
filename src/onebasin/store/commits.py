"""The commit record of a store: what is written for good, and what its files must be.

The record is one attribute of the store's root, in the file `zarr.json`. Zarr takes any other file
beside the groups for a damaged one. The record replaces the one before as a whole, and carries its
own SHA-256.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from onebasin.store.arrays import HEADER, Header, rendered, with_draws
from onebasin.store.errors import StoreError
from onebasin.store.files import write_bytes


@dataclass(frozen=True)
class Commit:
    """What a store held when it was last written to.

    `sha256` has the SHA-256 of every file that is no chunk, by its path within the store. Headers
    of arrays count as if they had `num_draws` draws: those on the disk are older while draws
    come. `sampling` says which sampling the draws are of, for `sample`. `state_file` is the path
    of the state by which that sampling goes on.
    """

    num_draws: int = 0
    is_complete: bool = False
    sha256: Mapping[str, str] = field(default_factory=dict)
    sampling: Mapping[str, str] = field(default_factory=dict)
    state_file: str | None = None


def sha256(content: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def check_folder(path: Path) -> None:
    """Raise StoreError if the path of a store is that of a file."""
    if path.exists() and not path.is_dir():
        raise StoreError(
            f"A sample store is a folder. Got {path}, which is a file. Name another path."
        )


def is_of_others(path: Path) -> bool:
    """Whether a folder is a Zarr store of another library: a group without any part of a record."""
    try:
        attributes = json.loads((path / HEADER).read_bytes())["attributes"]
    except (OSError, ValueError, TypeError, KeyError):  # no file, no JSON, or other JSON
        return (path / ".zgroup").is_file() or (path / ".zmetadata").is_file()  # Zarr 2
    return isinstance(attributes, dict) and not attributes.keys() & {"commit", "checksum"}


def read_commit(path: Path) -> Commit | None:
    """The last commit of the store at a path. None if there is no record.

    Raises: StoreError if the record is damaged, the store is another library's, or the path is
    that of a file.
    """
    check_folder(path)
    if is_of_others(path):
        raise StoreError(
            f"A sample store must be one that onebasin wrote. Got {path}, a Zarr store of another "
            "library. Read it by ob.from_arviz(path)."
        )
    record = path / HEADER
    if not record.is_file():
        return None
    try:
        content = record.read_bytes()
        commit = Commit(**json.loads(content)["attributes"]["commit"])
    except (ValueError, TypeError, KeyError):  # errors of what is no JSON, and of other JSON
        content, commit = b"", Commit()
    if content != _rendered(commit):
        raise StoreError(
            f"The record of a sample store must be as it was written. Got {record}, which is "
            "damaged or was written by something else. Restore the file, or delete the store and "
            "sample again."
        )
    return commit


def write_commit(path: Path, commit: Commit) -> None:
    """Make a commit the last one of the store at a path."""
    write_bytes(path / HEADER, _rendered(commit))


def _rendered(commit: Commit) -> bytes:
    attributes: dict[str, Any] = {"commit": asdict(commit)}
    attributes["checksum"] = sha256(json.dumps(attributes, sort_keys=True).encode())
    root = {"attributes": attributes, "node_type": "group", "zarr_format": 3}
    return json.dumps(root, indent=2, sort_keys=True).encode()


def read_file(path: Path, name: str, commit: Commit) -> bytes:
    """The content of a file of a store that is no chunk, as it was committed.

    Raises: StoreError, which names the file.
    """
    content = _read(path / name)
    _check(path / name, content, commit.sha256.get(name))
    return content


def read_header(path: Path, folder: str, commit: Commit) -> Header:
    """The header of an array as it was committed. That on the disk may have other draws.

    Raises: StoreError, which names the file.
    """
    name = f"{folder}/{HEADER}"
    try:
        header = with_draws(json.loads(_read(path / name)), commit.num_draws)
    except (ValueError, TypeError, AttributeError) as error:  # no JSON, or other JSON
        raise _damaged(path / name, str(error)) from error
    _check(path / name, rendered(header), commit.sha256.get(name))
    return header


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error


def _check(path: Path, content: bytes, wanted: str | None) -> None:
    if sha256(content) != wanted:
        raise _damaged(path, "another SHA-256 than the record has")


def _damaged(path: Path, got: str) -> StoreError:
    return StoreError(
        f"Every file of a sample store must be as it was written. Got {path}: {got}. Restore the "
        "file, or sample again."
    )
