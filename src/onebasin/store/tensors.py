"""Named arrays in one safetensors file, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from onebasin._types import Array
from onebasin.store.errors import StoreError


def save_tensors(
    path: Path | str, tensors: Mapping[str, Array], metadata: Mapping[str, Any]
) -> None:
    """Write arrays by name, with metadata that JSON can hold, whole or not at all."""
    path = Path(path)
    header = {"onebasin": json.dumps(dict(metadata), sort_keys=True)}  # fails before any write
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in tensors.items()}
    # The format stores no scalars on NumPy's side: ascontiguousarray made them 1-D.
    arrays = {name: arrays[name].reshape(np.shape(leaf)) for name, leaf in tensors.items()}
    partial = path.with_name(path.name + ".partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode  # as any new file; the format's writer lets nobody else read
        save_file(arrays, partial, header)
        partial.chmod(mode)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_tensors(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name and the metadata of a file that `save_tensors` wrote.

    Raises: StoreError where the file is missing, damaged or was written by something else.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"A safetensors file was expected at {path}. There is none.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("onebasin")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = None if header is None else json.loads(header)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise StoreError(
            f"{path} must be a whole safetensors file. Got: {error}. Delete it and write it again."
        ) from error
    if metadata is None:
        raise StoreError(
            f"{path} must carry onebasin's metadata. Got none: it was written by something else. "
            "Build the object from its arrays instead."
        )
    return tensors, metadata
