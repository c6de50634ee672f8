"""A symmetry that is found and then proved by trial in float64."""

import dataclasses
from collections.abc import Callable

from architecture import random_values, shapes

import onebasin as ob


def found_and_proved(apply: Callable, params: dict, inputs: tuple) -> ob.Symmetry:
    """What is found; no group and no sign of it fails in float64, and JSON holds all of it."""
    arguments = shapes(params), shapes(inputs)
    symmetry = ob.find_symmetry(apply, *arguments)
    verified = ob.verify(symmetry, apply, *random_values(arguments, seed=3))
    assert verified.symmetry == symmetry
    assert_read_again(symmetry)
    return symmetry


def assert_read_again(symmetry: ob.Symmetry) -> None:
    """All fields of a symmetry but its function come back from JSON."""
    again = ob.Symmetry.from_json(symmetry.to_json())
    fields = {field.name for field in dataclasses.fields(symmetry)} - {"function"}
    for name in fields:
        assert getattr(again, name) == getattr(symmetry, name), name


def flipped(symmetry: ob.Symmetry) -> list[list[str]]:
    """The arrays that change sign together, for every sign."""
    whole = lambda place: place.leaf.partition("[")[0]
    return sorted(sorted({whole(p) for p in sign.places}) for sign in symmetry.signs.values())
