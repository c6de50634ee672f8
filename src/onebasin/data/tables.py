"""Data sets in tables: text files with a row of column names, or Parquet files.

Everything that was guessed is in the `notes` of the data set. What cannot be guessed is refused.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onebasin._words import did_you_mean
from onebasin.data.checks import DataError, check_finite
from onebasin.data.columns import Column, Readings, choose, read_columns, read_numbers
from onebasin.data.dataset import Source
from onebasin.data.missing import Feature, describe_missing, is_missing
from onebasin.data.numbers import number
from onebasin.data.options import TableOptions
from onebasin.data.parquet import read_parquet
from onebasin.data.rows import Table, read_rows
from onebasin.data.targets import MAX_INFERRED_CLASSES as _FEW

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_ENDING = re.compile(r"\.(csv|tsv|txt)(\.gz)?$|\.parquet$", re.IGNORECASE)
_HOW_TO_MEND = (
    "Fill them in, or pass missing='impute' or missing='drop' (data.missing in a config)."
)


def is_table(name: str) -> bool:
    """Whether a file is a table, by its ending."""
    return _ENDING.search(name) is not None


def name_of_table(name: str) -> str:
    """The name of a table's file without its ending."""
    return _ENDING.sub("", Path(name).name)


def read_table(path: Path, options: TableOptions) -> Source:
    """The inputs and targets of a table.

    Inputs are all columns but the target. Numbers, booleans and dates become one input each, and
    each value of a column of text becomes an input that is 0 or 1. The target may be text.

    Raises:
        DataError: If the file is not such a table. The message names the row and the column.
    """
    notes: list[str] = []
    reader = read_parquet if path.suffix.lower() == ".parquet" else read_rows
    table = reader(path, options, notes)
    target, inputs = _selected(table, options, notes)
    table = _with_values(table, target, inputs, options, notes)
    numbers = read_numbers(table, inputs, target, options)
    columns = read_columns(table, inputs, numbers, options, notes)
    values = np.concatenate([column.values for column in columns], axis=1)
    names = tuple(name for column in columns for name in column.names)
    places = [at for at, column in zip(inputs, columns, strict=True) for _ in column.names]
    check_finite(f"Inputs of {path.name}", values, lambda at: table.place(at[0], places[at[1]]))
    _check_distinct(table, names)
    targets, class_names = _read_targets(table, target, numbers, options, notes)
    check_finite(f"Targets of {path.name}", targets, lambda at: table.place(at[0], target))
    return Source(
        name_of_table(path.name),
        values,
        targets,
        feature_names=names,
        target_name=table.columns[target],
        class_names=class_names,
        rows=np.array(table.numbers),
        features=_features(columns),
        notes=tuple(notes),
    )


def _features(columns: Sequence[Column]) -> tuple[Feature, ...]:
    """The inputs of each column, and which of its cells are missing."""
    stops = np.cumsum([len(column.names) for column in columns]).tolist()
    return tuple(
        Feature(one.name, stop - len(one.names), stop, one.is_missing, one.is_counted)
        for one, stop in zip(columns, stops, strict=True)
    )


def _check_distinct(table: Table, names: Sequence[str]) -> None:
    """Raise DataError if the input of a category has the name of another input."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"Inputs of {table.file} must have names that differ. Got {twice!r} as a column and as "
            "a value of another column. Rename the column."
        )


def _selected(table: Table, options: TableOptions, notes: list[str]) -> tuple[int, list[int]]:
    """The number of the target's column, and those of the inputs.

    Raises:
        DataError: If an option names no column, or nothing is left as inputs.
    """
    for option in ("columns", "drop", "categories"):
        for name in getattr(options, option) or ():
            if name not in table.columns:
                raise _no_column(table, option, name)
    left = [i for i, name in enumerate(table.columns) if name not in options.drop]
    if not left:
        raise DataError(
            f"drop must leave columns of {table.file}. Got all of them. Drop fewer of them."
        )
    target = left[-1] if options.target is None else _target_column(table, options.target)
    if target not in left:
        raise DataError(
            f"drop must not name the target. Got {table.columns[target]!r}. Name another target."
        )
    inputs = [
        i
        for i in left
        if i != target and (options.columns is None or table.columns[i] in options.columns)
    ]
    if not inputs:
        raise DataError(
            f"A table must have an input besides its target. Got none for the target "
            f"{table.columns[target]!r} of {table.file}. Name other columns or drop fewer of them."
        )
    out = [name for i, name in enumerate(table.columns) if i not in (*inputs, target)]
    if out:
        notes.append(f"Columns left out, as was asked: {', '.join(map(repr, out))}.")
    return target, inputs


def _target_column(table: Table, target: str | int) -> int:
    """The number of the target's column, which is given by name or number."""
    columns = table.columns
    if isinstance(target, str):
        if target not in columns:
            raise _no_column(table, "target", target)
        return columns.index(target)
    if not -len(columns) <= target < len(columns):
        raise DataError(
            f"target must be a column in [{-len(columns)}, {len(columns) - 1}] of {table.file}. "
            f"Got {target}. Leave it out for the last column."
        )
    return target % len(columns)


