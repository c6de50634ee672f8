"""Which files of a store are damaged or lost, by name: for `onebasin check`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onebasin.store.arrays import HEADER, Header, rendered
from onebasin.store.commits import Commit, read_commit, read_file, read_header
from onebasin.store.errors import StoreError

_OF_ZARR = (ValueError, TypeError, RuntimeError)
"""What Zarr raises for a chunk that is not as it was written."""


def damaged_files(path: Path) -> Iterator[tuple[Path, str]]:
    """Each file of the store at a path that is not as it was committed, and what is wrong with it.

    The store may be unfinished. Files that the last commit does not count are not looked at.
    """
    try:
        commit = read_commit(path) or Commit()
    except StoreError:
        yield path / HEADER, "damaged"
        return
    for name in commit.sha256:
        try:
            header = _read(path, name, commit)
        except StoreError:
            yield path / name, "damaged" if (path / name).exists() else "missing"
            continue
        if header is not None:
            yield from _damaged_chunks((path / name).parent, header)


def _read(path: Path, name: str, commit: Commit) -> Header | None:
    """Read a file that is no chunk. Returns the header of an array of draws if it is one."""
    folder = name.removesuffix(f"/{HEADER}")
    if "/" not in folder or folder == name:  # a group, or a state
        read_file(path, name, commit)
        return None
    header = read_header(path, folder, commit)
    return header if any(codec["name"] == "crc32c" for codec in header["codecs"]) else None


def _damaged_chunks(folder: Path, header: Header) -> Iterator[tuple[Path, str]]:
    import zarr
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    # Zarr reads chunks from memory, with the header that was committed: that on the disk may have
    # fewer draws.
    files: dict[str, Any] = {HEADER: Buffer.from_bytes(rendered(header))}
    array = zarr.open_array(MemoryStore(files), mode="r")
    places = {".".join(["c", *map(str, at)]): at for at in np.ndindex(array.cdata_shape)}
    there = [name for name in places if (folder / name).is_file()]
    yield from ((folder / name, "missing") for name in places if name not in there)
    files |= {name: Buffer.from_bytes((folder / name).read_bytes()) for name in there}
    try:
        np.asarray(array)
    except _OF_ZARR:  # some chunk is damaged
        yield from (
            (folder / name, "damaged") for name in there if not _is_whole(array, places[name])
        )


def _is_whole(array: Any, place: tuple[int, ...]) -> bool:
    try:
        array.get_block_selection(place)
    except _OF_ZARR:
        return False
    return True
