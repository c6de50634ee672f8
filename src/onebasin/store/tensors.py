"""Named arrays in one safetensors file, written whole or not at all, with its SHA-256."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from onebasin.store.errors import StoreError
from onebasin.store.files import write_bytes
from onebasin.types import Array

_HEADER = "onebasin"
"""The name in the file's header under which all that is ours stands, as JSON."""


def save_tensors(
    path: Path | str, tensors: Mapping[str, Array], metadata: Mapping[str, Any]
) -> None:
    """Write arrays by name to one safetensors file, whole or not at all.

    Args:
        path: The file. It is replaced if it exists, and its folder is made if it does not.
        tensors: The arrays by name.
        metadata: What is stored beside them, in the file's header: whatever JSON can hold.

    Raises:
        TypeError: If JSON cannot hold the metadata. Nothing is written then.
    """
    path = Path(path)
    arrays = {name: np.asarray(leaf, order="C") for name, leaf in tensors.items()}
    header = {"metadata": dict(metadata), "sha256": _sha256(arrays, metadata)}
    content = save(arrays, {_HEADER: json.dumps(header, sort_keys=True)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)


def load_tensors(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays by name and the metadata of a file that `save_tensors` wrote.

    Raises:
        StoreError: If the file is missing or damaged, or was not written by `save_tensors`.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(
            f"A safetensors file must exist. Got none at {path}. Save it first, or mend the path."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = None if text is None else json.loads(text)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise StoreError(
            f"{path} must be a whole safetensors file. Got: {error}. Delete it and write it again."
        ) from error
    if header is None:
        raise StoreError(
            f"{path} must carry onebasin's metadata. Got none: it was written by something else. "
            "Build the object from its arrays instead."
        )
    metadata = header.get("metadata", {})
    if header.get("sha256") != _sha256(tensors, metadata):
        raise StoreError(
            f"{path} must be as it was written. Got arrays or metadata of another SHA-256 than "
            "that in the file: it is damaged, or another version wrote it. Write it again."
        )
    return tensors, metadata


def _sha256(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """The SHA-256 of arrays with their names, dtypes and shapes, and of metadata."""
    found = sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        found.update(json.dumps([name, values.dtype.name, values.shape]).encode())
        found.update(values.tobytes())
    return found.hexdigest()
