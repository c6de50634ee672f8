"""The rules every data set obeys and the one error that says which was broken.

Nothing here reads a file. Every message is one line: the rule, what came, how to mend it.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float32).max)


class DataError(ValueError):
    """Data, a file or an option of `load_dataset` that breaks a rule."""


def check_fraction(name: str, value: float) -> None:
    """A fraction of the rows must leave some on both sides. Raises: DataError."""
    if not 0 < value < 1:
        raise DataError(
            f"{name} must lie in (0, 1), a fraction of the rows. Got {value}. "
            f"For ten per cent pass {name}=0.1."
        )


def check_count(name: str, value: int, minimum: int, maximum: int, mend: str) -> None:
    """A whole number within its range. Raises: DataError."""
    # 2.0 or True pass for an int until an array is cut with them.
    is_whole = isinstance(cast(object, value), int | np.integer) and not isinstance(value, bool)
    if not is_whole or not minimum <= value <= maximum:
        raise DataError(
            f"{name} must be a whole number in [{minimum}, {maximum}]. Got {value}. {mend}"
        )


def check_numeric(name: str, values: NDArray[Any]) -> None:
    """Real numbers only: no objects, dates, complex numbers or text. Raises: DataError."""
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"{name} must be real numbers. Got dtype {values.dtype}. "
            "Convert them to a float or integer array."
        )


def check_finite(name: str, values: NDArray[Any], columns: Sequence[str] | None = None) -> None:
    """No NaN, no infinity, and nothing that becomes infinite in float32. Raises: DataError.

    Rows of a file with named columns are counted from 1, those of an array from 0.
    """
    if values.dtype.kind != "f":
        return
    # NaN fails every comparison, so one test finds all three kinds of bad value.
    bad = ~(np.abs(values) <= _LARGEST)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise DataError(
        f"{name} must be finite and fit float32. Got {int(bad.sum())} NaN, infinite or too large "
        f"values, the first in {_place(first, columns)}. Remove those rows or fill in the values."
    )


def _place(index: tuple[int, ...], columns: Sequence[str] | None) -> str:
    row, rest = index[0], index[1:]
    if columns is not None:
        return f"row {row + 1}, column {columns[rest[0] if rest else 0]!r}"
    if len(rest) == 2:
        return f"image {row}, pixel {rest} (counted from 0)"
    return f"row {row}" + (f", column {rest[0]}" if rest else "") + " (counted from 0)"


def check_examples(inputs: NDArray[Any], targets: NDArray[Any]) -> None:
    """Inputs are a table or images of finite numbers, with one target each. Raises: DataError."""
    if inputs.ndim not in (2, 3):
        raise DataError(
            "inputs must be (examples, features) or images (examples, height, width). "
            f"Got shape {inputs.shape}. Reshape them, a single feature with reshape(-1, 1)."
        )
    if targets.ndim != 1:
        raise DataError(
            f"targets must be one-dimensional, one an example. Got shape {targets.shape}. "
            "For a single column pass targets[:, 0], for one-hot labels targets.argmax(axis=1)."
        )
    if inputs.size == 0:
        raise DataError(
            "inputs must hold at least one example and one feature. "
            f"Got shape {inputs.shape}. Check the file that wrote them."
        )
    if len(inputs) != len(targets):
        raise DataError(
            "inputs and targets must have equal lengths. "
            f"Got {len(inputs)} inputs and {len(targets)} targets. Pair them up row by row."
        )
    check_numeric("inputs", inputs)
    check_finite("inputs", inputs)
