"""The rules of every data set, and the error that says which rule was broken.

Nothing here reads a file. Every message is one line: the rule, what was received, how to mend it.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float32).max)


class DataError(ValueError):
    """Data, a file or an option of `load_dataset` breaks a rule.

    Examples:
        >>> try:
        ...     ob.load_dataset("digits", test=20.0)
        ... except ob.data.DataError as error:
        ...     print(error)
        test must lie in (0, 1), a fraction of the rows. Got 20.0. For ten per cent pass test=0.1.
    """


def check_fraction(name: str, value: float) -> None:
    """Raise DataError unless a fraction of the rows lies in (0, 1)."""
    if not 0 < value < 1:
        raise DataError(
            f"{name} must lie in (0, 1), a fraction of the rows. Got {value}. "
            f"For ten per cent pass {name}=0.1."
        )


def check_count(name: str, value: int, minimum: int, maximum: int, mend: str) -> None:
    """Raise DataError unless `value` is a whole number in [minimum, maximum].

    `name` is the option in the message, `mend` the sentence at its end.
    """
    # 2.0 and True would do as numbers here, and fail later, when an array is cut with them.
    is_whole = isinstance(cast(object, value), int | np.integer) and not isinstance(value, bool)
    if not is_whole or not minimum <= value <= maximum:
        raise DataError(
            f"{name} must be a whole number in [{minimum}, {maximum}]. Got {value}. {mend}"
        )


def check_numeric(name: str, values: NDArray[Any]) -> None:
    """Raise DataError unless values are real numbers: not objects, dates, complex or text."""
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"{name} must be real numbers. Got dtype {values.dtype}. "
            "Convert them to a float or integer array."
        )


def check_finite(
    name: str, values: NDArray[Any], place: Callable[[tuple[int, ...]], str] | None = None
) -> None:
    """Raise DataError if a value is NaN, infinite, or becomes infinite in float32.

    `place` gives the words for the place of a value in its file. By default, rows are counted from
    0, as in an array.
    """
    if values.dtype.kind != "f":
        return
    # A comparison with NaN is false, so this finds all three kinds of bad value.
    bad = ~(np.abs(values) <= _LARGEST)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise DataError(
        f"{name} must be finite and fit float32. Got {int(bad.sum())} NaN, infinite or too large "
        f"values, the first in {(place or _place)(first)}. Remove those rows or fill in the values."
    )


def _place(index: tuple[int, ...]) -> str:
    """The place of a value in a table, in images or in a row of targets, for a message."""
    row, rest = index[0], index[1:]
    if len(rest) == 2:
        return f"image {row}, pixel {rest} (counted from 0)"
    return f"row {row}" + (f", column {rest[0]}" if rest else "") + " (counted from 0)"


def check_examples(inputs: NDArray[Any], targets: NDArray[Any]) -> None:
    """Raise DataError unless inputs are a table or images, with one target for each example.

    Inputs must be finite real numbers. Targets are checked by `encode_targets`.
    """
    if inputs.ndim not in (2, 3):
        raise DataError(
            "inputs must be (examples, features) or images (examples, height, width). "
            f"Got shape {inputs.shape}. Reshape them, a single feature with reshape(-1, 1)."
        )
    if targets.ndim != 1:
        raise DataError(
            "targets must be one-dimensional, one for each example. "
            f"Got shape {targets.shape}. "
            "For a single column pass targets[:, 0], for one-hot labels targets.argmax(axis=1)."
        )
    if inputs.size == 0:
        raise DataError(
            "inputs must hold at least one example and one feature. "
            f"Got shape {inputs.shape}. Check what wrote the file."
        )
    if len(inputs) != len(targets):
        raise DataError(
            "inputs and targets must have equal lengths. "
            f"Got {len(inputs)} inputs and {len(targets)} targets. Pair them up row by row."
        )
    check_numeric("inputs", inputs)
    check_finite("inputs", inputs)
