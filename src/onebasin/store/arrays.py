"""Arrays of a store as files: Zarr 3, chunked along draws, every chunk with its CRC32C.

An array is described by its header, which is the content of its `zarr.json`. Its chunks are the
files beside the header. A chunk holds the same draws of all chains. Functions import Zarr when
they run, because that takes a second.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from onebasin.store.errors import StoreError

HEADER = "zarr.json"

Header: TypeAlias = dict[str, Any]


def new_header(
    values: np.ndarray, dims: tuple[str, ...], chunk_length: int, attributes: Mapping[str, str]
) -> Header:
    """The header of an array like `values`, with `chunk_length` draws in a chunk."""
    import zarr
    from zarr.codecs import Crc32cCodec
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    sizes = [
        chunk_length if dim == "draw" else max(size, 1)
        for dim, size in zip(dims, values.shape, strict=True)
    ]
    zarr.create_array(
        MemoryStore(files),
        shape=values.shape,
        chunks=tuple(sizes),
        dtype=values.dtype,
        compressors=[Crc32cCodec()],
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


def encoded(
    header: Header, values: np.ndarray, first_chunk: int
) -> Iterator[tuple[str, memoryview]]:
    """The name and the content of every chunk of values that begin at a chunk."""
    import zarr
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    own = rendered(header | {"shape": list(values.shape)})
    files[HEADER] = Buffer.from_bytes(own)
    # Chunks of zeros are written as well: a chunk that is missing is one that was lost.
    array = zarr.open_array(MemoryStore(files), mode="r+")
    array.with_config({"write_empty_chunks": True})[...] = values
    for name, content in files.items():
        if name != HEADER:
            yield _shifted(header, name, first_chunk), memoryview(content.as_numpy_array())


def _shifted(header: Header, name: str, first_chunk: int) -> str:
    """The name of a chunk that comes `first_chunk` chunks later along draws."""
    places = [int(place) for place in name.split(".")[1:]]
    if "draw" in header["dimension_names"]:
        places[header["dimension_names"].index("draw")] += first_chunk
    return _chunk_name(places)


def _chunk_name(places: list[int]) -> str:
    return ".".join(["c", *map(str, places)])


def read_array(folder: Path, header: Header, first_draw: int = 0) -> np.ndarray:
    """The values of an array from a draw on; each chunk must be there and as it was written.

    Raises: StoreError, which names the array.
    """
    import zarr

    for name in _chunk_names(header):
        if not (folder / name).is_file():
            raise StoreError(
                f"Every chunk of a sample store must be there. Got none at {folder / name}: part "
                f"of array {folder.name!r} is lost. Restore the file, or sample again."
            )
    try:
        array = zarr.open_array(folder, mode="r")
        rows = [
            slice(first_draw if dim == "draw" else 0, None) for dim in header["dimension_names"]
        ]
        return np.asarray(array[tuple(rows)])
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise StoreError(
            f"Every chunk of a sample store must be as it was written. Got array {folder.name!r} "
            f"of {folder.parent}: {error}. Restore the array's files, or sample again."
        ) from error


def _chunk_names(header: Header) -> list[str]:
    """The names of all chunks of an array."""
    shape, sizes = header["shape"], header["chunk_grid"]["configuration"]["chunk_shape"]
    grid = [math.ceil(size / chunk) for size, chunk in zip(shape, sizes, strict=True)]
    return [_chunk_name(list(places)) for places in np.ndindex(*grid)]
