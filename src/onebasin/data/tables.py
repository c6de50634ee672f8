"""Data sets in `.csv` files: a row of column names, then one example a row."""

import csv
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from onebasin._words import did_you_mean
from onebasin.data.checks import DataError, check_finite
from onebasin.data.dataset import Source, Task

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class _Table(NamedTuple):
    """The cells of a CSV file as text, the names of its columns, and the line of each row."""

    file: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def place(self, row: int, column: int) -> str:
        """The place of a cell, for a message. Rows below the header are counted from 1."""
        return f"row {row + 1}, column {self.columns[column]!r} (line {self.lines[row]})"


def read_csv(path: Path, target: str | int | None, task: Task | None) -> Source:
    """The inputs and targets of a CSV file, from its columns.

    Inputs are the numbers of all columns but the target. The target may be text.

    Raises:
        DataError: If the file is not such a table. The message names the row and the column.
    """
    table = _read_table(path)
    column = _target_column(table, target)
    names = [name for i, name in enumerate(table.columns) if i != column]
    inputs = _read_inputs(table, column)
    targets = _read_targets(table, column, task)
    check_finite(f"Inputs of {path.name}", inputs, names)
    check_finite(f"Targets of {path.name}", targets, [table.columns[column]])
    return Source(path.stem, inputs, targets)


def _read_table(path: Path) -> _Table:
    """The cells of a CSV file, without blank lines. Raises DataError if it is not a table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _not_text(path, str(error)) from error
    if "\0" in text:
        raise _not_text(path, "it contains NUL bytes")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for cells in reader:
            if cells:  # csv gives an empty list for a blank line
                rows.append([cell.strip() for cell in cells])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path.name} must be comma-separated text with closed quotes. Got line "
            f"{reader.line_num}: {error}. Mend that line."
        ) from error
    if len(rows) < 2:
        raise DataError(
            f"{path.name} must hold a row of column names and rows of data. Got {len(rows)} rows "
            "in all. Add a header and data."
        )
    table = _Table(path.name, rows[0], rows[1:], lines[1:])
    _check_header(table)
    _check_widths(table)
    return table


def _not_text(path: Path, reason: str) -> DataError:
    """What to raise for a file that is not UTF-8 text."""
    return DataError(
        f"{path.name} must be UTF-8 text, as its ending says. Got something else ({reason}). "
        "Export it as UTF-8 CSV or mend its ending."
    )


def _check_header(table: _Table) -> None:
    """Raise DataError unless there are two columns or more, with names that differ."""
    columns = table.columns
    if len(columns) < 2:
        raise DataError(
            f"{table.file} must have at least 2 columns, the inputs and the target. Got "
            f"{columns}. Separate the cells with commas."
        )
    if "" in columns:
        raise DataError(
            f"Every column of {table.file} must have a name. Got none for column "
            f"{columns.index('') + 1}. Name it; an index that pandas wrote goes with index=False."
        )
    number = next((i for i, column in enumerate(columns) if _number(column) is not None), None)
    if number is not None and not _are_names(table):
        raise DataError(
            f"The first row of {table.file} must be column names. Got {columns[number]!r} for "
            f"column {number + 1}, which looks like data. Add a header row."
        )
    repeated = [column for column in columns if columns.count(column) > 1]
    if repeated:
        raise DataError(
            f"Column names of {table.file} must differ. Got {repeated[0]!r} more than once. "
            "Rename one."
        )


def _are_names(table: _Table) -> bool:
    """Whether a first row with some numbers holds names of columns, and not data.

    It does if its numbers count up, as years do, and none of its texts is also a value of the same
    column further down.
    """
    columns = table.columns
    numbers = [column for column in columns if _number(column) is not None]
    texts = [i for i, column in enumerate(columns) if _number(column) is None]
    first = int(numbers[0]) if _INTEGER.fullmatch(numbers[0]) else 0
    is_counted = numbers == [str(first + i) for i in range(len(numbers))]
    is_seen = any(len(row) > i and row[i] == columns[i] for row in table.rows for i in texts)
    return is_counted and bool(texts) and not is_seen


def _check_widths(table: _Table) -> None:
    """Raise DataError unless every row has as many cells as the header."""
    for row, cells in enumerate(table.rows):
        if len(cells) != len(table.columns):
            column = min(len(cells), len(table.columns) - 1)
            raise DataError(
                f"Every row of {table.file} must have {len(table.columns)} cells, as its header. "
                f"Got {len(cells)}, and the first difference is in {table.place(row, column)}. "
                "Add or remove cells there."
            )


def _target_column(table: _Table, target: str | int | None) -> int:
    """The number of the target's column, which is given by name or number; the last by default."""
    columns = table.columns
    if target is None:
        return len(columns) - 1
    if isinstance(target, str):
        if target not in columns:
            raise DataError(
                f"target must name a column of {table.file}, {columns}. Got {target!r}."
                f"{did_you_mean(target, columns)} Pass one of them."
            )
        return columns.index(target)
    if not -len(columns) <= target < len(columns):
        raise DataError(
            f"target must be a column in [{-len(columns)}, {len(columns) - 1}] of {table.file}. "
            f"Got {target}. Leave it out for the last column."
        )
    return target % len(columns)


def _read_inputs(table: _Table, target: int) -> Float[np.ndarray, "examples features"]:
    """The numbers of all columns but the target. Raises DataError if a cell is not a number."""
    values: list[list[float]] = []
    for row, cells in enumerate(table.rows):
        numbers = [_number(cell) for cell in cells]
        for column, number in enumerate(numbers):
            if number is None and column != target:
                raise DataError(
                    f"Inputs of {table.file} must be numbers. Got {cells[column]!r} in "
                    f"{table.place(row, column)}. Mend the cell, or leave out its row or column."
                )
        values.append([x for i, x in enumerate(numbers) if x is not None and i != target])
    return np.array(values, np.float64)


def _read_targets(table: _Table, column: int, task: Task | None) -> NDArray[Any]:
    """The target column as int64, as float64, or as text if it is not all numbers.

    Raises DataError if a cell is empty, or if only some are numbers and the task is not
    classification.
    """
    cells = [row[column] for row in table.rows]
    if "" in cells:
        raise DataError(
            f"Targets of {table.file} must not be empty. Got '' in "
            f"{table.place(cells.index(''), column)}. Fill in the cell or leave out the row."
        )
    if all(_INTEGER.fullmatch(cell) for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    numbers = [number for cell in cells if (number := _number(cell)) is not None]
    if len(numbers) == len(cells):
        return np.array(numbers, np.float64)
    # A mistyped number must not turn a regression into a classification.
    if task == "regression" or (numbers and task is None):
        row = next(row for row, cell in enumerate(cells) if _number(cell) is None)
        raise DataError(
            f"Targets of {table.file} must be all numbers or all text. Got {cells[row]!r} in "
            f"{table.place(row, column)}. Mend the cell, or pass task='classification'."
        )
    return np.array(cells)


def _number(cell: str) -> float | None:
    """The number in a cell; None if it is not a number."""
    try:
        # Python reads 1_000 as a number; no other reader of CSV does.
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
