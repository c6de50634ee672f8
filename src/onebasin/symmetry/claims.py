"""Claims: a symmetry is tried on its own function once, and the function keeps the result.

A *claim* is that permuting a group, or flipping a sign, at certain axes leaves the function as it
is. `Function.passed` says of each claim whether it passed, so that a symmetry of the same function
is not tried again.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.core import Tracer

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Function, Part
from onebasin.symmetry.trial import Trial, Values, begin
from onebasin.symmetry.trial_values import (
    drawn_inputs,
    drawn_params,
    is_shape,
    varied,
    varied_inputs,
)
from onebasin.symmetry.verify import described, failing, warn_of_drop, without
from onebasin.types import Params

MOST_DRAWN = 2**16
"""The largest number of weights and inputs that are drawn to try a function whose shapes alone are
given. The user has not asked for the trial, so that it must be quick."""

_FEW = 5
"""The number of elements of the symmetry that a trial uses."""


def claims(symmetry: Symmetry) -> dict[Part, Any]:
    """What a symmetry claims of its function, for each group and each sign."""
    groups = {
        Part("units", group): (group, symmetry.nested.get(group, ()), *symmetry.places(group))
        for group in symmetry.sizes
    }
    return {**groups, **{Part("signs", name): sign for name, sign in symmetry.signs.items()}}


def verify_once(symmetry: Symmetry, params: Params) -> Symmetry:
    """The symmetry without the groups and signs that change its own function.

    The function is tried the first time that a claim is seen: with a few elements of all groups
    jointly, and with each group alone only if these change it. A symmetry without a function is
    taken as it is, and so is one whose function is not finite at the params.

    Raises:
        ValueError: If a group or sign of a declared symmetry changes the function.
    """
    function = symmetry.function
    if function is None or not _is_new(symmetry, function):
        return _what_passed(symmetry)
    has_shapes = any(map(is_shape, jax.tree.leaves(function.inputs)))
    values = Values(params, drawn_inputs(function.inputs), has_shapes)
    run = begin if function.is_declared else _unasked
    trial = run(function.apply, [values])
    return symmetry if trial is None else _learn(symmetry, function, trial, stacklevel=6)


def verify_found(symmetry: Symmetry, params: Params, inputs: Sequence[Any]) -> Symmetry:
    """The result of discovery without the groups and signs that change its function in a trial.

    Constant arrays among the params are varied, because a bias of 0 would hide that units differ.
    Shapes get random numbers if these are at most `MOST_DRAWN`. A function that cannot run, or
    that is being traced, is not tried.
    """
    function, leaves = symmetry.function, jax.tree.leaves((params, inputs))
    if function is None or not symmetry.sizes or any(isinstance(x, Tracer) for x in leaves):
        return symmetry
    trial = _unasked(function.apply, _candidates(params, tuple(inputs)))
    return symmetry if trial is None else _learn(symmetry, function, trial, stacklevel=5)


def _unasked(apply: Callable[..., Any], candidates: Sequence[Values]) -> Trial | None:
    """A trial that the user has not asked for; None if the function raises."""
    try:
        return begin(apply, candidates, unasked=True) if candidates else None
    except Exception:
        return None


def _candidates(params: Params, inputs: tuple[Any, ...]) -> list[Values]:
    """Values at which to try a function, in the order of preference.

    Random weights come before positive ones, which variances need, and varied arrays before those
    that were given, at which the function is more likely to be finite.
    """
    shapes = [leaf for leaf in jax.tree.leaves((params, inputs)) if is_shape(leaf)]
    given = drawn_inputs(inputs)
    if any(map(is_shape, jax.tree.leaves(params))):
        if sum(math.prod(leaf.shape) for leaf in shapes) > MOST_DRAWN:
            return []
        return [Values(drawn_params(params, positive=x), given, True) for x in (False, True)]
    return [
        Values(varied(params), varied_inputs(given), True),
        Values(params, given, bool(shapes)),
    ]


def _is_new(symmetry: Symmetry, function: Function) -> bool:
    return not function.passed.keys() >= set(claims(symmetry).values())


def _what_passed(symmetry: Symmetry) -> Symmetry:
    passed = {} if symmetry.function is None else symmetry.function.passed
    failed = [part for part, claim in claims(symmetry).items() if not passed.get(claim, True)]
    return without(symmetry, failed)


def _learn(symmetry: Symmetry, function: Function, trial: Trial, stacklevel: int) -> Symmetry:
    """The symmetry without what fails; declared, it must not fail."""
    failed = failing(symmetry, trial, jax.random.key(0), _FEW)
    if failed and function.is_declared:
        texts = [described(symmetry, part, *by) for part, by in failed.items()]
        raise ValueError(
            f"A declared symmetry must leave its function as it is, but {'; '.join(texts)}. "
            "Correct its Axes, or take what find_symmetry(apply, params, *inputs) finds."
        )
    for part, by in failed.items():
        warn_of_drop(symmetry, part, *by, stacklevel)
    function.passed.update({claim: part not in failed for part, claim in claims(symmetry).items()})
    return without(symmetry, failed)
