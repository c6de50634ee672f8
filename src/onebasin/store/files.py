"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole or not at all: readers never see a part of it under its name."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
