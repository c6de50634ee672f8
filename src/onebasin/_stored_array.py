"""StoredArray: an array on disk, of which only the chunks that are asked for are read."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.lib.mixins import NDArrayOperatorsMixin


class StoredArray(NDArrayOperatorsMixin):
    """A read-only array on disk, as `load_samples` gives it. Nothing of it is kept in memory.

    `Alignment.apply` of such samples gives stored arrays too, which permute what they read. An
    index reads the chunks that it needs and gives an array of NumPy. Everything else that an
    array of NumPy has (arithmetic, `sum`, `reshape`, `numpy.asarray`) reads all chunks, each time.
    Functions of JAX take it only after `numpy.asarray`.

    Args:
        shape: The shape.
        dtype: The type of the entries.
        chunk_shape: The shape of a chunk. Those at the ends of axes may reach beyond the array.
        read_chunk: The entries of the chunk whose places along all axes are given.

    Examples:
        >>> ob.save_samples("hmc.zarr", samples)
        >>> bias = ob.load_samples("hmc.zarr").params["out"]["bias"]
        >>> bias
        StoredArray(shape=(2, 10, 10), dtype=float32)
        >>> bias[0, -1].shape  # the last draw of chain 0
        (10,)
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        chunk_shape: tuple[int, ...],
        read_chunk: Callable[[tuple[int, ...]], np.ndarray],
    ):
        self.shape, self.dtype = shape, dtype
        self.chunk_shape, self.read_chunk = chunk_shape, read_chunk

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredArray(shape={self.shape}, dtype={self.dtype})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("A stored array must be copied into memory. Got copy=False.")
        return self[...].astype(self.dtype if dtype is None else dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        in_memory = [x[...] if isinstance(x, StoredArray) else x for x in inputs]
        return getattr(ufunc, method)(*in_memory, **options)

    def __getattr__(self, name: str) -> Any:
        # Libraries look for attributes with underscores to find out what an object is.
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"StoredArray has no attribute {name!r}.")
        return getattr(self[...], name)

    def __getitem__(self, index: Any) -> Any:
        entries = _expanded(index, self.ndim)
        if any(np.ndim(entry) > 1 and np.asarray(entry).dtype == bool for entry in entries):
            return self[...][index]  # a mask of several axes
        positions, inner = [], []
        for entry in entries:
            if entry is None:
                inner.append(None)
                continue
            wanted, of_wanted = _positions(entry, self.shape[len(positions)])
            positions.append(wanted)
            inner.append(of_wanted)
        return self._read(positions)[tuple(inner)]

    def _read(self, positions: list[np.ndarray]) -> np.ndarray:
        """The entries at these positions of each axis, which are sorted, from their chunks."""
        found = np.empty([len(wanted) for wanted in positions], self.dtype)
        parts = [
            list(_by_chunk(wanted, length))
            for wanted, length in zip(positions, self.chunk_shape, strict=True)
        ]
        for places in itertools.product(*parts):
            chunk = self.read_chunk(tuple(number for number, _, _ in places))
            for axis, (_, _, rows) in enumerate(places):
                chunk = chunk[(slice(None),) * axis + (rows,)]
            found[tuple(target for _, target, _ in places)] = chunk
        return found


def indexed_as_numpy(leaf: Any) -> Any:
    """A leaf that is indexed as NumPy does it, not as JAX, which moves indices that are too large.

    Stored arrays stay on the disk.
    """
    return leaf if isinstance(leaf, StoredArray) else np.asarray(leaf)


def _expanded(index: Any, num_axes: int) -> list[Any]:
    """An index as one entry for each axis, and None for each new axis."""
    entries = list(index) if isinstance(index, tuple) else [index]
    num_given = sum(entry is not None and entry is not Ellipsis for entry in entries)
    at = [place for place, entry in enumerate(entries) if entry is Ellipsis] or [len(entries)]
    if num_given > num_axes or len(at) > 1:
        raise IndexError(f"An index must have at most {num_axes} entries and one ... Got {index}.")
    entries[at[0] : at[0] + 1] = [slice(None)] * (num_axes - num_given)
    return entries


def _positions(entry: Any, size: int) -> tuple[Int[np.ndarray, " wanted"], Any]:
    """Which positions of an axis an index takes, sorted, and the index into these alone."""
    taken = np.arange(size)[entry]
    if isinstance(entry, slice):
        return np.sort(taken), slice(None, None, -1 if (entry.step or 1) < 0 else 1)
    wanted = np.unique(taken)
    return wanted, np.searchsorted(wanted, taken)


def _by_chunk(
    positions: Int[np.ndarray, " wanted"], length: int
) -> Iterator[tuple[int, slice, slice | Int[np.ndarray, " part"]]]:
    """The chunks of an axis that hold sorted positions: number, rows of the result, own rows."""
    numbers, firsts = np.unique(positions // length, return_index=True)
    ends = [*firsts, len(positions)][1:]
    for number, first, end in zip(numbers, firsts, ends, strict=True):
        rows = positions[first:end] - number * length
        is_range = rows[-1] - rows[0] + 1 == len(rows)
        own = slice(rows[0], rows[-1] + 1) if is_range else rows
        yield int(number), slice(first, end), own
