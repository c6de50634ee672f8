"""SampleWriter: appends draws to a store, each append in one commit that survives any crash.

A commit writes whole new files first, then the record that counts them. Files that the last record
counts are never changed, but for the last chunk, which is replaced as a whole by one with more
draws if it was not full.
"""

import dataclasses
import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from onebasin import _trees
from onebasin.samples import Samples
from onebasin.store import arrays
from onebasin.store.arrays import HEADER, Header, encoded, new_header, rendered, with_draws
from onebasin.store.commits import (
    Commit,
    check_folder,
    read_commit,
    read_file,
    read_header,
    sha256,
    write_commit,
)
from onebasin.store.errors import StoreError
from onebasin.store.files import File, sync_folder, write_together
from onebasin.store.variables import DRAWS, Dims, Values, arrays_of
from onebasin.types import Array

STATE = "sampler/state"

_GROUP = b'{"attributes": {}, "node_type": "group", "zarr_format": 3}'


class SampleWriter:
    """Appends samples to a new store, chunk by chunk; `finish` marks the store as whole.

    For samplings that are too long to hold, or to lose if they are cut off. When `append` returns,
    the draws are on the disk, and no crash loses them: `SampleWriter.resume` goes on after them.
    `load_samples` refuses a store that was not finished. `num_draws` counts the draws of each chain
    written so far.

    A chunk of the store holds as many draws as the first samples that are appended, at most 4 MiB
    of all params. Later appends of as many draws are the fastest.

    Args:
        path: The folder of the store, which must be free.
        dims: Names for the axes of a leaf behind (chain, draw), by its path; `dims_of` gives those
            of hidden units. An axis with a name gets coordinates from 0. Default, and for None: the
            path and the number of the axis, such as `out.bias_dim_0`.

    Raises:
        StoreError: If there is something at the path already, or the disk takes no more.

    Examples:
        >>> writer = ob.store.SampleWriter("hmc.zarr", dims={"out/bias": ("class",)})
        >>> for _ in range(2):
        ...     writer.append(samples)
        >>> writer.finish()
        >>> ob.load_samples("hmc.zarr").num_draws
        20
    """

    def __init__(self, path: Path | str, dims: Dims | None = None):
        path = Path(path)
        check_folder(path)
        if not is_free(path):
            raise StoreError(
                f"The path of new samples must be free, because none are ever overwritten. "
                f"Got {path}, which exists. Delete it or write elsewhere."
            )
        self._begin(path, Commit(), dims)
        with self._told():
            path.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent)
            write_commit(path, self._commit)

    def _begin(self, path: Path, commit: Commit, dims: Dims | None) -> None:
        self.path, self._commit, self._dims = path, commit, dict(dims or {})
        self._headers: dict[str, Header] = {}
        self._tails: dict[str, np.ndarray] = {}  # the draws of last chunks that are not full

    @classmethod
    def resume(cls, path: Path | str, dims: Dims | None = None) -> "SampleWriter":
        """The writer of a store that exists, finished or not, which goes on after its last commit.

        `dims` are used if the store has no draws yet.

        Raises:
            StoreError: If there is no store, or a file of it is damaged.

        Examples:
            >>> ob.store.SampleWriter("hmc.zarr").append(samples)
            >>> writer = ob.store.SampleWriter.resume("hmc.zarr")  # in a later process, perhaps
            >>> writer.append(samples)
            >>> writer.num_draws
            20
        """
        path = Path(path)
        commit = read_commit(path)
        if commit is None:
            raise StoreError(
                f"A sample store must exist before it is resumed. Got none at {path}. "
                "Begin one by SampleWriter(path)."
            )
        writer = cls.__new__(cls)
        writer._begin(path, commit, dims)
        with writer._told():
            for partial in path.rglob("*.partial"):
                partial.unlink()
            writer._read_headers()
        return writer

    @property
    def num_draws(self) -> int:
        """How many draws of each chain are committed."""
        return self._commit.num_draws

    @property
    def is_complete(self) -> bool:
        """Whether the store was finished after the last draw."""
        return self._commit.is_complete

    @property
    def chunk_length(self) -> int | None:
        """How many draws of each chain a chunk holds. None before the first draw."""
        draws = self._headers.get(f"{DRAWS}/draw")
        return None if draws is None else arrays.chunk_length(draws)

    @property
    def sampling(self) -> Mapping[str, str]:
        """Which sampling the draws are of, as the last commit says. Empty if it does not."""
        return self._commit.sampling

    def append(self, samples: Samples) -> None:
        """Write samples after those written so far, of the same chains and the same leaves.

        Raises:
            StoreError: If the disk takes no more. What was committed before stays.
        """
        self.commit(samples)

    def commit(
        self,
        samples: Samples | None = None,
        state: Mapping[str, Array] | None = None,
        sampling: Mapping[str, str] | None = None,
    ) -> None:
        """Write samples, if there are any, and the state by which the sampling goes on.

        Args:
            samples: Draws that come after those written so far. Default: none.
            state: Arrays by name, as `state` gives them back. Default: none is kept.
            sampling: Which sampling the draws are of. Default: as in the commit before.
        """
        with self._told():
            digests, headers, files = dict(self._commit.sha256), dict(self._headers), []
            tails, num_draws, name = self._tails, self.num_draws, None
            if samples is not None:
                new = self._fitting(samples)
                if num_draws == 0:
                    headers |= _headers_of(new, samples)
                tails = {}
                files.append(self._chunks(new, headers, tails))
                num_draws += samples.num_draws
            if state is not None:
                name, content = self._with_state(state, headers)
                files.append([(self.path / name, (content,))])
                digests.pop(self._commit.state_file or "", None)
                digests[name] = sha256(content)
            self._make_folders(headers)
            write_together(file for part in [self._new_headers(headers), *files] for file in part)
            self._headers, self._tails = headers, tails
            for folder, header in headers.items():
                digests[f"{folder}/{HEADER}"] = sha256(rendered(with_draws(header, num_draws)))
                digests[f"{folder.partition('/')[0]}/{HEADER}"] = sha256(_GROUP)
            if sampling is None:
                sampling = self._commit.sampling
            self._write_commit(Commit(num_draws, False, digests, sampling, name))

    def state(self) -> dict[str, np.ndarray] | None:
        """The state of the last commit, by name. None if it has none."""
        from safetensors.numpy import load

        name = self._commit.state_file
        return None if name is None else load(read_file(self.path, name, self._commit))

    def finish(self) -> None:
        """Mark the store as whole, so that `load_samples` reads it."""
        with self._told():
            for state in (self.path / STATE).glob("c.*"):
                if state != self.path / (self._commit.state_file or ""):
                    state.unlink()  # the state before the last one
            self._write_headers()
            self._write_commit(dataclasses.replace(self._commit, is_complete=True))

    def _write_headers(self) -> None:
        """Bring the headers on the disk to the last commit."""
        headers = self._headers.items()
        write_together(
            (self.path / folder / HEADER, (rendered(with_draws(header, self.num_draws)),))
            for folder, header in headers
        )

    def _write_commit(self, commit: Commit) -> None:
        write_commit(self.path, commit)
        self._commit = commit

    @contextmanager
    def _told(self) -> Generator[None]:
        """Turn what the disk refuses into a StoreError."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"A sample store must lie on a disk that can be written to and has room. Got "
                f"{self.path}: {error.strerror or error}. All {self.num_draws} draws of each chain "
                "that were committed are intact. Mend the disk and go on, or write elsewhere."
            ) from error

    def _chunks(
        self, new: Mapping[str, Values], headers: Mapping[str, Header], tails: dict[str, np.ndarray]
    ) -> Iterator[File]:
        """The chunks of values behind the committed ones.

        The draws of last chunks that are not full enter `tails`.
        """
        for folder, (values, dims, _) in new.items():
            length, first = arrays.chunk_length(headers[folder]), 0
            if length is not None:
                axis = dims.index("draw")
                first, rest = divmod(self.num_draws, length)
                if rest:
                    values = np.concatenate([self._tail(folder, first * length), values], axis)
                whole = values.shape[axis] // length * length
                if whole < values.shape[axis]:
                    tails[folder] = np.array(values[(slice(None),) * axis + (slice(whole, None),)])
            for name, parts in encoded(headers[folder], values, first):
                yield self.path / folder / name, parts

    def _tail(self, folder: str, first_draw: int) -> np.ndarray:
        """The committed draws of the last chunk of an array, which is not full."""
        if folder in self._tails:
            return self._tails[folder]
        header = with_draws(self._headers[folder], self.num_draws)
        rows = [
            slice(first_draw if dim == "draw" else 0, None) for dim in header["dimension_names"]
        ]
        return arrays.open_array(self.path / folder, header)[tuple(rows)]

    def _make_folders(self, headers: Mapping[str, Header]) -> None:
        """Make the folders of arrays that have none yet."""
        new = headers.keys() - self._headers.keys()
        for folder in new:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        if new:
            sync_folder(self.path)

    def _new_headers(self, headers: Mapping[str, Header]) -> Iterator[File]:
        """The headers of arrays that are new or have changed, and of their groups.

        To write a group's header also puts the names of its new arrays on the disk.
        """
        new = [folder for folder in headers if headers[folder] != self._headers.get(folder)]
        for folder in new:
            yield self.path / folder / HEADER, (rendered(headers[folder]),)
        for group in {folder.partition("/")[0] for folder in new}:
            yield self.path / group / HEADER, (_GROUP,)

    def _with_state(
        self, state: Mapping[str, Array], headers: dict[str, Header]
    ) -> tuple[str, bytes]:
        """The path and the content of the file of a state, whose header enters `headers`.

        The file is in safetensors' format. It is the chunk of a Zarr array of bytes too, because
        Zarr takes other files in a group for damaged ones. Two states take turns.
        """
        from safetensors.numpy import save

        content = save({name: np.asarray(leaf, order="C") for name, leaf in state.items()})
        shape = [2, len(content)]
        if STATE not in headers or headers[STATE]["shape"] != shape:
            values, dims = np.broadcast_to(np.uint8(0), shape), ("slot", "byte")
            headers[STATE] = new_header(values, dims, (1, shape[1]), {}, has_checksums=False)
        slot = 1 if self._commit.state_file == f"{STATE}/c.0.0" else 0
        return f"{STATE}/c.{slot}.0", content

    def _fitting(self, samples: Samples) -> dict[str, Values]:
        """The arrays of samples that come after the committed ones.

        Raises: StoreError unless they are of the leaves, shapes and dtypes of those before.
        """
        new = arrays_of(samples, self._dims, self.num_draws)
        known = {
            folder: (header["data_type"], tuple(with_draws(header, 0)["shape"]))
            for folder, header in self._headers.items()
            if "draw" in header["dimension_names"]
        }
        kinds = {folder: values.kind for folder, values in new.items()}
        for folder in known.keys() | kinds.keys() if self.num_draws else ():
            if known.get(folder) != kinds.get(folder):
                raise StoreError(
                    f"Samples must have the arrays of those before, {known.get(folder, 'none')} "
                    f"for {folder!r}. Got {kinds.get(folder, 'none')}. Write them to another store."
                )
        return new

    def _read_headers(self) -> None:
        """Read the headers of all arrays, and bring those on the disk to the last commit."""
        for name in self._commit.sha256:
            folder = name.removesuffix(f"/{HEADER}")
            if folder == name or "/" not in folder:
                continue
            self._headers[folder] = read_header(self.path, folder, self._commit)
        self._write_headers()


def _headers_of(new: Mapping[str, Values], samples: Samples) -> dict[str, Header]:
    """The headers of the arrays of the first samples that are written."""
    leaves = _trees.named_leaves(samples.params).values()
    draw_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) // samples.num_draws
    num_chunks = math.ceil(samples.num_draws / arrays.most_draws(draw_bytes))
    length = math.ceil(samples.num_draws / num_chunks)
    headers = {}
    for folder, (values, dims, path) in new.items():
        chunks = arrays.chunk_shape(values.shape, dims, values.dtype.itemsize, length)
        attributes = {} if path is None else {"path": path}
        headers[folder] = new_header(values, dims, chunks, attributes)
    return headers


def is_free(path: Path) -> bool:
    """Whether there is nothing at a path, or a folder in which no store was begun.

    Such a folder holds at most a lock and halves of files.
    """
    if not path.is_dir():
        return not path.exists()
    files = (inside for inside in path.rglob("*") if inside.is_file())
    return all(file.suffix == ".partial" or file.name == "lock" for file in files)
