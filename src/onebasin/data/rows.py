"""The rows of a table as text, with the names of its columns: what its file holds, tidied up."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from onebasin.data.checks import DataError
from onebasin.data.missing import is_missing
from onebasin.data.numbers import number
from onebasin.data.options import TableOptions
from onebasin.data.separators import NAMES, Line, check_cut, sampled, separator_of
from onebasin.data.text import read_text

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_TOLD = re.compile(r'"?sep=(?P<separator>[,;|\t])"?', re.IGNORECASE)
_UNNAMED = re.compile(r"(Unnamed: \d+)?")


class Table(NamedTuple):
    """The cells of a table as text, the names of its columns, and where its rows stand.

    `numbers` are those of the rows below the header, from 1 on; `lines` those of lines of the file.
    They are equal for a file that has no lines. `separator` is what stood between cells.
    """

    file: str
    columns: list[str]
    rows: list[list[str]]
    numbers: list[int]
    lines: list[int]
    separator: str = ","

    def place(self, row: int, column: int) -> str:
        """The place of a cell, for a message."""
        name = self.columns[column] if column < len(self.columns) else ""
        return f"row {self.numbers[row]}, column {name!r} (line {self.lines[row]})"

    def take(self, rows: Sequence[int]) -> "Table":
        """Some of the rows."""
        return self._replace(
            rows=[self.rows[row] for row in rows],
            numbers=[self.numbers[row] for row in rows],
            lines=[self.lines[row] for row in rows],
        )

    def without_column(self, column: int) -> "Table":
        """All columns but one."""
        return self._replace(
            columns=[*self.columns[:column], *self.columns[column + 1 :]],
            rows=[[*row[:column], *row[column + 1 :]] for row in self.rows],
        )


def read_rows(path: Path, options: TableOptions, notes: list[str]) -> Table:
    """The rows of a text file. Everything that was guessed or left out is said in `notes`.

    Raises:
        DataError: If the file is not such a table.
    """
    text, skipped, comments, told = _without_preamble(read_text(path, notes))
    if comments:
        notes.append(f"{_count(len(comments), 'comment line')} at the top of the file is no data.")
    separator = options.separator or told or separator_of(text)
    if separator != ",":
        notes.append(f"Cells are separated by {NAMES[separator]}.")
    lines = check_cut(text, separator, path.name, skipped + 1)
    lines = _without_comments(_without_empty(lines, notes), notes)
    lines = _with_commented_header(lines, comments, separator, options, notes)
    if len(lines) < (2 if options.header else 1):
        raise DataError(
            f"{path.name} must hold a row of column names and rows of data. Got {len(lines)} rows "
            "in all. Add a header and data."
        )
    if options.header:
        header, body = lines[0].cells, lines[1:]
    else:
        header, body = [f"column_{i + 1}" for i in range(len(lines[0].cells))], lines
    cells, places = [line.cells for line in body], [line.number for line in body]
    counted = list(range(1, len(body) + 1))
    return tidy(Table(path.name, header, cells, counted, places, separator), options, notes)


def tidy(table: Table, options: TableOptions, notes: list[str]) -> Table:
    """A table without columns that are none: empty ones without a name, and an index.

    Raises:
        DataError: If rows differ in length, or the names of columns are none.
    """
    if options.header:
        table = _with_row_names(table, notes)
    _check_widths(table)
    if options.header:
        _check_is_header(table)
        table = _without_index(_without_nameless(table, notes), notes)
    _check_names(table)
    return table


def _without_preamble(text: str) -> tuple[str, int, list[str], str | None]:
    """A text without the comments and blank lines at its top.

    Also returns how many lines were cut off, the comments, and the separator that a first line
    such as `sep=;` names, which Excel writes.
    """
    start, skipped, comments, told = 0, 0, list[str](), None
    while start < len(text):
        found = _LINE.match(text, start)
        assert found is not None
        line = found[0].strip("\r\n")
        is_told = skipped == 0 and _TOLD.fullmatch(line.rstrip(" "))
        if is_told:
            told = is_told["separator"]
        elif line.lstrip().startswith("#"):
            comments.append(line.lstrip()[1:])
        elif line.strip():
            break
        start, skipped = found.end(), skipped + 1
    return text[start:], skipped, comments, told


def _without_empty(lines: list[Line], notes: list[str]) -> list[Line]:
    """Lines without those of which every cell is empty, as spreadsheets write them."""
    found = [line for line in lines if any(line.cells)]
    if len(found) < len(lines):
        notes.append(f"{_count(len(lines) - len(found), 'row')} without any value is left out.")
    return found


def _without_comments(lines: list[Line], notes: list[str]) -> list[Line]:
    """Lines without comments: those that begin with # and have another width than most lines."""
    marked = [line for line in lines if line.cells[0].startswith("#")]
    if not marked:
        return lines
    width = Counter(len(line.cells) for line in lines).most_common(1)[0][0]
    found = [
        line for line in lines if not (line.cells[0].startswith("#") and len(line.cells) != width)
    ]
    if len(found) < len(lines):
        notes.append(f"{_count(len(lines) - len(found), 'comment line')} between rows is no data.")
    return found


