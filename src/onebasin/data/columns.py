"""The columns of a table as inputs: numbers, days of dates, or one input for each category."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from onebasin.data.checks import DataError
from onebasin.data.missing import is_missing
from onebasin.data.numbers import Decimal, MixedUnitsError, Numbers, number, readings
from onebasin.data.options import TableOptions
from onebasin.data.rows import Table

_BOOLEANS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_TIME = r"(?P<time>[ T]\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_YEAR_FIRST = re.compile(rf"(?P<y>\d{{4}})([-/.])(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(rf"(?P<a>\d{{1,2}})([-/.])(?P<b>\d{{1,2}})\2(?P<y>\d{{4}}){_TIME}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Column(NamedTuple):
    """The inputs that a column becomes. Rows whose cell is missing have zeros.

    `names` are those of the inputs: the column's, or `column=value` for each category.
    `is_counted` says that its values are categories or booleans.
    """

    name: str
    values: Float[np.ndarray, "rows inputs"]
    is_missing: Bool[np.ndarray, " rows"]
    names: tuple[str, ...]
    is_counted: bool


class Readings(NamedTuple):
    """The ways to read each column as numbers, and what stands before decimals in some column."""

    by_column: dict[int, list[Numbers]]
    decimals: set[Decimal]


def read_numbers(
    table: Table, inputs: Sequence[int], target: int, options: TableOptions
) -> Readings:
    """The ways to read inputs and target as numbers. Columns of categories have none.

    Raises:
        DataError: If a column has no values, or an input has different units.
    """
    found: dict[int, list[Numbers]] = {}
    decimals: set[Decimal] = set()
    for column in (*inputs, target):
        cells = _present(table, column)
        found[column] = []
        if table.columns[column] not in options.categories:
            found[column] = _readings(table, column, cells, options.decimal, column == target)
        if len(found[column]) == 1 and any("." in cell or "," in cell for cell in cells):
            decimals.add(found[column][0].decimal)
    return Readings(found, decimals)


def read_columns(
    table: Table,
    columns: Sequence[int],
    numbers: Readings,
    options: TableOptions,
    notes: list[str],
) -> list[Column]:
    """Some columns of a table as inputs. Everything that was guessed is said in `notes`.

    Levels of a category come from all rows: they are names of inputs and say nothing of targets.

    Raises:
        DataError: If the cells of a column are neither numbers, nor booleans, nor dates, nor at
            most `max_levels` categories.
    """
    result: list[Column] = []
    for column in columns:
        name = table.columns[column]
        found = choose(table, column, numbers, notes)
        if found is not None:
            values, names, is_counted = found.values[:, None], (name,), False
        else:
            cells = _present(table, column)
            values, names, is_counted = _no_numbers(table, column, cells, options, notes)
        mask = np.array([is_missing(row[column]) for row in table.rows])
        whole = np.zeros((len(table.rows), len(names)))
        whole[~mask] = values
        result.append(Column(name, whole, mask, names, is_counted))
    return result


def _present(table: Table, column: int) -> list[str]:
    """The cells of a column that are not missing. Raises DataError if there are none."""
    cells = [row[column] for row in table.rows if not is_missing(row[column])]
    if not cells:
        name = table.columns[column]
        raise DataError(
            f"Every column of {table.file} must have values. Got none in column {name!r}. "
            f"Leave it out with drop=[{name!r}]."
        )
    return cells


def _readings(
    table: Table, column: int, cells: Sequence[str], decimal: Decimal | None, is_target: bool
) -> list[Numbers]:
    """The ways to read a column as numbers. Raises DataError if units of an input differ."""
    try:
        return readings(cells, decimal)
    except MixedUnitsError as error:
        if is_target:
            return []
        raise DataError(
            f"Numbers of a column of {table.file} must have one unit. Got {error} in column "
            f"{table.columns[column]!r}. Convert them to one unit, or leave the column out (drop)."
        ) from None


def choose(table: Table, column: int, numbers: Readings, notes: list[str]) -> Numbers | None:
    """The numbers of a column out of its readings; None if it has none.

    `1.234` may be a thousand or one. It is what the decimals of other columns say. If they say
    nothing, a point is a decimal point, and a comma is a thousands separator if commas separate
    the cells.

    Raises:
        DataError: If a column can be read in two ways, and nothing says which is meant.
    """
    found = numbers.by_column[column]
    if not found:
        return None
    name = table.columns[column]
    chosen = found[0]
    if len(found) == 2:
        point, comma = found
        has_comma = any("," in row[column] for row in table.rows)
        if numbers.decimals == {","}:
            chosen = comma
        elif has_comma and numbers.decimals != {"."} and table.separator != ",":
            raise DataError(
                f"Numbers of {table.file} must be read in one way. Got column {name!r}, whose "
                "commas stand before thousands or decimals. Pass decimal='.' or decimal=',' "
                "(data.decimal in a config)."
            )
        else:
            chosen = point
    _say(table, column, chosen, notes)
    return chosen


def _say(table: Table, column: int, numbers: Numbers, notes: list[str]) -> None:
    """Say in `notes` how the numbers of a column were written, unless they were plain."""
    name = table.columns[column]
    cells = [row[column] for row in table.rows if not is_missing(row[column])]
    marks, thousands = set("".join(cells)), "," if numbers.decimal == "." else "."
    if numbers.unit == "%":
        notes.append(f"Column {name!r} is in per cent. Its signs are left out.")
    elif numbers.unit:
        notes.append(f"Column {name!r} has the unit {numbers.unit!r}, which is left out.")
    if numbers.decimal == "," and "," in marks:
        notes.append(f"Column {name!r} has decimal commas.")
    if not numbers.unit and marks & {thousands, *" \u00a0\u2009\u202f'’"}:
        notes.append(f"Column {name!r} has thousands separators, which are left out.")
    if np.abs(numbers.values).max() > 2**53 and np.isfinite(numbers.values).all():
        notes.append(f"Column {name!r} has numbers above 2^53, which are rounded to 16 digits.")


def _no_numbers(
    table: Table, column: int, cells: list[str], options: TableOptions, notes: list[str]
) -> tuple[Float[np.ndarray, "cells inputs"], tuple[str, ...], bool]:
    """A column of booleans, dates or categories: its inputs, their names, and how it is imputed."""
    name = table.columns[column]
    if name not in options.categories:
        booleans = [_BOOLEANS.get(cell.casefold()) for cell in cells]
        if None not in booleans:
            notes.append(f"Column {name!r} becomes 1 for true or yes, and 0 for false or no.")
            return np.array(booleans, np.float64)[:, None], (name,), True
        days = _days(table, column, cells)
        if days is not None:
            notes.append(f"Column {name!r} becomes days since 1970-01-01.")
            return days[:, None], (name,), False
        _check_no_number(table, column)
    levels = sorted(set(cells))
    if len(levels) > options.max_levels:
        raise DataError(
            f"A column of text must have at most {options.max_levels} values (max_levels). Got "
            f"{len(levels)} in column {name!r} of {table.file}. Leave it out with drop=[{name!r}] "
            "(data.drop in a config), or raise max_levels."
        )
    notes.append(f"Column {name!r} becomes one input for each of {len(levels)} values.")
    one_hot = np.array(cells)[:, None] == np.array(levels)
    return one_hot.astype(np.float64), tuple(f"{name}={level}" for level in levels), True


def _check_no_number(table: Table, column: int) -> None:
    """Raise DataError if a column of text also has numbers: one of the cells is a mistake."""
    places = [row for row, cells in enumerate(table.rows) if not is_missing(cells[column])]
    are_numbers = [
        number(table.rows[row][column]) is not None
        or number(table.rows[row][column], ",") is not None
        for row in places
    ]
    if any(are_numbers):
        row = places[are_numbers.index(False)] if not all(are_numbers) else places[0]
        name = table.columns[column]
        raise DataError(
            f"Inputs of {table.file} must be numbers. Got {table.rows[row][column]!r} in "
            f"{table.place(row, column)}. Mend the cell, leave out its row or column, or pass "
            f"categories=[{name!r}]."
        )


def _days(table: Table, column: int, cells: list[str]) -> Float[np.ndarray, " cells"] | None:
    """Dates as days since 1970-01-01; None if not all cells are dates.

    Raises:
        DataError: If the order of day and month is not known, or there is no such day.
    """
    first = [_YEAR_FIRST.fullmatch(cell) for cell in cells]
    last = [_YEAR_LAST.fullmatch(cell) for cell in cells]
    if not all(a or b for a, b in zip(first, last, strict=True)):
        return None
    name = table.columns[column]
    pairs = [(int(one["a"]), int(one["b"])) for one in last if one]
    is_dotted = all(cell.count(".") >= 2 for cell, one in zip(cells, last, strict=True) if one)
    day_first = any(a > 12 for a, _ in pairs) or is_dotted
    month_first = any(b > 12 for _, b in pairs)
    if pairs and day_first == month_first:
        raise DataError(
            f"Dates of {table.file} must have one order of day and month. Got column {name!r}, "
            f"such as {cells[0]!r}, which does not say it. Write them as YYYY-MM-DD, or leave the "
            f"column out with drop=[{name!r}]."
        )
    days: list[float] = []
    for cell, one in zip(cells, [a or b for a, b in zip(first, last, strict=True)], strict=True):
        assert one is not None
        groups = one.groupdict()
        month, day = groups.get("m"), groups.get("d")
        if month is None:
            month, day = (groups["b"], groups["a"]) if day_first else (groups["a"], groups["b"])
        days.append(_day(table, name, cell, int(groups["y"]), int(month), int(day or 0), one))
    return np.array(days)


def _day(
    table: Table, name: str, cell: str, year: int, month: int, day: int, found: re.Match[str]
) -> float:
    """The days from 1970-01-01 to a date. Raises DataError if there is no such date."""
    time = (found["time"] or "00:00").strip(" T")
    time = time if time[2] == ":" else f"0{time}"
    try:
        moment = datetime.fromisoformat(f"{year:04}-{month:02}-{day:02} {time}")
    except ValueError as error:
        raise DataError(
            f"Dates of {table.file} must be days that exist. Got {cell!r} in column {name!r} "
            f"({error}). Mend the cell, or leave out its row or column."
        ) from error
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (known - _EPOCH).total_seconds() / 86_400
