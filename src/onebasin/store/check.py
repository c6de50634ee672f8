"""Which files of a store are damaged or lost, found by reading every byte of it."""

from collections.abc import Iterator
from pathlib import Path

from onebasin.store.arrays import HEADER, damaged_chunks
from onebasin.store.commits import Commit, read_commit, read_file, read_header
from onebasin.store.draws import whole_commit
from onebasin.store.errors import StoreError
from onebasin.store.writer import STATE


def check_samples(path: Path | str) -> None:
    """Read every byte of a store, a chunk at a time, to find damage.

    Raises:
        StoreError: If the store is missing or unfinished, or for the first file of it that is
            damaged or lost.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> ob.store.check_samples("hmc.zarr")
    """
    whole_commit(Path(path))
    for _, error in damaged_files(Path(path)):
        raise error


def damaged_files(path: Path) -> Iterator[tuple[Path, StoreError]]:
    """Every file of a store that is not as it was committed, and the error of reading it.

    The store may be unfinished. Files that the last commit does not count are not looked at.
    """
    try:
        commit = read_commit(path) or Commit()
    except StoreError as error:
        yield path / HEADER, error
        return
    for name in commit.sha256:
        folder = name.removesuffix(f"/{HEADER}")
        is_array = folder != name and "/" in folder
        try:
            header = read_header(path, folder, commit) if is_array else None
            if header is None:
                read_file(path, name, commit)
        except StoreError as error:
            yield path / name, error
            continue
        if header is not None and folder != STATE:
            yield from damaged_chunks(path / folder, header)
