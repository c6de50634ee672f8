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
    """The set of that name: `NAME.npz`, IDX files in `NAME/` or in the folder, else OpenML.

    Raises: DataError where files are damaged or of the other set, or nothing can be had.
    """
    source = None if folder is None else _read_folder(name, folder)
    if source is None:
        return _fetch(name)
    head = tuple(source.targets[:10].tolist())
    for other, labels in _FIRST_LABELS.items():
        if other != name and head == labels:
            raise DataError(
                f"Files of {name} must hold {name}. Got those of {other} in {folder}. "
                f"Put the files of each set into a folder of its name."
            )
    return source


def _read_folder(name: str, folder: Path) -> Source | None:
    of_name = [path for path in sorted(folder.iterdir()) if _letters(path.stem) == _letters(name)]
    for path in of_name:
        if path.suffix.lower() == ".npz" and path.is_file():
            return read_official(path, name)
    # torchvision keeps its files in FashionMNIST/raw.
    for place in (*of_name, *(path / "raw" for path in of_name), folder):
        found = {file: path for file in _IDX_FILES if (path := _find_idx(place, file))}
        if found:
            missing = [file for file in _IDX_FILES if file not in found]
            if missing:
                raise DataError(
                    f"{place} must hold all four IDX files of {name}. Got none named "
                    f"{missing[0]}[.gz]. Copy it there."
                )
            arrays = [read_idx(found[file]) for file in _IDX_FILES]
            return Source(name, arrays[0], arrays[1], official_test=(arrays[2], arrays[3]))
    return None


def _letters(name: str) -> str:
    """A name as it is said: fashion-mnist, fashion_mnist and FashionMNIST are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _find_idx(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path) -> Array:
    """The bytes of an IDX file, gzipped where its name ends in .gz, in the shape it declares.

    Raises: DataError for a file that is none, is cut short or runs over.
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
    return DataError(
        f"{path.name} must be a whole IDX file of unsigned bytes. Got {reason}. "
        "Copy or download it again."
    )


def _fetch(name: str) -> Source:
    # scikit-learn takes seconds to import: only where it is used.
    from sklearn import datasets  # pyright: ignore[reportMissingTypeStubs]

    mend = (
        f"Set the environment variable ONEBASIN_DATA to a folder with {name}.npz or its IDX files."
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries: the error below says all there is
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
