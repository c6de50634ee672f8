"""What separates the cells of a table, and how its text is cut into cells."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from onebasin.data.checks import DataError
from onebasin.data.missing import is_missing
from onebasin.data.numbers import number

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_CANDIDATES = (",", ";", "\t", "|")
_NUM_SAMPLED = 200


class Line(NamedTuple):
    """The cells of a row without the spaces around them, and the line on which it ends."""

    cells: list[str]
    number: int


def cut(text: str, separator: str) -> Iterator[Line]:
    """The cells of each row of a text. Blank lines are left out.

    Raises:
        csv.Error: If a quote is not closed, or something follows a closing quote.
    """
    if separator == " ":
        for place, words in enumerate(text.splitlines(), 1):
            if words.split():
                yield Line([word.strip('"') for word in words.split()], place)
        return
    # A space before a quote is none of the cell.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if stripped and stripped != [""]:
            yield Line(stripped, reader.line_num)


def separator_of(text: str) -> str:
    """The separator by which the first rows have one width, and most of their cells are numbers.

    A comma if no separator gives two columns.
    """
    fits = {separator: _fit(sampled(text, separator)) for separator in _CANDIDATES}
    best = max(fits, key=lambda separator: fits[separator])
    if fits[best] > (0.0, 0.0, 0):
        return best
    return " " if _fit(sampled(text, " "))[0] == 1.0 else ","


def sampled(text: str, separator: str) -> list[list[str]]:
    """The cells of the first rows of a text, up to one that cannot be cut."""
    rows: list[list[str]] = []
    try:
        for line in islice(cut(text, separator), _NUM_SAMPLED):
            rows.append(line.cells)
    except csv.Error:
        pass
    return rows


def _fit(rows: list[list[str]]) -> tuple[float, float, int]:
    """How well rows are cut: the share of one width, the share of numbers, and the width.

    All are zero if the first row has a single cell, or is not as wide as the others. It may be
    narrower by one, because row names and closing separators often have no name.
    """
    if len(rows) < 2 or len(rows[0]) < 2:
        return 0.0, 0.0, 0
    header, *body = rows
    width, count = Counter(map(len, body)).most_common(1)[0]
    if len(body) > 2 and width not in (len(header), len(header) + 1):
        return 0.0, 0.0, 0
    cells = [cell for row in body for cell in row]
    numbers = sum(
        is_missing(cell) or number(cell) is not None or number(cell, ",") is not None
        for cell in cells
    )
    return count / len(body), numbers / len(cells), width


def check_cut(text: str, separator: str, file: str, first_line: int) -> list[Line]:
    """All rows of a text, whose first line has the number `first_line` in its file.

    Raises:
        DataError: If a quote is not closed, or something follows a closing quote.
    """
    lines: list[Line] = []
    last = 0
    try:
        for line in cut(text, separator):
            last = line.number
            lines.append(Line(line.cells, line.number + first_line - 1))
    except csv.Error as error:
        raise DataError(
            f"{file} must be text with closed quotes. Got after line {last + first_line - 1}: "
            f"{error}. Mend the quotes there."
        ) from error
    return lines
