"""Operations: the steps that programs are made of, each a function that writes into a scope."""

from collections.abc import Callable
from typing import TypeAlias

from scope import NothingFits, Scope

Write: TypeAlias = Callable[[Scope], object]
"""Writes an operation on variables of a scope; raises NothingFits where there are none for it."""

FAMILIES: dict[str, dict[str, Write]] = {}
"""Operations by family and name."""


def enter(family: str, name: str, write: Write) -> None:
    """Enters one operation."""
    assert all(name not in others for others in FAMILIES.values()), name
    FAMILIES.setdefault(family, {})[name] = write


def operation(family: str) -> Callable[[Write], Write]:
    """Enters a function under its name."""

    def decorate(write: Write) -> Write:
        enter(family, write.__name__, write)
        return write

    return decorate


def write_step(scope: Scope, family: str) -> None:
    """One operation of a family, if one of a few finds variables that it fits."""
    for _ in range(_MOST_TRIES):
        try:
            FAMILIES[family][scope.choose(sorted(FAMILIES[family]))](scope)
            return
        except NothingFits:
            continue


_MOST_TRIES = 3
