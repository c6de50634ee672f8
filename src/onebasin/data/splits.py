"""Which rows go to train, validation and test. There are only row numbers here, no data."""

from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Int

from onebasin.data.checks import DataError, check_count, check_fraction

_MAX_SEED = 2**32 - 1


class SplitOptions(NamedTuple):
    """How many rows each part gets, and the seed by which they are drawn, as in `load_dataset`.

    `num_train` and `num_test` are numbers of rows, or None for the fractions `validation` (of the
    rows that are not in test) and `test` (of all rows).
    """

    seed: int
    num_train: int | None
    num_test: int | None
    validation: float
    test: float

    def check(self) -> None:
        """Raise DataError if the seed or a fraction is out of range."""
        check_count("seed", self.seed, 0, _MAX_SEED, "Pass seed=0.")
        check_fraction("validation", self.validation)
        check_fraction("test", self.test)


class Rows(NamedTuple):
    """The row numbers of each part, in random order. No two parts share a row."""

    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]
    test: Int[np.ndarray, " test"]


def split_rows(strata: Int[np.ndarray, " examples"], options: SplitOptions) -> Rows:
    """The rows of each part: test is drawn first, then train and validation from the others.

    `strata` are the class labels of all rows, or all zero if there are no classes.

    Raises:
        DataError: If there are too few rows.
    """
    num_rows = len(strata)
    if num_rows < 3:
        raise DataError(
            "A data set must have at least 3 rows, one each for train, validation and test. "
            f"Got {num_rows}. Add rows."
        )
    num_test = options.num_test
    if num_test is None:
        num_test = _share(options.test * num_rows, num_rows - 2)
    check_count("num_test", num_test, 1, num_rows - 2, "Pass fewer, or leave it out.")
    test, pool = _draw(np.arange(num_rows), num_test, strata, options.seed)
    train, validation = _split_pool(pool, strata, options)
    return Rows(train, validation, test)


def split_official(
    strata: Int[np.ndarray, " examples"],
    test_strata: Int[np.ndarray, " test_examples"],
    options: SplitOptions,
) -> Rows:
    """The rows of each part of a data set that comes with a test set.

    `strata` are the class labels of the training set and `test_strata` those of the test set, or
    all zero. `test` of the result are rows of the test set, the other two of the training set.

    Raises:
        DataError: If the options want more rows than there are.
    """
    num_test = len(test_strata) if options.num_test is None else options.num_test
    check_count("num_test", num_test, 1, len(test_strata), "Pass fewer, or leave it out.")
    test, _ = _draw(np.arange(len(test_strata)), num_test, test_strata, options.seed)
    if len(strata) < 2:
        raise DataError(
            "An official training set must have at least 2 rows, one each for train and "
            f"validation. Got {len(strata)}. Add rows."
        )
    train, validation = _split_pool(np.arange(len(strata)), strata, options)
    return Rows(train, validation, test)


def _split_pool(
    pool: Int[np.ndarray, " pool"], strata: Int[np.ndarray, " examples"], options: SplitOptions
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """The rows `pool` in two parts, train and validation.

    Validation has its fraction of both together, also if `num_train` leaves rows out.
    """
    num_rows, fraction = len(pool), options.validation
    num_train = options.num_train
    if num_train is None:
        num_validation = _share(fraction * num_rows, num_rows - 1)
        validation, train = _draw(pool, num_validation, strata, options.seed)
        return train, validation
    mend = "Validation needs at least one row: pass fewer, or leave it out."
    check_count("num_train", num_train, 1, num_rows - 1, mend)
    num_validation = _share(num_train * fraction / (1 - fraction), num_rows - num_train)
    train, rest = _draw(pool, num_train, strata, options.seed)
    validation, _ = _draw(rest, num_validation, strata, options.seed)
    return train, validation


def _share(wanted: float, most: int) -> int:
    """A number of rows, rounded, but at least 1 and at most `most`."""
    return min(max(1, round(wanted)), most)


def _draw(
    rows: Int[np.ndarray, " rows"], size: int, strata: Int[np.ndarray, " examples"], seed: int
) -> tuple[Int[np.ndarray, " drawn"], Int[np.ndarray, " rest"]]:
    """`size` of the rows at random, stratified if each class has enough rows, and the others."""
    if size == len(rows):
        return np.random.default_rng(seed).permutation(rows), rows[:0]
    # scikit-learn takes seconds to import: only when it is used.
    from sklearn import model_selection  # pyright: ignore[reportMissingTypeStubs]

    _, counts = np.unique(strata[rows], return_counts=True)
    # A class of one row cannot be in both parts, nor can a small part have a row of each class.
    can_stratify = counts.min() >= 2 and min(size, len(rows) - size) >= len(counts)
    drawn, rest = cast(Any, model_selection).train_test_split(
        rows,
        train_size=size,
        random_state=seed,
        stratify=strata[rows] if can_stratify else None,
    )
    return drawn, rest
