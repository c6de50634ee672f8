"""Parquet files as tables of text, so that they are read by the rules of all other tables."""

from pathlib import Path

from onebasin.data.checks import DataError
from onebasin.data.options import TableOptions
from onebasin.data.rows import Table, tidy


def read_parquet(path: Path, options: TableOptions, notes: list[str]) -> Table:
    """The table of a Parquet file. Needs PyArrow, which the extra `parquet` installs.

    Raises:
        DataError: If PyArrow is missing, or the file is no Parquet file.
    """
    import pandas

    try:
        # These dtypes have whole numbers beside missing values.
        frame = pandas.read_parquet(path, engine="pyarrow", dtype_backend="numpy_nullable")
    except ImportError as error:
        raise DataError(
            f"A Parquet file needs PyArrow. Got {path.name} without it. Install it with "
            '`pip install "onebasin[parquet]"`, or export the table as CSV.'
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name} must be a Parquet file, as its ending says. Got: {error}. Write it again."
        ) from error
    columns = [str(name).strip() for name in frame.columns]
    cells = [
        ["" if missing else str(value).strip() for value, missing in zip(values, lost, strict=True)]
        for values, lost in (
            (frame.iloc[:, i].tolist(), frame.iloc[:, i].isna().tolist())
            for i in range(len(columns))
        )
    ]
    rows = [list(row) for row in zip(*cells, strict=True)]
    if not rows:
        raise DataError(f"{path.name} must hold rows of data. Got none. Write it again.")
    numbers = list(range(1, len(rows) + 1))
    return tidy(Table(path.name, columns, rows, numbers, numbers), options, notes)
