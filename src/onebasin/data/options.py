"""TableOptions: what the reader of tables is told, as in `load_dataset`."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, cast, get_args

from onebasin._words import did_you_mean
from onebasin.data.checks import DataError, check_count
from onebasin.data.dataset import Task
from onebasin.data.numbers import Decimal

Missing: TypeAlias = Literal["refuse", "impute", "drop"]
"""What becomes of missing values: an error, the median of the training rows, or no row at all."""

Separator: TypeAlias = Literal[",", ";", "\t", "|", " "]
"""What stands between the cells of a row. A space stands for any number of spaces and tabs."""


class TableOptions(NamedTuple):
    """How a table is read. `load_dataset` explains each option."""

    target: str | int | None = None
    task: Task | None = None
    header: bool = True
    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    categories: Sequence[str] = ()
    missing: Missing = "refuse"
    max_levels: int = 20
    separator: Separator | None = None
    decimal: Decimal | None = None

    def check(self) -> None:
        """Raise DataError if an option is out of range."""
        _check_choice("missing", self.missing, get_args(Missing))
        if self.separator is not None:
            _check_choice("separator", self.separator, get_args(Separator))
        if self.decimal is not None:
            _check_choice("decimal", self.decimal, get_args(Decimal))
        check_count("max_levels", self.max_levels, 1, 10_000, "Pass max_levels=20.")
        for name, names in (
            ("columns", self.columns), ("drop", self.drop), ("categories", self.categories),
        ):  # fmt: skip
            if isinstance(cast(object, names), str):
                raise DataError(
                    f"{name} must be a list of column names. Got {names!r}. Pass [{names!r}]."
                )

    def check_unused(self) -> None:
        """Raise DataError if an option of tables is given for data that are no table."""
        for name, default in self._field_defaults.items():
            value = getattr(self, name)
            if name not in ("target", "task") and value != default:
                raise DataError(
                    f"{name} must be left out for data that are not a table of text or a Parquet "
                    f"file. Got {value!r}. Leave it out."
                )


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise DataError(
            f"{name} must be one of {list(choices)}. Got {value!r}."
            f"{did_you_mean(str(value), choices)} Pass one of them, or leave it out."
        )
