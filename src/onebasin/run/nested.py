"""Section, the base class of configs, results and keys, and functions of nested values."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """Named values that cannot be changed. A name that the class does not define is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _none_if_infinite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Known: TypeAlias = Annotated[float | None, BeforeValidator(_none_if_infinite)]
"""A number. NaN and infinity become None, because JSON has neither."""
Interval: TypeAlias = tuple[float, float]
"""The ends of a 95 % interval."""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by their whole names, such as `method.num_draws`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        is_inner = isinstance(value, Mapping)
        found |= flat(value, f"{prefix}{name}.") if is_inner else {f"{prefix}{name}": value}
    return found


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """The old and the new value of each key that differs, by its whole name.

    A key that is missing on one side has the value None there. A table that became a number, or a
    number that became a table, counts as one value.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found |= changes(a, b, f"{prefix}{name}.")
        elif a != b:
            found[f"{prefix}{name}"] = (a, b)
    return found