def _no_column(table: Table, option: str, name: str) -> DataError:
    """What to raise if an option names a column that a table does not have."""
    return DataError(
        f"{option} must name columns of {table.file}, {table.columns}. Got {name!r}."
        f"{did_you_mean(name, table.columns)} Pass one of them."
    )


def _with_values(
    table: Table, target: int, inputs: list[int], options: TableOptions, notes: list[str]
) -> Table:
    """A table without the rows that `missing` says to drop.

    Raises:
        DataError: If values are missing that are neither dropped nor imputed.
    """
    used = [*inputs, target]
    mask = np.array([[is_missing(row[column]) for column in used] for row in table.rows])
    if not mask.any():
        return table
    names = [table.columns[column] for column in used]
    if options.missing == "drop":
        keeps = np.flatnonzero(~mask.any(axis=1))
        if len(keeps) == 0:
            raise DataError(
                f"{table.file} must have rows without missing values. Got "
                f"{describe_missing(names, mask)}. Leave out columns with drop=[...]."
            )
        notes.append(f"Rows with missing values are dropped: {describe_missing(names, mask)}.")
        return table.take(keeps.tolist())
    refused = mask if options.missing == "refuse" else mask & (np.array(used) == target)
    if not refused.any():
        return table
    row, place = (int(i) for i in np.argwhere(refused)[0])
    what = "values" if options.missing == "refuse" else "targets"
    mend = _HOW_TO_MEND if options.missing == "refuse" else "Fill them in, or leave out the rows."
    raise DataError(
        f"{table.file} must have no missing {what}. Got {describe_missing(names, refused)}, "
        f"the first {table.rows[row][used[place]]!r} in {table.place(row, used[place])}. {mend}"
    )


def _read_targets(
    table: Table, column: int, numbers: Readings, options: TableOptions, notes: list[str]
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """The target column as int64, as float64, or as text if it is not all numbers.

    Whole numbers that are the labels of a classification become 0..K-1, with the numbers as names.

    Raises:
        DataError: If only some cells are numbers and the task is not classification, or if it is
            not known whether whole numbers are labels or counts.
    """
    cells = [row[column] for row in table.rows]
    if table.columns[column] in options.categories:
        return np.array(cells), None
    if all(_INTEGER.fullmatch(cell) for cell in cells):
        values = np.array([int(cell) for cell in cells], np.int64)
        return _whole_targets(table, column, values, options)
    found = numbers.by_column[column]
    if found and not (options.task == "classification" and found[0].unit):
        chosen = choose(table, column, numbers, notes)
        assert chosen is not None
        is_whole = (chosen.values == np.round(chosen.values)).all()
        if is_whole and options.task == "classification":
            return _whole_targets(table, column, chosen.values, options)
        if is_whole and options.task is None and len(np.unique(chosen.values)) <= _FEW:
            notes.append(
                "Targets are whole numbers that are written with decimals. They are taken as those "
                "of a regression: pass task='classification' if they are labels."
            )
        return chosen.values, None
    _check_all_text(table, column, cells, options)
    return np.array(cells), None


def _check_all_text(table: Table, column: int, cells: list[str], options: TableOptions) -> None:
    """Raise DataError if targets that are not all numbers have numbers or must be numbers.

    A mistyped number must not turn a regression into a classification.
    """
    are_numbers = [number(cell) is not None or number(cell, ",") is not None for cell in cells]
    if options.task == "regression" or (any(are_numbers) and options.task is None):
        row = are_numbers.index(False) if False in are_numbers else 0
        raise DataError(
            f"Targets of {table.file} must be all numbers or all text. Got {cells[row]!r} in "
            f"{table.place(row, column)}. Mend the cell, or pass task='classification'."
        )


def _whole_targets(
    table: Table, column: int, values: NDArray[Any], options: TableOptions
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Whole numbers as labels 0..K-1 with names, or as they are if they are those already."""
    distinct = np.unique(values)
    are_labels = np.array_equal(distinct, np.arange(len(distinct)))
    if are_labels or len(distinct) < 2 or options.task == "regression":
        return values, None
    if options.task == "classification":
        names = tuple(f"{value:.0f}" for value in distinct)
        return np.searchsorted(distinct, values), names
    if len(distinct) <= _FEW:
        raise DataError(
            f"Whole numbers as targets must be 0..K-1, or the task must be named. Got "
            f"{len(distinct)} values from {distinct[0]} to {distinct[-1]} in column "
            f"{table.columns[column]!r} of {table.file}. Pass task='classification' if they are "
            "labels, or task='regression' if they count or measure (data.task in a config)."
        )
    return values, None
