"""Samples on disk: Zarr in ArviZ's schema, written whole or chunk by chunk.

A store has the groups `posterior` and `sample_stats` with dimensions (chain, draw). A variable is a
leaf of the params or a statistic of the sampler. It is named by the path of the leaf, with dots
instead of slashes, and has the path itself as an attribute. The record of the last commit says how
many draws there are, and whether the store is whole.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onebasin import _trees
from onebasin._stored_array import StoredArray
from onebasin.samples import Samples
from onebasin.store.arrays import HEADER, open_array
from onebasin.store.commits import Commit, read_commit, read_file, read_header
from onebasin.store.errors import StoreError
from onebasin.store.variables import DRAWS, STATS, Dims
from onebasin.store.writer import SampleWriter
from onebasin.types import Params


def save_samples(path: Path | str, samples: Samples, dims: Dims | None = None) -> None:
    """Write samples to a new Zarr store in ArviZ's schema, all at once.

    `last_state` is not written. `SampleWriter` writes samples chunk by chunk, and explains `dims`.

    Raises:
        ValueError: If `dims` do not fit the params.
        StoreError: If there is something at the path already, a store cannot hold a leaf, or the
            disk takes no more.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> ob.load_samples("hmc.zarr").num_chains
        2
    """
    writer = SampleWriter(path, dims)
    writer.append(samples)
    writer.finish()


def load_samples(path: Path | str, like: Params | None = None) -> Samples:
    """The samples of a store that `save_samples` or `SampleWriter` wrote, without reading draws.

    Leaves and statistics are stored arrays: they read the chunks that an index needs, when it needs
    them. `load_samples(path).load()` has everything in memory.

    Their params are nested dicts by path. With `like`, params of one network, they are shaped like
    it, which lists and other nodes need, and a store of another network is refused.

    Raises:
        StoreError: If the store is missing or unfinished, or its arrays have other paths or
            shapes than those of `like`, or a file of it is lost, or a header is damaged. A chunk
            that is damaged raises it when it is read.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> again = ob.load_samples("hmc.zarr", like=params)
        >>> again.params["out"]["bias"].shape  # (chain, draw, classes)
        (2, 10, 10)
        >>> again.draw(0, 3)["out"]["bias"].shape  # reads the chunks that hold this draw
        (10,)
    """
    path = Path(path)
    return _load(path, whole_commit(path), like)


def load_committed(path: Path, like: Params) -> Samples:
    """The samples of the last commit of a store, finished or not, without reading draws.

    Raises: StoreError, as `load_samples` does.
    """
    return _load(path, read_commit(path) or Commit(), like)


def _load(path: Path, commit: Commit, like: Params | None) -> Samples:
    _check_files(path, commit)
    leaves = _open_group(path, DRAWS, commit)
    if like is not None:
        _check_network(path, leaves, like)
    return Samples(_trees.rebuild(leaves, like), _open_group(path, STATS, commit))


def _check_files(path: Path, commit: Commit) -> None:
    """Raise StoreError if a header is damaged, or a file that is no chunk is lost."""
    for name in commit.sha256:
        if name.endswith(HEADER):
            read_file(path, name, commit)
        elif not (path / name).is_file():
            raise StoreError(
                f"Every file of a sample store must be there. Got none at {path / name}. Restore "
                "the file, or sample again."
            )


def _open_group(path: Path, group: str, commit: Commit) -> dict[str, StoredArray]:
    """The arrays of a group by the path of their leaf, without coordinates."""
    found = {}
    for name in commit.sha256:
        folder = name.removesuffix(f"/{HEADER}")
        if folder.startswith(f"{group}/"):
            header = read_header(path, folder, commit)
            array = open_array(path / folder, header)
            if "path" in header["attributes"]:
                found[header["attributes"]["path"]] = array
    return found


def is_whole(path: Path | str) -> bool:
    """Whether there is a store at the path, and it was finished.

    Raises:
        StoreError: If the record of the store is damaged.
    """
    commit = read_commit(Path(path))
    return commit is not None and commit.is_complete


def num_committed(path: Path | str) -> int | None:
    """How many draws of each chain a store holds, finished or not. None if there is no store.

    Raises:
        StoreError: If the record of the store is damaged.
    """
    commit = read_commit(Path(path))
    return None if commit is None else commit.num_draws


def delete_unfinished(path: Path | str) -> None:
    """Delete what an interrupted write left at the path.

    A whole store is never deleted, nor one that `sample` goes on with.

    Raises:
        StoreError: If the record of the store is damaged.
    """
    path = Path(path)
    commit = read_commit(path) or Commit()
    if path.exists() and not commit.is_complete and not commit.sampling:
        shutil.rmtree(path)


def whole_commit(path: Path) -> Commit:
    """The last commit of a whole store.

    Raises: StoreError if there is no store at the path, or it was not finished.
    """
    if not path.exists():
        raise StoreError(
            f"A sample store must exist. Got none at {path}. "
            "Write it by save_samples, or mend the path."
        )
    commit = read_commit(path)
    if commit is None or not commit.is_complete:
        raise StoreError(
            f"A sample store must be finished before it is read. Got {path}, which an interrupted "
            "run left half-written. Resume the run, or delete the store and sample again."
        )
    return commit


def _check_network(path: Path, leaves: Mapping[str, StoredArray], like: Params) -> None:
    """Raise StoreError unless arrays (chain, draw, ...) by path are draws of params `like`."""
    wanted = _trees.named_leaves(like)
    if leaves.keys() != wanted.keys():
        raise StoreError(
            f"A sample store must hold the arrays of `like`. {_trees.difference(leaves, wanted)} "
            f"Was {path} drawn with another config?"
        )
    for name, leaf in wanted.items():
        if leaves[name].shape[2:] != np.shape(leaf):
            raise StoreError(
                f"A sample store must hold arrays shaped like those of `like`, {np.shape(leaf)} "
                f"at {name!r}. Got {leaves[name].shape[2:]}. "
                f"Was {path} drawn with another config?"
            )
