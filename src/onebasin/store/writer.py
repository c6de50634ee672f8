"""SampleWriter: appends draws to a store, each append in one commit that survives any crash.

A commit writes whole new files first, then the record that counts them. Files that the last record
counts are never changed, but for the last chunk, which is replaced as a whole by one with more
draws if it was not full.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from onebasin import _trees
from onebasin.samples import Samples
from onebasin.store.arrays import (
    HEADER,
    Header,
    encoded,
    new_header,
    read_array,
    rendered,
    with_draws,
)
from onebasin.store.commits import (
    Commit,
    read_commit,
    read_file,
    read_header,
    sha256,
    write_commit,
)
from onebasin.store.errors import StoreError
from onebasin.store.files import sync_folder, write_bytes
from onebasin.types import Array

DRAWS, STATS = "posterior", "sample_stats"
_STATE = "sampler/state"

_NUM_WAITING = 16
"""How many files are written to the disk at once."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_GROUP = b'{"attributes": {}, "node_type": "group", "zarr_format": 3}'


class SampleWriter:
    """Appends samples to a new store, chunk by chunk; `finish` marks the store as whole.

    For samplings that are too long to hold, or to lose if they are cut off. When `append` returns,
    the draws are on the disk, and no crash loses them: `SampleWriter.resume` goes on after them.
    `load_samples` refuses a store that was not finished. `num_draws` counts the draws of each chain
    written so far.

    A chunk of the store holds as many draws as the first samples that are appended. Later appends
    of as many draws are the fastest.

    Args:
        path: The folder of the store, which must be free.
        dims: Names for the axes of a leaf behind (chain, draw), by its path. Default: the path and
            the number of the axis, such as `out.bias_dim_0`.

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

    def __init__(self, path: Path | str, dims: Mapping[str, tuple[str, ...]] | None = None):
        path = Path(path)
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

    def _begin(
        self, path: Path, commit: Commit, dims: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self.path, self._commit, self._dims = path, commit, dict(dims or {})
        self._headers: dict[str, Header] = {}
        self._tails: dict[str, np.ndarray] = {}  # the draws of last chunks that are not full

    @classmethod
    def resume(cls, path: Path | str) -> "SampleWriter":
        """The writer of a store that exists, finished or not, which goes on after its last commit.

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
        writer._begin(path, commit)
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
        return None if draws is None else draws["chunk_grid"]["configuration"]["chunk_shape"][0]

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
            files = dict(self._commit.sha256)
            num_draws = self.num_draws
            tails = self._tails
            if samples is not None:
                tails = self._write_draws(samples)
                num_draws += samples.num_draws
            name = None if state is None else self._write_state(state, files)
            for folder, header in self._headers.items():
                files[f"{folder}/{HEADER}"] = sha256(rendered(with_draws(header, num_draws)))
                files[f"{folder.partition('/')[0]}/{HEADER}"] = sha256(_GROUP)
            if sampling is None:
                sampling = self._commit.sampling
            self._write_commit(Commit(num_draws, False, files, sampling, name))
            self._tails = tails

    def state(self) -> dict[str, np.ndarray] | None:
        """The state of the last commit, by name. None if it has none."""
        from safetensors.numpy import load

        name = self._commit.state_file
        return None if name is None else load(read_file(self.path, name, self._commit))

    def finish(self) -> None:
        """Mark the store as whole, so that `load_samples` reads it."""
        with self._told():
            for state in (self.path / _STATE).glob("c.*"):
                if state != self.path / (self._commit.state_file or ""):
                    state.unlink()  # the state before the last one
            _together(self._write_header, self._headers)
            self._write_commit(dataclasses.replace(self._commit, is_complete=True))

    def _write_header(self, folder: str) -> None:
        header = with_draws(self._headers[folder], self.num_draws)
        write_bytes(self.path / folder / HEADER, rendered(header))

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

    def _write_draws(self, samples: Samples) -> dict[str, np.ndarray]:
        """Write draws behind the committed ones; the draws of the last chunk if it is not full."""
        leaves = _trees.named_leaves(samples.params)
        chains = np.arange(samples.num_chains)
        draws = np.arange(self.num_draws, self.num_draws + samples.num_draws)
        arrays: dict[str, _Values] = {}
        for group in (DRAWS, STATS) if samples.stats else (DRAWS,):
            if self.num_draws == 0:
                arrays[f"{group}/chain"] = _Values(chains, ("chain",))
            arrays[f"{group}/draw"] = _Values(draws, ("draw",))
        for path, leaf in leaves.items():
            dims = ("chain", "draw", *self._own_dims(path, np.ndim(leaf) - 2))
            arrays[f"{DRAWS}/{_variable(path)}"] = _Values(np.asarray(leaf), dims, path)
        for name, value in samples.stats.items():
            folder = f"{STATS}/{_variable(name)}"
            arrays[folder] = _Values(np.asarray(value), ("chain", "draw"), name)
        self._check_fits(arrays)
        if self.num_draws == 0:
            for folder, (values, dims, path) in arrays.items():
                attributes = {} if path is None else {"path": path}
                header = new_header(values, dims, samples.num_draws, attributes)
                self._make_array(folder, header)
        tails = _together(lambda item: self._write_array(*item), arrays.items())
        found = zip(arrays, tails, strict=True)
        return {folder: tail for folder, tail in found if tail is not None}

    def _write_array(self, folder: str, new: "_Values") -> np.ndarray | None:
        """Write values behind those of an array; the draws of the last chunk if it is not full."""
        header, values, first, tail = self._headers[folder], new.values, 0, None
        if "draw" in new.dims:
            axis = new.dims.index("draw")
            length = header["chunk_grid"]["configuration"]["chunk_shape"][axis]
            first, rest = divmod(self.num_draws, length)
            if rest:
                values = np.concatenate([self._tail(folder, first * length), values], axis)
            whole = values.shape[axis] // length * length
            tail = np.array(values[(slice(None),) * axis + (slice(whole, None),)])
        for name, content in encoded(header, values, first):
            write_bytes(self.path / folder / name, content)
        return tail

    def _make_array(self, folder: str, header: Header) -> None:
        group = self.path / folder.partition("/")[0]
        (self.path / folder).mkdir(parents=True, exist_ok=True)
        sync_folder(group)
        sync_folder(self.path)
        write_bytes(group / HEADER, _GROUP)
        write_bytes(self.path / folder / HEADER, rendered(header))
        self._headers[folder] = header

    def _tail(self, folder: str, first_draw: int) -> np.ndarray:
        """The committed draws of the last chunk of an array, which is not full."""
        if folder in self._tails:
            return self._tails[folder]
        header = with_draws(self._headers[folder], self.num_draws)
        return read_array(self.path / folder, header, first_draw)

    def _write_state(self, state: Mapping[str, Array], files: dict[str, str]) -> str:
        """Write a state beside the committed one; the path of its file, which enters `files`.

        The file is in safetensors' format. It is the chunk of a Zarr array of bytes too, because
        Zarr takes other files in a group for damaged ones. Two states take turns.
        """
        from safetensors.numpy import save

        content = save({name: np.asarray(leaf, order="C") for name, leaf in state.items()})
        header = new_header(np.frombuffer(content, np.uint8)[None], ("slot", "byte"), 1, {})
        codecs = [codec for codec in header["codecs"] if codec["name"] != "crc32c"]
        header |= {"shape": [2, len(content)], "codecs": codecs}
        if self._headers.get(_STATE) != header:
            self._make_array(_STATE, header)
        slot = 1 if self._commit.state_file == f"{_STATE}/c.0.0" else 0
        name = f"{_STATE}/c.{slot}.0"
        write_bytes(self.path / name, content)
        files.pop(self._commit.state_file or "", None)
        files[name] = sha256(content)
        return name

    def _own_dims(self, path: str, num_axes: int) -> tuple[str, ...]:
        """Names of the axes of a leaf behind (chain, draw)."""
        dims = self._dims.get(path)
        if dims is None:
            return tuple(f"{_variable(path)}_dim_{axis}" for axis in range(num_axes))
        if len(dims) != num_axes or len({*dims, "chain", "draw"}) != num_axes + 2:
            raise ValueError(
                f"dims must name each of the {num_axes} axes of {path!r} behind (chain, draw) by "
                f"a word of its own. Got {dims}."
            )
        return tuple(dims)

    def _check_fits(self, arrays: Mapping[str, "_Values"]) -> None:
        """Raise StoreError unless arrays are of the leaves, shapes and dtypes of those before."""
        unknown = sorted(self._dims.keys() - {values.path for values in arrays.values()})
        if unknown:
            raise ValueError(f"dims must name leaves of the params. Got {unknown[0]!r}.")
        if self.num_draws == 0:
            return
        known = {
            folder: (header["data_type"], tuple(with_draws(header, 0)["shape"]))
            for folder, header in self._headers.items()
            if "draw" in header["dimension_names"]
        }
        new = {folder: values.kind for folder, values in arrays.items()}
        for folder in known.keys() | new.keys():
            if known.get(folder) != new.get(folder):
                raise StoreError(
                    f"Samples must have the arrays of those before, {known.get(folder, 'none')} "
                    f"for {folder!r}. Got {new.get(folder, 'none')}. Write them to another store."
                )

    def _read_headers(self) -> None:
        """Read the headers of all arrays, and bring those on the disk to the last commit."""
        for name in self._commit.sha256:
            folder = name.removesuffix(f"/{HEADER}")
            if folder == name or "/" not in folder:
                continue
            self._headers[folder] = read_header(self.path, folder, self._commit)
        _together(self._write_header, self._headers)


class _Values(NamedTuple):
    """Values of one array, names of their axes, and the path of their leaf if they are of one."""

    values: np.ndarray
    dims: tuple[str, ...]
    path: str | None = None

    @property
    def kind(self) -> tuple[str, tuple[int, ...]]:
        """The dtype and the shape, with 0 draws."""
        sizes = zip(self.dims, self.values.shape, strict=True)
        return self.values.dtype.name, tuple(0 if dim == "draw" else size for dim, size in sizes)


def _together(write: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The result of `write` for each item. Files wait for the disk together, not in a row."""
    with ThreadPoolExecutor(_NUM_WAITING) as pool:
        return list(pool.map(write, items))


def is_free(path: Path) -> bool:
    """Whether there is nothing at a path, or a folder in which no store was begun.

    Such a folder holds at most a lock and halves of files.
    """
    if not path.is_dir():
        return not path.exists()
    files = (inside for inside in path.rglob("*") if inside.is_file())
    return all(file.suffix == ".partial" or file.name == "lock" for file in files)


def _variable(path: str) -> str:
    """The name of a variable: the path of its leaf with dots; "params" if params are one array."""
    return path.replace("/", ".") or "params"
