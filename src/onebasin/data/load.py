"""load_dataset: a data set by its name or path."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from onebasin._words import did_you_mean
from onebasin.data.archives import read_npz
from onebasin.data.assemble import assemble
from onebasin.data.checks import DataError
from onebasin.data.dataset import Dataset, Source, Task
from onebasin.data.embedded import read_diabetes, read_digits
from onebasin.data.numbers import Decimal
from onebasin.data.official import OPENML_NAMES, read_digit_images
from onebasin.data.options import Missing, Separator, TableOptions
from onebasin.data.splits import SplitOptions
from onebasin.data.tables import is_table, read_table
from onebasin.data.targets import check_task

FOLDER_VARIABLE = "ONEBASIN_DATA"
_ENDINGS = (".npz", ".csv", ".tsv", ".txt", ".parquet")
_EMBEDDED = {"digits": read_digits, "diabetes": read_diabetes}

PathLike: TypeAlias = str | os.PathLike[str]


def load_dataset(
    name_or_path: PathLike = "digits",
    *,
    seed: int = 0,
    target: str | int | None = None,
    task: Task | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    pool: int = 1,
    standardize: bool | None = None,
    header: bool = True,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    missing: Missing = "refuse",
    max_levels: int = 20,
    separator: Separator | None = None,
    decimal: Decimal | None = None,
    folder: PathLike | None = None,
) -> Dataset:
    """A data set by its name or path, split into train, validation and test, and standardized.

    Parts are drawn at random. For classes they are stratified: each part has the same share of
    each class. If a class has a single row, or a part has fewer rows than there are classes, the
    split is not stratified, and train may lack a class.

    Targets of a regression are always standardized by the mean and std of the training targets.

    In a table, columns of numbers, booleans (true, false, yes, no) and dates become one input each.
    Each value of a column of text becomes an input that is 0 or 1. Its name is `column=value`.
    Separators, encodings, decimal commas, thousands separators, units and indices are recognized.
    `notes` of the result say what was recognized, left out or filled in.

    Args:
        name_or_path: "digits", "diabetes", "mnist" or "fashion-mnist", or the path of a file.
            An archive (`.npz`) holds arrays `inputs` and `targets` (or `x` and `y`), one array, or
            `x_train, y_train, x_test, y_test`. A table is a text file (`.csv`, `.tsv` or `.txt`,
            or one of these packed as `.gz`) or a Parquet file (`.parquet`, which needs the extra
            `parquet`). It has a row of column names.
        seed: The seed by which rows are drawn, a whole number in [0, 2^32 - 1].
        target: Which column or array of a file holds the targets. Of a table it is the name or
            the number of a column, without an index; of a single array in an archive it is the
            number of a column. The default is the last column. In an archive of several arrays it
            is the name of the array of targets, or of an array whose last column holds them.
        task: "classification" or "regression". By default, whole numbers or text of at most 50
            distinct values are classes, and all other targets are those of a regression.
        num_train: The exact number of rows in train. By default, all that are left.
        num_test: The exact number of rows in test, instead of the fraction `test`.
        validation: The fraction of train and validation together that validation gets, in (0, 1).
        test: The fraction of all rows that test gets, in (0, 1). If a data set comes with a test
            set, that is the test set, and this fraction is not used.
        pool: The side of the square blocks over which pixels of images are averaged.
        standardize: Whether each input has mean 0 and std 1 on train. By default, those of tables
            do, and images are scaled from [0, 255] to [0, 1] alone.
        header: Whether the first row of a table holds the names of its columns. If not, they are
            `column_1`, `column_2` and so on.
        columns: The columns of a table that are inputs. By default, all but the target.
        drop: Columns of a table that are left out.
        categories: Columns of a table whose numbers are names, such as those of postal areas. Each
            of their values becomes an input that is 0 or 1, as the values of text do.
        missing: What becomes of a table with missing values. "refuse" raises an error, "impute"
            fills them in by the median of the training rows (or by their most frequent value, for
            categories and booleans), and "drop" leaves their rows out. Targets are never imputed.
        max_levels: The largest number of values that a column of text may have. More of them are
            taken as names of rows or as free text, and refused.
        separator: What separates the cells of a table: `,`, `;`, a tab, `|`, or a space for any
            number of spaces. By default, the file's rows say it.
        decimal: What stands before decimals: a point or a comma. By default, the numbers of each
            column say it.
        folder: The folder of the file, or of the files of "mnist" and "fashion-mnist". By default
            it is that of the environment variable `ONEBASIN_DATA`. If there are no files of
            "mnist" or "fashion-mnist", they are downloaded from OpenML.

    Raises:
        DataError: If a name, a file, its data or an option breaks a rule. The message says which.

    Examples:
        >>> data = ob.load_dataset("digits", num_train=100, num_test=50)
        >>> len(data.train), len(data.test), data.image_shape
        (100, 50, (8, 8))
    """
    options = SplitOptions(seed, num_train, num_test, validation, test)
    options.check()
    table = TableOptions(
        target, task, header, columns, drop, categories, missing, max_levels, separator, decimal
    )
    table.check()
    if task is not None:
        check_task(task)
    text = os.fspath(name_or_path)
    if is_table(text):
        source = read_table(_find_file(text, folder), table)
    else:
        table.check_unused()
        if Path(text).suffix.lower() == ".npz":
            source = read_npz(_find_file(text, folder), target)
        else:
            source = _read_named(text, target, folder)
    return assemble(source, options, task=task, pool=pool, standardize=standardize)


def is_data_file(name: str) -> bool:
    """Whether a name is the path of a data set, by its ending."""
    return is_table(name) or Path(name).suffix.lower() == ".npz"


def _read_named(text: str, target: str | int | None, folder: PathLike | None) -> Source:
    """The raw arrays of a data set by its name, in any case and with - or _."""
    name = text.lower().replace("_", "-")
    known = [*_EMBEDDED, *OPENML_NAMES]
    if name not in known:
        raise DataError(
            f"A data set must be one of {', '.join(known)}, or a path that ends in "
            f"{', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}. Got {text!r}."
            f"{did_you_mean(name, known)} Pass one of them."
        )
    if target is not None:
        raise DataError(
            f"target must be left out for the data set {name}, which has only one. "
            f"Got {target!r}. It is for files."
        )
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    return read_digit_images(name, _folder(folder))


def _folder(folder: PathLike | None) -> Path | None:
    """The folder of data that the argument or the environment names; None if neither does."""
    option, name = "folder", folder
    if folder is None:
        option, name = FOLDER_VARIABLE, os.environ.get(FOLDER_VARIABLE) or None
    if name is None:
        return None
    path = Path(name).expanduser()
    if not path.is_dir():
        raise DataError(
            f"{option} must name a folder. Got {str(path)!r}, which is none. "
            "Name the folder that holds your data."
        )
    return path


def _find_file(text: str, folder: PathLike | None) -> Path:
    """The file of a path as it stands, or below the folder of data.

    A `folder` in the arguments is the only place. That of the environment is a second place.
    """
    path = Path(text).expanduser()
    if folder is None and path.is_file():
        return path
    place = _folder(folder)
    full_path = path if place is None else place / path
    if not full_path.is_file():
        raise DataError(
            f"A path must lead to a file. Got none at {str(full_path)!r}. "
            f"Check the spelling, or set {FOLDER_VARIABLE} to the folder it lies in."
        )
    return full_path
