"""Missing values of a table: how they are written, and what becomes of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from onebasin.data.checks import DataError

_WORDS = {"", "na", "n/a", "#n/a", "#na", "<na>", "nan", "null", "?", "-", "--", "."}
_NUM_NAMED = 5


class Feature(NamedTuple):
    """The inputs that came from one column, `start` to `stop`, and which of its cells are missing.

    `is_counted` says that it is replaced by its most frequent value, and not by its median.
    """

    name: str
    start: int
    stop: int
    is_missing: Bool[np.ndarray, " examples"]
    is_counted: bool


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing value."""
    return cell.casefold() in _WORDS


def missing_words() -> str:
    """How missing values are written, for a message."""
    return ", ".join(repr(word) for word in sorted(_WORDS))


def describe_missing(names: Sequence[str], mask: Bool[np.ndarray, "rows columns"]) -> str:
    """How many values are missing, in which columns and rows, in words."""
    counts = mask.sum(axis=0)
    found = [
        f"{count} in column {name!r}" for name, count in zip(names, counts, strict=True) if count
    ]
    shown = ", ".join(found[:_NUM_NAMED])
    if len(found) > _NUM_NAMED:
        shown += f" and some in {len(found) - _NUM_NAMED} more columns"
    return f"{shown}, in {int(mask.any(axis=1).sum())} of {len(mask)} rows"


def impute(
    parts: Sequence[Float[np.ndarray, "_ features"]],
    masks: Sequence[Sequence[Bool[np.ndarray, " _"]]],
    features: Sequence[Feature],
) -> list[str]:
    """Fill in missing values by the median or the most frequent value of the first part.

    Args:
        parts: The inputs of train, validation and test, which are changed.
        masks: For each part, the missing rows of each feature.
        features: The features of the inputs.

    Returns:
        What was filled in, in words: one sentence for each column.

    Raises:
        DataError: If a column has no value in the first part.
    """
    notes: list[str] = []
    for number, feature in enumerate(features):
        count = int(feature.is_missing.sum())
        if count == 0:
            continue
        place = slice(feature.start, feature.stop)
        known = parts[0][~masks[0][number], place]
        if len(known) == 0:
            raise DataError(
                f"Column {feature.name!r} must have a value in the training rows. Got none. "
                f"Leave it out with drop=[{feature.name!r}]."
            )
        rows, counts = np.unique(known, axis=0, return_counts=True)
        value = rows[counts.argmax()] if feature.is_counted else np.median(known, axis=0)
        for part, mask in zip(parts, masks, strict=True):
            part[mask[number], place] = value
        what = "most frequent value" if feature.is_counted else f"median {value[0]:g}"
        notes.append(
            f"{count} missing values of column {feature.name!r} are replaced by the {what} of the "
            "training rows."
        )
    return notes
