"""The one door to data: a name or a path in, a `Dataset` out."""

import os
from pathlib import Path
from typing import TypeAlias

from onebasin._words import did_you_mean
from onebasin.data.archives import read_npz
from onebasin.data.assemble import assemble
from onebasin.data.checks import DataError
from onebasin.data.dataset import Dataset, Source, Task
from onebasin.data.embedded import read_diabetes, read_digits
from onebasin.data.official import OPENML_NAMES, read_digit_images
from onebasin.data.splits import SplitOptions
from onebasin.data.tables import read_csv
from onebasin.data.targets import check_task

FOLDER_VARIABLE = "ONEBASIN_DATA"
_ENDINGS = (".npz", ".csv")
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
    folder: PathLike | None = None,
) -> Dataset:
    """A data set by name (digits, diabetes, mnist, fashion-mnist) or path (.npz, .csv).

    `test` is a fraction of all rows, `validation` one of the rows left for training; `num_train`
    and `num_test` are exact. An official test set is kept, and `test` then ignored. Inputs of
    tables are standardized on train and images scaled from [0, 255] to [0, 1], unless
    `standardize` says otherwise; targets of a regression always are. In a .csv, `target` is a
    column, the last one unless named. A .npz holds inputs and targets (or x and y), or one table;
    there `target` is a column of the table, or names the array of targets or a table, whose last
    column it then is.
    Without a `task`, whole numbers or text of at most 50 distinct values are classes.
    Misleads: where a class has one row, or a part fewer rows than classes, the split is not
    stratified and train may lack a class.

    Raises: DataError for anything that breaks a rule.
    """
    options = SplitOptions(seed, num_train, num_test, validation, test)
    options.check()
    if task is not None:
        check_task(task)
    text = os.fspath(name_or_path)
    if Path(text).suffix.lower() in _ENDINGS:
        source = _read_file(_find_file(text, folder), target, task)
    else:
        source = _read_named(text, target, folder)
    return assemble(source, options, task=task, pool=pool, standardize=standardize)


def _read_named(text: str, target: str | int | None, folder: PathLike | None) -> Source:
    name = text.lower().replace("_", "-")
    known = [*_EMBEDDED, *OPENML_NAMES]
    if name not in known:
        raise DataError(
            f"A data set must be one of {', '.join(known)}, or a path that ends in "
            f"{' or '.join(_ENDINGS)}. Got {text!r}.{did_you_mean(name, known)} Pass one of them."
        )
    if target is not None:
        raise DataError(
            f"target must be left out for the data set {name}, which has only one. "
            f"Got {target!r}. It is for .npz and .csv files."
        )
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    return read_digit_images(name, _folder(folder))


def _folder(folder: PathLike | None) -> Path | None:
    said_by, place = "folder", folder
    if folder is None:
        said_by, place = FOLDER_VARIABLE, os.environ.get(FOLDER_VARIABLE) or None
    if place is None:
        return None
    path = Path(place).expanduser()
    if not path.is_dir():
        raise DataError(
            f"{said_by} must name a folder. Got {str(path)!r}, which is none. "
            "Name the folder that holds your data."
        )
    return path


def _read_file(path: Path, target: str | int | None, task: Task | None) -> Source:
    is_archive = path.suffix.lower() == ".npz"
    return read_npz(path, target) if is_archive else read_csv(path, target, task)


def _find_file(text: str, folder: PathLike | None) -> Path:
    path = Path(text).expanduser()
    # A folder in the arguments says where to look; one in the environment is a second place.
    if folder is None and path.is_file():
        return path
    place = _folder(folder)
    found = path if place is None else place / path
    if not found.is_file():
        raise DataError(
            f"A path must lead to a file. Got none at {str(found)!r}. "
            f"Check the spelling, or set {FOLDER_VARIABLE} to the folder it lies in."
        )
    return found
