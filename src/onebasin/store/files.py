"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path | str, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole or not at all.

    The bytes go to a file of another name first, which then takes the name `path`. A reader sees
    the old file or the new one, never a part. A write that is cut off leaves the old file.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
