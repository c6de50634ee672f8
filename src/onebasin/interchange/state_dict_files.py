"""State_dicts on disk: which files hold them, in which order, and how one is read."""

import glob
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from onebasin.adapters.pytorch_checks import numpy_array
from onebasin.interchange.leaves import one_line, unreadable
from onebasin.store.errors import StoreError

TORCH = (".pt", ".pth", ".bin")
_SAFETENSORS = ".safetensors"
_INDEX = ".safetensors.index.json"
_PICKLES = (".pkl", ".pickle", ".ckpt", ".joblib", ".dill")


def state_dict_files(source: Path | str) -> list[Path]:
    """The files of one state_dict each, in the natural order of their names: 2 before 10.

    `source` is a file, a folder of files, a folder of folders with one state_dict each, or a
    pattern for `glob`. The index of a sharded state_dict stands for its shards.

    Raises:
        StoreError: If there is none, a file is of another kind, or kinds are mixed.
    """
    text = str(source)
    if Path(source).exists():
        paths = [Path(source)]
    else:
        paths = sorted(map(Path, glob.glob(text, recursive=True)), key=natural)
    if not paths:
        raise StoreError(f"State_dicts must exist. Got none at {text}. Mend the path or pattern.")
    return [file for path in paths for file in _files_at(path)]


def natural(path: Path) -> list[Any]:
    """A key that sorts paths with numbers by their values."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def _files_at(path: Path) -> list[Path]:
    """The files of state_dicts at one path: itself, or those in it."""
    if path.is_file():
        return [path]
    inside = sorted(path.iterdir(), key=natural)
    indices = [file for file in inside if file.name.endswith(_INDEX)]
    if indices:
        return indices
    pickles = [file for file in inside if file.suffix in _PICKLES]
    if pickles:
        raise _refused(pickles[0])
    files = [file for file in inside if file.suffix in (*TORCH, _SAFETENSORS)]
    if len({file.suffix for file in files}) > 1:
        kinds = sorted({file.suffix for file in files})
        raise StoreError(
            f"The state_dicts of a folder must be files of one kind. Got {kinds} in {path}. Pass a "
            f"pattern, such as {str(path / ('*' + kinds[0]))!r}."
        )
    folders = [] if files else [folder for folder in inside if folder.is_dir()]
    found = files + [file for folder in folders for file in _files_at(folder)]
    if not found:
        raise StoreError(
            f"A folder of state_dicts must hold {', '.join(TORCH)} or {_SAFETENSORS} files. "
            f"Got none in {path}. Mend the path."
        )
    return found


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name.

    Raises:
        StoreError: If the file is damaged or no state_dict.
        ImportError: If PyTorch is missing and the file is one of `torch.save`.
    """
    if path.name.endswith(_INDEX):
        return _read_shards(path)
    if path.suffix == _SAFETENSORS:
        return _read_safetensors(path)
    if path.suffix in TORCH:
        return _read_torch(path)
    raise _refused(path)


def _refused(path: Path) -> StoreError:
    return StoreError(
        f"State_dicts are read from {', '.join(TORCH)} and {_SAFETENSORS} files, because other "
        f"pickles run code. Got {path}. Save state_dicts by torch.save or safetensors."
    )


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # whatever the reader says about damaged bytes
        raise unreadable(path, "safetensors", error) from error


def _read_shards(path: Path) -> dict[str, np.ndarray]:
    """The arrays of all shards that an index names."""
    try:
        places: Any = json.loads(path.read_bytes())["weight_map"]
        names = {str(file) for file in places.values()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise unreadable(path, "safetensors index", error) from error
    arrays: dict[str, np.ndarray] = {}
    for name in sorted(names):
        if Path(name).name != name or not (path.parent / name).is_file():
            raise StoreError(
                f"Every shard of an index must be a file beside it. Got {name!r} in {path}. "
                "Restore the shard."
            )
        arrays |= _read_safetensors(path.parent / name)
    if arrays.keys() != places.keys():
        lost = sorted(arrays.keys() ^ places.keys())
        raise StoreError(
            f"An index must name the tensors of its shards. Got {lost[0]!r} in one of them alone, "
            f"at {path}. Restore the shards that belong to the index."
        )
    return arrays


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise ImportError(
            f"{path} needs PyTorch. Install it with `pip install 'onebasin[torch]'`, or save "
            f"safetensors. Got: {one_line(error)}."
        ) from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever PyTorch says about damaged bytes, and of other classes
        raise unreadable(path, "state_dict", error) from error
    try:
        return arrays_of(loaded, str(path))
    except StoreError:
        raise
    except Exception as error:  # a tensor whose storage is damaged
        raise unreadable(path, "state_dict", error) from error


def arrays_of(state_dict: Any, where: str) -> dict[str, np.ndarray]:
    """The arrays of a state_dict of tensors or arrays by name; `where` names it in a message.

    Raises:
        StoreError: If it is no mapping of names to tensors.
    """
    if not isinstance(state_dict, Mapping):
        raise StoreError(
            f"A state_dict must map names to tensors. Got {type(state_dict).__name__} at {where}. "
            "Pass module.state_dict()."
        )
    arrays: dict[str, np.ndarray] = {}
    for name, value in state_dict.items():
        if isinstance(value, np.ndarray) or hasattr(value, "__jax_array__"):
            arrays[str(name)] = np.asarray(value)
        elif type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
            arrays[str(name)] = numpy_array(value)
        elif hasattr(value, "__array__") and hasattr(value, "dtype"):
            arrays[str(name)] = np.asarray(value)
        else:
            raise StoreError(
                f"A state_dict must map names to tensors. Got {type(value).__name__} under "
                f"{name!r} at {where}. If it is a checkpoint, pass a list of the state_dicts in it."
            )
    return arrays
