"""Tables of studies: data frames whose columns are declared once, and their CSV files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from onebasin.store.errors import StoreError
from onebasin.store.files import write_text

Row: TypeAlias = dict[str, Any]
"""The values of a row by the names of their columns."""

Rows: TypeAlias = dict[str, list[Row]]
"""The rows from which tables are made, by the names of the tables."""

Columns: TypeAlias = Mapping[str, type]
"""The columns of a table in their order, with their types: str, int, float or bool.

Only values of float may be missing.
"""

Tables: TypeAlias = dict[str, pd.DataFrame]
"""The tables of a study by their names."""


def table_of(rows: Sequence[Row], columns: Columns) -> pd.DataFrame:
    """A table of rows. A float that is None becomes NaN.

    Raises: ValueError if a row has other columns, lacks a value or has one of another type.
    """
    for number, row in enumerate(rows, 1):
        given = [n for n in row if row[n] is not None or columns.get(n, float) is float]
        if sorted(given) != sorted(columns):
            raise ValueError(
                "A row must have a value for each column of its table. Got row "
                f"{number} {_difference(given, columns)}."
            )
    values = {name: [row[name] for row in rows] for name in columns}
    return pd.DataFrame({name: pd.Series(values[name], dtype=columns[name]) for name in columns})


def tables_of(rows: Rows, tables: Mapping[str, Columns]) -> Tables:
    """The tables of a study by name, made from their rows."""
    return {name: table_of(rows[name], columns) for name, columns in tables.items()}


def where(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that have these values."""
    return table.loc[(table[[*values]] == pd.Series(values)).all(axis=1)]


def distinct(table: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """The distinct combinations of values of some columns, in the order of the rows."""
    return list(dict.fromkeys(table[[*names]].itertuples(index=False, name=None)))


def write_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, completely or not at all. Floats are written without rounding."""
    text = table.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # it would end a row, and not every version of Python quotes it
        text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    write_text(path, text)


def read_table(path: Path | str, columns: Columns) -> pd.DataFrame:
    """Read a table that `write_table` wrote. Text and floats are exactly as they were.

    Raises: StoreError if the file is missing or is no CSV file, or if its columns or the types of
    its values differ from `columns`.
    """
    # Pandas would fill rows that are too short, and it rounds numbers by default.
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *lines = list(csv.reader(file, strict=True)) or [[]]
        if sorted(header) != sorted(columns):
            raise ValueError(_difference(header, columns))
        rows = [_row(number, header, line, columns) for number, line in enumerate(lines, 1)]
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(
            "A table must be a CSV file with its columns, and a value of its type in each cell. "
            f"Got {path}: {error}. Restore the file, or repeat the study with --again."
        ) from None
    return table_of(rows, columns)


def _row(number: int, header: Sequence[str], line: Sequence[str], columns: Columns) -> Row:
    if len(line) != len(header):
        raise ValueError(f"{len(line)} values for {len(header)} columns in row {number}")
    row: Row = {}
    for name, cell in zip(header, line, strict=True):
        try:
            row[name] = _value(cell, columns[name])
        except (ValueError, KeyError, OverflowError):
            kind = columns[name].__name__
            raise ValueError(f"{cell!r} for the {kind} {name!r} in row {number}") from None
    return row


def _value(cell: str, kind: type) -> Any:
    if kind is str:
        return cell
    if kind is bool:
        return {"True": True, "False": False}[cell]
    if "_" in cell:  # Python allows it in a number, but no table contains it
        raise ValueError(cell)
    return np.int64(cell) if kind is int else float(cell or "nan")


def _difference(names: Sequence[str], columns: Columns) -> str:
    missing = [f"without {name!r}" for name in columns if name not in names]
    unknown = [f"with {name!r}" for name in names if name not in columns]
    return " and ".join([*missing, *unknown]) or "with a column twice"
