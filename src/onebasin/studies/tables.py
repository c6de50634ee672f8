"""Tables of named values as CSV files: numbers come back as numbers, nothing as None."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

Value: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, Value]


def write_table(path: Path | str, rows: Sequence[Row]) -> None:
    """Write rows that share their columns, whole or not at all.

    Raises: ValueError for no rows, or rows of other columns than the first.
    """
    if not rows:
        raise ValueError(f"A table must have a row. Got none for {path}.")
    columns = list(rows[0])
    for number, row in enumerate(rows):
        if list(row) != columns:
            raise ValueError(
                f"All rows of a table must have the columns of its first, {columns}. "
                f"Got {list(row)} in row {number} for {path}."
            )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path | str) -> list[Row]:
    """The rows that `write_table` wrote; what reads as a number is one, and an empty cell None.

    Raises: StoreError where the file is missing or its rows differ in length.
    """
    try:
        lines = list(csv.reader(Path(path).read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"A table must be a CSV file. Got {path}: {error}.") from error
    if not lines or any(len(line) != len(lines[0]) for line in lines):
        raise StoreError(f"A table must have a header and rows as long as it. Got {path}.")
    return [dict(zip(lines[0], map(_value, line), strict=True)) for line in lines[1:]]


def _value(text: str) -> Value:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
