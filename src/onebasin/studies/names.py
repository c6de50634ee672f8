"""The names of studies and scales. The help of commands reads them, so no library is imported."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, cast, get_args

from onebasin._words import did_you_mean

Scale: TypeAlias = Literal["smoke", "small", "full"]
"""smoke: a trial on embedded data. small: minutes on two cores. full: the protocol of the paper."""

PAPER = ("transpositions", "dynamics", "compact", "compare", "pruning")
"""The studies that test the claims of the paper, in the order in which they are run."""

CLAIMING = (*PAPER, "knowledge")
"""The studies that end in claims. `knowledge` asks when the std of a weight says something."""

STUDIES = (*CLAIMING, "frontier")
"""All studies. The frontier asks which representation predicts best for the numbers it stores."""


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError if a value is none of the choices. The message suggests the closest one."""
    if value not in choices:
        hint = did_you_mean(value, choices)
        raise ValueError(f"{what} must be one of {', '.join(choices)}. Got {value!r}.{hint}")


def checked_scale(value: str) -> Scale:
    """The name of a scale, checked.

    Raises: ValueError if there is no such scale.
    """
    check_choice("A scale", value, get_args(Scale))
    return cast(Scale, value)
