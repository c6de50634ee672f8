"""Claims: a symmetry is tried on its own function once, and what came out is remembered there."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.core import Tracer

from onebasin._types import Params
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
from onebasin.symmetry.verify import changes_of_each, described, warn_of_drop, without

MOST_DRAWN = 2**16
"""The most random numbers, weights and inputs, at which a function is tried if only shapes are
given: a larger one would take time that nobody asked for."""

_FEW = 5
"""Elements of a trial of all groups and signs jointly."""


def claims(symmetry: Symmetry) -> dict[Part, Any]:
    """What a symmetry claims of its function, for each group and each sign."""
    groups = {
        Part("units", group): (group, symmetry.nested.get(group, ()), *symmetry.places(group))
        for group in symmetry.sizes
    }
    return {**groups, **{Part("signs", name): sign for name, sign in symmetry.signs.items()}}


def verify_once(symmetry: Symmetry, params: Params) -> Symmetry:
    """The symmetry without what changes its own function, tried the first time that it is seen.

    A few elements of all groups jointly; only if these change the function each is tried alone.
    A symmetry that does not know its function is taken as it is, and params at which the function
    is not finite tell nothing.

    Raises: ValueError for what a declared symmetry claims and the function does not have.
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
    """A symmetry that was found, without what changes its function in a trial of all of it.

    Arrays are used as they are, but that none may be constant: a bias that is 0 tells no units
    apart. Shapes get random numbers if there are no more than `MOST_DRAWN`. A function that cannot
    run tells nothing.
    """
    function, leaves = symmetry.function, jax.tree.leaves((params, inputs))
    if function is None or not symmetry.sizes or any(isinstance(x, Tracer) for x in leaves):
        return symmetry
    trial = _unasked(function.apply, _candidates(params, tuple(inputs)))
    return symmetry if trial is None else _learn(symmetry, function, trial, stacklevel=5)


def _unasked(apply: Callable[..., Any], candidates: Sequence[Values]) -> Trial | None:
    """A trial of a function that nobody has asked to run: what it raises is not raised here."""
    try:
        return begin(apply, candidates, unasked=True) if candidates else None
    except Exception:
        return None


def _candidates(params: Params, inputs: tuple[Any, ...]) -> list[Values]:
    """Values at which to try a function, the most telling first."""
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
    key, changes = jax.random.key(0), dict[Part, float]()
    joint = trial.change(symmetry, key, _FEW)
    if not joint <= trial.limit(joint):
        changes = changes_of_each(symmetry, trial, key, _FEW)
    limits = {part: trial.limit(change) for part, change in changes.items()}
    failed = [part for part, change in changes.items() if not change <= limits[part]]
    if failed and function.is_declared:
        texts = [described(symmetry, part, changes[part], limits[part]) for part in failed]
        raise ValueError(
            f"A declared symmetry must leave its function as it is, but {'; '.join(texts)}. "
            "Correct its Axes, or take what find_symmetry(apply, params, *inputs) finds."
        )
    for part in failed:
        warn_of_drop(symmetry, part, changes[part], limits[part], stacklevel)
    function.passed.update({claim: part not in failed for part, claim in claims(symmetry).items()})
    return without(symmetry, failed)
