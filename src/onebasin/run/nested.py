"""Nested values that know their names: Section, of which configs, results and keys are made."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """Named values that know their names and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _none_if_infinite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Known: TypeAlias = Annotated[float | None, BeforeValidator(_none_if_infinite)]
"""A number; None where there is none, for JSON has neither NaN nor infinity."""
Interval: TypeAlias = tuple[float, float]
"""The ends of a 95 % interval."""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by their whole names, such as `hmc.num_draws`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        is_inner = isinstance(value, Mapping)
        found |= flat(value, f"{prefix}{name}.") if is_inner else {f"{prefix}{name}": value}
    return found


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """The old and the new value of whatever differs, by whole names; None where there is none.

    A table that became a number, or the other way round, is one value.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found |= changes(a, b, f"{prefix}{name}.")
        elif a != b:
            found[f"{prefix}{name}"] = (a, b)
    return found
