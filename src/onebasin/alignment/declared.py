"""Symmetries that somebody wrote down: tried on their function, and compared with what is found."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Function
from onebasin.symmetry.claims import verify_once
from onebasin.symmetry.discovery.find import find_symmetry
from onebasin.types import Params


def declared_of(symmetry: Symmetry, apply: Callable[..., Any] | None, inputs: Any) -> Symmetry:
    """The symmetry as one that is declared of a function, if there is one.

    Raises: ValueError for a function without inputs, or inputs without a function.
    """
    if apply is None and inputs is None:
        return symmetry
    if apply is None or inputs is None:
        raise ValueError(
            "apply and inputs go together: the symmetry is tried on apply(params, *inputs). "
            f"Got {'inputs' if apply is None else 'apply'} alone."
        )
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    return dataclasses.replace(symmetry, function=Function(apply, several, is_declared=True))


def tried(symmetry: Symmetry, params: Params) -> Symmetry:
    """The symmetry without the groups and signs that change its function.

    A warning lists what a declared symmetry misses.

    Raises: ValueError if a declared symmetry changes its function.
    """
    symmetry = verify_once(symmetry, params)
    function = symmetry.function
    if function is not None and function.is_declared and not function.is_compared:
        function.is_compared = True
        _compare(symmetry, function, params)
    return symmetry


def _compare(symmetry: Symmetry, function: Function, params: Params) -> None:
    """Warn of what a function has and its declared symmetry does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was not found is no fault of what was declared
        try:
            found = find_symmetry(function.apply, params, *function.inputs)
        except (TypeError, ValueError):
            return
    has, could_have = (one.log10_num_equivalent() for one in (symmetry, found))
    if could_have > has + 1e-6:
        warnings.warn(
            f"The declared symmetry leaves out {', '.join(_missing(symmetry, found))}: it has "
            f"10^{has:.1f} equivalent weight settings, the function 10^{could_have:.1f}. Take what "
            "find_symmetry(apply, params, *inputs) finds, or draws stay apart that are the same.",
            stacklevel=4,
        )


def _missing(symmetry: Symmetry, found: Symmetry) -> list[str]:
    """What a found symmetry has and a declared one does not, by the names that this one gives."""
    names = {place: group for group in symmetry.sizes for place in symmetry.places(group)}
    num_signs = lambda one, group: sum(sign.group == group for sign in one.signs.values())
    missing: list[str] = []
    for group in found.sizes:
        name = next((names[place] for place in found.places(group) if place in names), None)
        if name is None:
            places = ", ".join(f"{leaf} axis {axis}" for leaf, axis in found.places(group))
            missing.append(f"the units of {places}")
        elif num_signs(found, group) > num_signs(symmetry, name):
            missing.append(f"signs of {name!r}")
    return missing or ["some of what may move"]
