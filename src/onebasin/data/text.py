"""The text of a table's file: unpacked, and decoded by the encoding that its bytes show."""

import gzip
import re
import zlib
from pathlib import Path

from onebasin.data.checks import DataError

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe\x00\x00", "utf-32", "UTF-32"),
    (b"\x00\x00\xfe\xff", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
"""Byte order marks, the codec that each stands for, and its name. The longest come first."""

_NOT_OF_TEXT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def read_text(path: Path, notes: list[str]) -> str:
    """The text of a file. What was not plain UTF-8 is said in `notes`.

    A file whose name ends in `.gz` is unpacked. Encodings are tried in this order: that of a byte
    order mark, UTF-16 if every second byte is zero, UTF-8, Windows-1252, Latin-1.

    Raises:
        DataError: If the file cannot be read or unpacked, or holds no text.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name} must be a file that can be read. Got: {error}. "
            "Mend it, or write it again."
        ) from error
    codec, name = _encoding(content)
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        raise _not_text(path, str(error)) from error
    found = _NOT_OF_TEXT.search(text)
    if found:
        raise _not_text(path, f"it contains the control character {found[0]!r}")
    if name != "UTF-8":
        notes.append(f"The file is read as {name}.")
    return text.removeprefix("\ufeff")


def _encoding(content: bytes) -> tuple[str, str]:
    """The codec of some bytes, and its name."""
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return codec, name
    if content and content.count(0) >= len(content) // 3:
        # In UTF-16, the high byte of most letters is zero.
        low_first = content[1::2].count(0) > content[0::2].count(0)
        return ("utf-16-le" if low_first else "utf-16-be"), "UTF-16"
    for codec, name in (("utf-8", "UTF-8"), ("cp1252", "Windows-1252")):
        try:
            content.decode(codec)
        except UnicodeDecodeError:
            continue
        return codec, name
    return "latin-1", "Latin-1"


def _not_text(path: Path, reason: str) -> DataError:
    """What to raise for a file that holds no text."""
    return DataError(
        f"{path.name} must be text, as its ending says. Got something else ({reason}). "
        "Export it as CSV or mend its ending."
    )