def _with_commented_header(
    lines: list[Line],
    comments: list[str],
    separator: str,
    options: TableOptions,
    notes: list[str],
) -> list[Line]:
    """Lines with the last comment above them as header, if it is one, as NumPy writes it."""
    if not comments or not lines or not options.header:
        return lines
    names = sampled(comments[-1], separator)
    first = lines[0].cells
    is_header = len(names) == 1 and 2 <= len(first) == len(names[0])
    if not is_header or all(number(cell) is None for cell in first):
        return lines
    notes.append("The names of the columns stand in the last comment line above the data.")
    return [Line(names[0], 0), *lines]


def _with_row_names(table: Table, notes: list[str]) -> Table:
    """A table whose rows have one cell more than its header, with as many cells in both.

    The last cells are left out if they are empty. Else the first cells are row names, as R writes
    them, if no two are equal.
    """
    width = len(table.columns) + 1
    if not all(len(row) == width for row in table.rows):
        return table
    if not any(row[-1] for row in table.rows):
        notes.append("The separator at the end of every row is no cell.")
        return table._replace(rows=[row[:-1] for row in table.rows])
    if len({row[0] for row in table.rows}) < len(table.rows):
        return table
    return table._replace(columns=["", *table.columns])


def _check_widths(table: Table) -> None:
    """Raise DataError unless every row has as many cells as the header."""
    for row, cells in enumerate(table.rows):
        if len(cells) != len(table.columns):
            column = min(len(cells), len(table.columns) - 1)
            raise DataError(
                f"Every row of {table.file} must have {len(table.columns)} cells, as its header. "
                f"Got {len(cells)}, and the first difference is in {table.place(row, column)}. "
                "Add or remove cells there."
            )


def _check_is_header(table: Table) -> None:
    """Raise DataError if the first row looks like data."""
    columns = table.columns
    first = next((i for i, column in enumerate(columns) if _is_number(column)), None)
    if first is not None and not _are_names(table):
        raise DataError(
            f"The first row of {table.file} must be column names. Got {columns[first]!r} for "
            f"column {first + 1}, which looks like data. Add a header row, or pass header=False "
            "(data.header=false in a config)."
        )


def _is_number(cell: str) -> bool:
    return number(cell) is not None or number(cell, ",") is not None


def _are_names(table: Table) -> bool:
    """Whether a first row with some numbers holds names of columns, and not data.

    It does if its numbers count up, as years do, and none of its texts is also a value of the same
    column further down.
    """
    columns = table.columns
    numbers = [column for column in columns if _is_number(column)]
    texts = [i for i, column in enumerate(columns) if not _is_number(column)]
    first = int(numbers[0]) if _INTEGER.fullmatch(numbers[0]) else 0
    is_counted = numbers == [str(first + i) for i in range(len(numbers))]
    is_seen = any(len(row) > i and row[i] == columns[i] for row in table.rows for i in texts)
    return is_counted and bool(texts) and not is_seen


def _without_nameless(table: Table, notes: list[str]) -> Table:
    """A table without columns that have neither a name nor a value."""
    for column in reversed(range(len(table.columns))):
        is_empty = all(is_missing(row[column]) for row in table.rows)
        if _UNNAMED.fullmatch(table.columns[column]) and is_empty:
            notes.append(f"Column {column + 1} has neither a name nor values. It is left out.")
            table = table.without_column(column)
    return table


def _without_index(table: Table, notes: list[str]) -> Table:
    """A table without a first column that has no name and numbers or names the rows."""
    if not table.columns or not _UNNAMED.fullmatch(table.columns[0]):
        return table
    values = [row[0] for row in table.rows]
    if len(set(values)) < len(values) or any(_is_number(v) and "." in v for v in values):
        return table
    notes.append(f"The first column, {table.columns[0]!r}, is an index. It is left out.")
    return table.without_column(0)


def _check_names(table: Table) -> None:
    """Raise DataError unless there are two columns or more, with names that differ."""
    columns = table.columns
    if len(columns) < 2:
        raise DataError(
            f"{table.file} must have at least 2 columns, the inputs and the target. Got "
            f"{columns}. Separate the cells with commas, or name their separator (separator)."
        )
    if "" in columns:
        raise DataError(
            f"Every column of {table.file} must have a name. Got none for column "
            f"{columns.index('') + 1}. Name it; an index that pandas wrote goes with index=False."
        )
    repeated = [column for column in columns if columns.count(column) > 1]
    if repeated:
        raise DataError(
            f"Column names of {table.file} must differ. Got {repeated[0]!r} more than once. "
            "Rename one."
        )


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
