"""The files that a command is asked to write, checked before it computes."""

from collections.abc import Sequence
from pathlib import Path

WEIGHT_ENDINGS = (".pt", ".pth", ".bin", ".safetensors")
"""How files of weights end. They are repeated here: to import them would load JAX before help."""


def check_name(option: str, path: Path, endings: Sequence[str]) -> None:
    """Raise ValueError unless a file has one of the endings and is in a folder that exists."""
    if path.suffix not in endings:
        raise ValueError(
            f"{option} must name a file that ends in {', '.join(endings)}. Got {path}. Give "
            "another name."
        )
    if not path.parent.is_dir():
        raise ValueError(
            f"{option} must be in a folder that exists. Got {path}. Create {path.parent} first."
        )


def check_new(option: str, path: Path, again: bool) -> None:
    """Raise ValueError if a file exists and may not be overwritten."""
    if path.exists() and not again:
        raise ValueError(
            f"{option} must name a new file. Got {path}, which exists. Give another name, or "
            "overwrite it with --again."
        )
