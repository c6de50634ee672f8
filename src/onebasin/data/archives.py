"""Data sets in NumPy's `.npz` archives. Arrays are read one by one and never unpickled."""

import zipfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from onebasin._words import did_you_mean
from onebasin.data.checks import DataError
from onebasin.data.dataset import Source

Array: TypeAlias = NDArray[Any]

OFFICIAL_NAMES = ("x_train", "y_train", "x_test", "y_test")
_PAIRS = (("inputs", "targets"), ("x", "y"), ("X", "y"))
# What NumPy and zipfile raise for files that are damaged or of another kind.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path, target: str | int | None) -> Source:
    """The inputs and targets of an archive.

    `target` is a column of the only table, or the name of an array, as `load_dataset` describes.

    Raises:
        DataError: If no rule says which array holds the inputs and which the targets, or the file
            cannot be read.
    """
    names = array_names(path)
    if isinstance(target, str):
        return _read_named(path, names, target)
    if target is None:
        if set(OFFICIAL_NAMES) <= set(names):
            return read_official(path, path.stem)
        for inputs, targets in _PAIRS:
            if {inputs, targets} <= set(names):
                return Source(path.stem, read_array(path, inputs), read_array(path, targets))
    if len(names) != 1:
        raise DataError(
            f"{path.name} must hold arrays inputs and targets, or a single table. Got arrays "
            f"{names}. Rename them, or pass target='NAME', the array of targets or the table."
        )
    return _split_table(path.stem, read_array(path, names[0]), -1 if target is None else target)


def _read_named(path: Path, names: list[str], target: str) -> Source:
    """The data of an archive with arrays `names`, of which `target` holds the targets.

    If `target` is a table, its last column holds them.
    """
    if target not in names:
        raise DataError(
            f"target must name an array of {path.name}, {names}. Got {target!r}."
            f"{did_you_mean(target, names)} Pass one of them."
        )
    targets = read_array(path, target)
    if targets.ndim == 2:
        return _split_table(f"{path.stem}-{target}", targets, -1)
    others = [name for name in names if name != target]
    inputs = [name for name, _ in _PAIRS if name in others] or others
    if len(inputs) != 1:
        raise DataError(
            f"One array of {path.name} must be the inputs of target {target!r}. "
            f"Got {others}. Rename the array of inputs to 'inputs'."
        )
    return Source(path.stem, read_array(path, inputs[0]), targets)


def _split_table(name: str, table: Array, column: int) -> Source:
    """A table (rows, columns) as targets, which are one column, and inputs, which are the rest."""
    if table.ndim != 2 or table.shape[1] < 2:
        raise DataError(
            "A table must be (rows, columns) with at least 2 columns, the inputs and the target. "
            f"Got shape {table.shape} in {name}. Save arrays inputs and targets instead."
        )
    num_columns = table.shape[1]
    if not -num_columns <= column < num_columns:
        raise DataError(
            f"target must be a column in [{-num_columns}, {num_columns - 1}] of {name}. "
            f"Got {column}. Leave it out for the last column."
        )
    return Source(name, np.delete(table, column, axis=1), table[:, column])


def read_official(path: Path, name: str) -> Source:
    """The data of an archive in the layout of Keras, `x_train, y_train, x_test, y_test`.

    Raises:
        DataError: If one of the four arrays is missing or cannot be read.
    """
    missing = sorted(set(OFFICIAL_NAMES) - set(array_names(path)))
    if missing:
        raise DataError(
            f"{path.name} must hold {', '.join(OFFICIAL_NAMES)}. Got none named "
            f"{', '.join(missing)}. Save them into it, as Keras does."
        )
    x_train, y_train, x_test, y_test = (read_array(path, array) for array in OFFICIAL_NAMES)
    return Source(name, x_train, y_train, official_test=(x_test, y_test))


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an archive.

    Raises:
        DataError: If the file is not an archive.
    """
    with _open(path) as archive:
        return list(archive.files)


def read_array(path: Path, name: str) -> Array:
    """One array of an archive.

    Raises:
        DataError: If it is damaged, or holds Python objects, which only unpickling would read.
    """
    with _open(path) as archive:
        try:
            array = cast(object, archive[name])
        except _UNREADABLE as error:
            raise DataError(
                f"Array {name!r} of {path.name} must be readable numbers or text, no objects. "
                f"Got an error ({_first_line(error)}). Save it again as a plain array."
            ) from error
    # NumPy reads members of the archive that are not arrays as bytes.
    if not isinstance(array, np.ndarray):
        raise DataError(
            f"Members of {path.name} must be arrays. Got {name!r}, which is not. "
            "Write the file with np.savez."
        )
    return cast(Array, array)


@contextmanager
def _open(path: Path) -> Generator[NpzFile[Any], None, None]:
    """An archive that is open within the context. Raises DataError if the file is not one."""
    with ExitStack() as stack:
        # NumPy would leave the file open if it is not an archive.
        try:
            file = stack.enter_context(path.open("rb"))
            archive = cast(object, np.load(file, allow_pickle=False))
        except _UNREADABLE as error:
            raise _no_archive(path, error) from error
        if not isinstance(archive, NpzFile):
            raise DataError(
                f"{path.name} must be an archive written by np.savez. Got a single array of "
                "np.save. Save it with np.savez(path, inputs=..., targets=...)."
            )
        yield stack.enter_context(cast("NpzFile[Any]", archive))


def _no_archive(path: Path, error: BaseException) -> DataError:
    """What to raise for a file that NumPy cannot open as an archive."""
    # NumPy takes unknown bytes for a pickle and advises to allow pickles, which would be unsafe.
    reason = "" if isinstance(error, ValueError) else f" ({_first_line(error)})"
    return DataError(
        f"{path.name} must be an archive written by np.savez, as its ending says. "
        f"Got something else{reason}. Write it again or mend its ending."
    )


def _first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type if it has no text."""
    return (str(error).splitlines() or [type(error).__name__])[0]
