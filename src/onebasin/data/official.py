"""MNIST and Fashion-MNIST with their official test sets, from a folder or from OpenML."""

import gzip
import warnings
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from onebasin.data.archives import read_official
from onebasin.data.checks import DataError
from onebasin.data.dataset import Source

Array: TypeAlias = NDArray[Any]

OPENML_NAMES = {"mnist": "mnist_784", "fashion-mnist": "Fashion-MNIST"}
_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_NUM_OFFICIAL_TEST = 10_000
_SIDE = 28
# The two sets share file names and shapes; their first labels tell them apart.
_FIRST_LABELS = {
    "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
    "fashion-mnist": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
}


def read_digit_images(name: str, folder: Path | None) -> Source:
    """The raw arrays of "mnist" or "fashion-mnist", with the official test set.

    They come from `NAME.npz` in the folder, or from IDX files in `NAME/`, `NAME/raw/` or the folder
    itself, or without any of these from OpenML.

    Raises:
        DataError: If files are damaged or of the other data set, or if there are neither files nor
            a network.
    """
    source = None if folder is None else _read_folder(name, folder)
    if source is None:
        return _fetch(name)
    first_labels = tuple(source.targets[:10].tolist())
    for other_name, labels in _FIRST_LABELS.items():
        if other_name != name and first_labels == labels:
            raise DataError(
                f"Files of {name} must hold {name}. Got those of {other_name} in {folder}. "
                f"Put the files of each set into a folder of its name."
            )
    return source


def _read_folder(name: str, folder: Path) -> Source | None:
    """The raw arrays of the files in a folder; None if there are no such files.

    Raises DataError if some of the four IDX files are missing.
    """
    of_name = [path for path in sorted(folder.iterdir()) if _letters(path.stem) == _letters(name)]
    for path in of_name:
        if path.suffix.lower() == ".npz" and path.is_file():
            return read_official(path, name)
    # torchvision keeps its files in FashionMNIST/raw.
    for place in (*of_name, *(path / "raw" for path in of_name), folder):
        paths = {file: path for file in _IDX_FILES if (path := _find_idx(place, file))}
        if paths:
            missing = [file for file in _IDX_FILES if file not in paths]
            if missing:
                raise DataError(
                    f"{place} must hold all four IDX files of {name}. Got none named "
                    f"{missing[0]}[.gz]. Copy it there."
                )
            arrays = [read_idx(paths[file]) for file in _IDX_FILES]
            return Source(name, arrays[0], arrays[1], official_test=(arrays[2], arrays[3]))
    return None


def _letters(name: str) -> str:
    """The letters of a name: those of fashion-mnist, fashion_mnist and FashionMNIST are equal."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _find_idx(folder: Path, file: str) -> Path | None:
    """The path of an IDX file in a folder, gzipped or not; None if there is no such file."""
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path) -> Array:
    """The bytes of an IDX file, in the shape that its header says.

    The file is gzipped if its name ends in `.gz`.

    Raises:
        DataError: If it is not an IDX file of unsigned bytes, or is shorter or longer than its
            header says.

    Source: LeCun, Cortes and Burges, The MNIST database, file formats.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    # Two zero bytes, 8 for unsigned bytes, the number of dimensions; then the dimensions.
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise _damaged(path, f"the first bytes are {content[:4]!r}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise _damaged(path, f"a header of {len(content)} bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    values = np.frombuffer(content, np.uint8, offset=start)
    if values.size != np.prod(shape, dtype=np.float64):
        raise _damaged(path, f"{values.size} values for shape {shape}")
    return values.reshape(shape)


def _damaged(path: Path, reason: str) -> DataError:
    """What to raise for a file that is not a whole IDX file."""
    return DataError(
        f"{path.name} must be a whole IDX file of unsigned bytes. Got {reason}. "
        "Copy or download it again."
    )


def _fetch(name: str) -> Source:
    """The raw arrays of a data set from OpenML, by way of scikit-learn's own cache.

    Its last 10,000 rows are the official test set. Raises DataError if it cannot be downloaded.
    """
    # scikit-learn takes seconds to import: only when it is used.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    mend = (
        f"Set the environment variable ONEBASIN_DATA to a folder with {name}.npz or its IDX files."
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries: the error below says what went wrong
            bunch = cast(Any, datasets).fetch_openml(
                OPENML_NAMES[name], version=1, as_frame=False, parser="liac-arff", n_retries=1
            )
    except (OSError, ValueError, HTTPException, zlib.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name} must be in a folder or come from OpenML over the network. "
            f"Got no files and no download ({reason}). {mend}"
        ) from error
    images = np.asarray(bunch.data)
    labels = np.asarray(bunch.target).astype(np.uint8)
    if images.ndim != 2 or images.shape[1] != _SIDE**2 or len(images) <= _NUM_OFFICIAL_TEST:
        raise DataError(
            f"{name} from OpenML must be (70000, {_SIDE**2}). Got shape {images.shape}. {mend}"
        )
    images = images.astype(np.uint8).reshape(-1, _SIDE, _SIDE)
    train, test = slice(None, -_NUM_OFFICIAL_TEST), slice(-_NUM_OFFICIAL_TEST, None)
    return Source(name, images[train], labels[train], official_test=(images[test], labels[test]))
