"""One trained network of PyTorch on disk: read into a module, and written in the same formats."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_arrays

from onebasin import _trees
from onebasin._collections import own_names, weights_alone
from onebasin.adapters.pytorch import to_torch
from onebasin.adapters.pytorch_checks import plain_module
from onebasin.interchange.state_dict_files import TORCH, read_state_dict, state_dict_files
from onebasin.interchange.state_dicts import from_state_dicts, stripped
from onebasin.store.errors import StoreError
from onebasin.store.files import write_bytes
from onebasin.types import Params

ENDINGS = (*TORCH, ".safetensors")
"""How the names of files that `save_checkpoint` writes can end."""


def load_checkpoint(path: Path, module: Any) -> Any:
    """The same module with the tensors of one state_dict on disk, integers too.

    The file is read as `from_state_dicts` reads it: without running code, and without the prefixes
    of wrapped modules. Tensors keep the dtypes of the module.

    Raises:
        ValueError: If names or shapes are not those of the module, or there is not one state_dict.
            It is a `StoreError` if the file is missing, damaged or of another kind.
        ImportError: If PyTorch is missing.
    """
    files = state_dict_files(path)
    if len(files) != 1:
        raise StoreError(
            f"A checkpoint must be one state_dict. Got {len(files)} at {path}. Name one of them."
        )
    inner = plain_module(module, "The path comes first: load_checkpoint(path, module).")
    to_torch(from_state_dicts(files[0], module).draw(0, 0), module)
    tensors, arrays = inner.state_dict(), read_state_dict(files[0])
    if not tensors.keys() & arrays.keys():
        arrays = stripped(arrays)
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()) and name in arrays:
            _check_shape(name, arrays[name], tensor, files[0])
            tensor.copy_(tensor.new_tensor(arrays[name]))
    return module


def _check_shape(name: str, array: np.ndarray, tensor: Any, path: Path) -> None:
    if array.shape != tuple(tensor.shape):
        raise StoreError(
            f"{name!r} must have the shape that it has in the module, {tuple(tensor.shape)}. Got "
            f"{array.shape} in {path}. Is the checkpoint of another network?"
        )


def save_checkpoint(path: Path, module: Any) -> None:
    """Write the state_dict of a module, whole or not at all, as the ending of the name says.

    `load_state_dict` of the same module takes it: under .safetensors as `safetensors.torch` reads
    it, and else as `torch.load` does with `weights_only=True`.

    Raises:
        ValueError: If the name has another ending.
        OSError: If the disk refuses the file.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra
    from safetensors.torch import save

    check_ending(path)
    inner = plain_module(module, "The path comes first: save_checkpoint(path, module).")
    # Tied tensors become copies, which safetensors asks for.
    tensors = {name: t.detach().cpu().clone() for name, t in inner.state_dict().items()}
    if path.suffix == ".safetensors":
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    else:
        buffer = io.BytesIO()
        torch.save(tensors, buffer)
        content = buffer.getvalue()
    write_bytes(path, content)


def save_masks(path: Path, pruned: Params) -> None:
    """Write which weights of pruned params are not zero, as safetensors, whole or not at all.

    `masks_to_torch` takes what `safetensors.numpy.load_file` reads from the file: an array of bool
    for each weight, by its name in the module.

    Raises:
        OSError: If the disk refuses the file.
    """
    names = own_names(pruned)
    masks = {
        names[place].replace("/", "."): np.asarray(leaf) != 0
        for place, leaf in _trees.named_leaves(weights_alone(pruned)).items()
    }
    write_bytes(path, save_arrays(masks))


def check_ending(path: Path) -> None:
    """Raise ValueError unless `save_checkpoint` can write a file of this name."""
    if path.suffix not in ENDINGS:
        raise ValueError(
            f"Weights are written to files that end in {', '.join(ENDINGS)}. Got {path}. Give "
            "another name."
        )
