"""From raw targets to class labels 0..K-1 or real numbers, and which of the two they are."""

from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from onebasin._words import did_you_mean
from onebasin.data.checks import DataError, check_finite, check_numeric
from onebasin.data.dataset import Task

MAX_INFERRED_CLASSES = 50
_NUM_SHOWN = 8


class Encoded(NamedTuple):
    """Targets that a network can learn: labels 0..K-1 in int32, or real numbers in float64.

    `num_classes` is K, None for a regression. `class_names` are the texts that became labels;
    None if targets were numbers.
    """

    task: Task
    targets: Int[np.ndarray, " examples"] | Float[np.ndarray, " examples"]
    num_classes: int | None
    class_names: tuple[str, ...] | None


def check_task(task: str) -> None:
    """Raise DataError unless the task is "classification" or "regression"."""
    if task not in get_args(Task):
        raise DataError(
            f"task must be one of {list(get_args(Task))}. Got {task!r}."
            f"{did_you_mean(task, get_args(Task))} Leave it out to have it inferred."
        )


def encode_targets(targets: NDArray[Any], task: Task | None) -> Encoded:
    """Raw targets as labels 0..K-1 or as numbers. If there is no task, `infer_task` decides.

    Raises:
        DataError: If targets do not fit the task, or all are equal.
    """
    if targets.dtype.kind != "U":
        check_numeric("targets", targets)
        check_finite("targets", targets)
    task = task or infer_task(targets)
    distinct = np.unique(targets)
    if len(distinct) < 2:
        noun = "classes" if task == "classification" else "distinct values"
        raise DataError(
            f"targets must hold at least two {noun}. Got only {_show(distinct)}. "
            "Check which column or array is the target."
        )
    if task == "classification":
        return _encode_classes(targets, distinct)
    if targets.dtype.kind == "U":
        raise DataError(
            f"Targets of a regression must be numbers. Got {len(distinct)} distinct texts, "
            f"{_show(distinct)}. Name another target, or pass task='classification'."
        )
    return Encoded(task, targets.astype(np.float64), None, None)


def infer_task(targets: NDArray[Any]) -> Task:
    """Classification for whole-number dtypes or text of at most 50 distinct values.

    All other targets are those of a regression, also labels that are stored as floats. Name the
    task for those.
    """
    is_discrete = targets.dtype.kind in "biuU"
    if is_discrete and len(np.unique(targets)) <= MAX_INFERRED_CLASSES:
        return "classification"
    return "regression"


def _encode_classes(targets: NDArray[Any], distinct: NDArray[Any]) -> Encoded:
    """Labels 0..K-1 of the sorted `distinct` targets.

    Text is numbered in alphabetical order. Numbers must be 0..K-1 already, or DataError is raised.
    """
    num_classes = len(distinct)
    if targets.dtype.kind == "U":
        labels = np.searchsorted(distinct, targets).astype(np.int32)
        return Encoded("classification", labels, num_classes, tuple(distinct.tolist()))
    if not np.array_equal(distinct, np.arange(num_classes)):
        raise DataError(
            f"Class labels must be the whole numbers 0..K-1, each of them present. Got "
            f"{num_classes} values, {_show(distinct)}. Renumber them with np.unique(targets, "
            "return_inverse=True)[1], or pass task='regression' for counts."
        )
    return Encoded("classification", targets.astype(np.int32), num_classes, None)


def _show(distinct: NDArray[Any]) -> str:
    """The first few values, for a message, and how many more there are."""
    shown = ", ".join(repr(value) for value in distinct[:_NUM_SHOWN].tolist())
    num_hidden = len(distinct) - _NUM_SHOWN
    return f"{shown} and {num_hidden} more" if num_hidden > 0 else shown
