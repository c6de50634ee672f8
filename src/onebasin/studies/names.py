"""What studies and scales are called. No library is imported: the help of commands reads it."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, cast, get_args

from onebasin._words import did_you_mean

Scale: TypeAlias = Literal["smoke", "small", "full"]
"""A trial on embedded data; minutes on two cores; the paper's own protocol."""

PAPER = ("transpositions", "dynamics", "compact", "compare", "pruning")
"""The studies that test the paper's claims, in the order in which they are taken."""

STUDIES = (*PAPER, "frontier")
"""All studies: the frontier asks what predicts best for the numbers that it stores."""


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError where a value is none of the choices, with the nearest one as a hint."""
    if value not in choices:
        hint = did_you_mean(value, choices)
        raise ValueError(f"{what} must be one of {', '.join(choices)}. Got {value!r}.{hint}")


def checked_scale(value: str) -> Scale:
    """The scale of a name.

    Raises: ValueError for an unknown one.
    """
    check_choice("A scale", value, get_args(Scale))
    return cast(Scale, value)
