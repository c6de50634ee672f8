"""Named arrays in one safetensors file, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from onebasin.store.errors import StoreError
from onebasin.types import Array


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
    header = {"onebasin": json.dumps(dict(metadata), sort_keys=True)}  # fails before any write
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in tensors.items()}
    # The format stores no scalars on NumPy's side: ascontiguousarray made them 1-D.
    arrays = {name: arrays[name].reshape(np.shape(leaf)) for name, leaf in tensors.items()}
    partial = path.with_name(path.name + ".partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode  # as of any new file: the format's writer makes it private
        save_file(arrays, partial, header)
        partial.chmod(mode)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
