"""Arrays of a store as files: Zarr 3, in chunks along draws and weights, each with its CRC32C.

An array is described by its header, which is the content of its `zarr.json`. Its chunks are the
files beside the header. A chunk holds the same draws of all chains. Zarr makes the headers. The
chunks, which are plain bytes and a checksum, are written and read here, so that no draw waits for
Zarr, and a damaged chunk is named.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
from jaxtyping import UInt8

from onebasin._stored_array import StoredArray
from onebasin.store.errors import StoreError

HEADER = "zarr.json"

Header: TypeAlias = dict[str, Any]

_LEAD = ("chain", "draw")
_BLOCK_BYTES = 4 * 2**20
_CHUNK_BYTES = 2**20
_CHECKSUM_BYTES = 4


def most_draws(draw_bytes: int) -> int:
    """How many draws a chunk holds at most, if one draw of all chains takes so many bytes."""
    return max(1, _BLOCK_BYTES // max(1, draw_bytes))


def chunk_shape(
    shape: Sequence[int], dims: Sequence[str], itemsize: int, chunk_length: int
) -> tuple[int, ...]:
    """The shape of the chunks of an array, of all chains and `chunk_length` draws.

    Two bounds hold. `chunk_length` draws of all params and chains take 4 MiB together, or are one
    draw: so reading a draw reads no more than that. A chunk takes 1 MiB, or is one weight: a leaf
    that needs more is cut along its own axes, the first ones first, in nearly equal parts. So
    reading some weights over all draws reads 1 MiB for each `chunk_length` draws, while a leaf that
    needs less is one file for them.
    """
    sizes = [chunk_length if dim == "draw" else size for dim, size in zip(dims, shape, strict=True)]
    lead = [size for dim, size in zip(dims, sizes, strict=True) if dim in _LEAD]
    room = max(1, _CHUNK_BYTES // (itemsize * max(1, math.prod(lead))))
    for axis in reversed(range(len(lead), len(sizes))):
        num_parts = max(1, math.ceil(sizes[axis] / room))
        sizes[axis] = math.ceil(sizes[axis] / num_parts)
        room = max(1, room // max(1, sizes[axis]))
    return tuple(max(1, size) for size in sizes)


def new_header(
    values: np.ndarray | StoredArray,
    dims: Sequence[str],
    chunks: Sequence[int],
    attributes: Mapping[str, str],
    *,
    has_checksums: bool = True,
) -> Header:
    """The header of an array like `values`, whose chunks have the shape `chunks`."""
    import zarr
    from zarr.codecs import Crc32cCodec
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    zarr.create_array(
        MemoryStore(files),
        shape=values.shape,
        chunks=tuple(chunks),
        dtype=values.dtype,
        compressors=[Crc32cCodec()] if has_checksums else None,
        fill_value=np.nan if np.issubdtype(values.dtype, np.inexact) else None,
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=dims,
        attributes=dict(attributes),
    )
    return json.loads(files[HEADER].to_bytes())


def with_draws(header: Header, num_draws: int) -> Header:
    """The header of the same array with another number of draws."""
    sizes = zip(header.get("dimension_names", ()), header.get("shape", ()), strict=True)
    return header | {"shape": [num_draws if dim == "draw" else size for dim, size in sizes]}


def rendered(header: Header) -> bytes:
    """A header as the bytes of its file."""
    return json.dumps(header, indent=2, sort_keys=True).encode()


def chunk_length(header: Header) -> int | None:
    """How many draws a chunk of an array holds. None if the array does not list draws."""
    dims = header["dimension_names"]
    return _chunk_shape(header)[dims.index("draw")] if "draw" in dims else None


def encoded(
    header: Header, values: np.ndarray | StoredArray, first_chunk: int
) -> Iterator[tuple[str, tuple[memoryview, bytes]]]:
    """The name of every chunk of values that begin at a chunk, and its content in two parts.

    Values are read once, as many draws at a time as a chunk holds.
    """
    shape, dims = _chunk_shape(header), header["dimension_names"]
    num_lead = sum(dim in _LEAD for dim in dims)
    for lead in _places(values.shape[:num_lead], shape[:num_lead]):
        block = values[_slices(lead, shape[:num_lead])]
        for rest in _places(values.shape[num_lead:], shape[num_lead:]):
            chunk = block[(..., *_slices(rest, shape[num_lead:]))]
            if chunk.shape != shape:
                missing = [(0, size - own) for size, own in zip(shape, chunk.shape, strict=True)]
                chunk = np.pad(chunk, missing)
            content = np.ascontiguousarray(chunk, _dtype(header)).reshape(-1).view(np.uint8)
            names = zip((*lead, *rest), dims, strict=True)
            name = _chunk_name([n + first_chunk if dim == "draw" else n for n, dim in names])
            yield name, (content.data, _checksum(content))


def _slices(places: Sequence[int], chunk: Sequence[int]) -> tuple[slice, ...]:
    """The entries of a chunk along some axes, from its places along them."""
    return tuple(slice(n * size, (n + 1) * size) for n, size in zip(places, chunk, strict=True))


def open_array(folder: Path, header: Header) -> StoredArray:
    """An array whose chunks are read when they are used.

    Raises: StoreError, which names the chunk, if one is not there; later, if one is damaged.
    """
    shape, dtype = _chunk_shape(header), _dtype(header)
    own_shape = tuple(header["shape"])
    there = {*os.listdir(folder)}
    for places in _places(own_shape, shape):
        if _chunk_name(places) not in there:
            raise _lost(folder, _chunk_name(places))
    return StoredArray(
        own_shape, dtype.newbyteorder("="), shape, partial(_read_chunk, folder, dtype, shape)
    )


def damaged_chunks(folder: Path, header: Header) -> Iterator[tuple[Path, StoreError]]:
    """Every chunk of an array that is damaged or lost, and the error of reading it.

    Chunks are read one at a time.
    """
    shape, dtype = _chunk_shape(header), _dtype(header)
    for places in _places(header["shape"], shape):
        try:
            _read_chunk(folder, dtype, shape, places)
        except StoreError as error:
            yield folder / _chunk_name(places), error


def _read_chunk(
    folder: Path, dtype: np.dtype, shape: tuple[int, ...], places: tuple[int, ...]
) -> np.ndarray:
    name = _chunk_name(places)
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise _lost(folder, name) from error
    except OSError as error:
        raise _damaged(folder, name, error.strerror or str(error)) from error
    size = math.prod(shape)
    if len(content) != size * dtype.itemsize + _CHECKSUM_BYTES:
        raise _damaged(folder, name, f"{len(content)} bytes")
    values = np.frombuffer(content, np.uint8)[:-_CHECKSUM_BYTES]
    if _checksum(values) != content[-_CHECKSUM_BYTES:]:
        raise _damaged(folder, name, "another CRC32C than it carries")
    return values.view(dtype).reshape(shape)


def _checksum(content: UInt8[np.ndarray, " bytes"]) -> bytes:
    """The CRC32C of bytes, as Zarr's codec appends it."""
    return google_crc32c.value(content).to_bytes(_CHECKSUM_BYTES, "little")


def _lost(folder: Path, name: str) -> StoreError:
    return StoreError(
        f"Every chunk of a sample store must be there. Got none at {folder / name}: part of array "
        f"{folder.name!r} is lost. Restore the file, or sample again."
    )


def _damaged(folder: Path, name: str, got: str) -> StoreError:
    return StoreError(
        f"Every chunk of a sample store must be as it was written. Got {folder / name}: {got}. "
        "Restore the file, or sample again."
    )


def _dtype(header: Header) -> np.dtype:
    return np.dtype(header["data_type"]).newbyteorder("<")


def _chunk_shape(header: Header) -> tuple[int, ...]:
    return tuple(header["chunk_grid"]["configuration"]["chunk_shape"])


def _places(shape: Sequence[int], chunk: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The places of all chunks of an array along its axes."""
    return iter(np.ndindex(*[math.ceil(n / size) for n, size in zip(shape, chunk, strict=True)]))


def _chunk_name(places: Sequence[int]) -> str:
    return ".".join(["c", *map(str, places)])
