"""verify: proof by trial that a symmetry leaves a function as it is."""

import dataclasses
import warnings
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax

from onebasin._types import Key, Params
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import group_of
from onebasin.symmetry.trial import Trial, Values, begin


class Verified(NamedTuple):
    """A symmetry without what failed, and the largest relative change of each group and sign.

    `changes` are relative to the largest number in the output that changes; "all" is of all that
    is left, jointly.
    """

    symmetry: Symmetry
    changes: dict[str, float]


def verify(
    symmetry: Symmetry,
    apply: Callable[..., Any],
    params: Params,
    *inputs: Any,
    key: Key | None = None,
    num_trials: int = 3,
    tolerance: float | None = None,
) -> Verified:
    """Permute each group at random, flip each sign, then all jointly, and compare the outputs.

    What changes the function is dropped, with a warning that names it. A symmetry that only holds
    for these inputs passes: give some at which units differ.

    The function runs in float64 if it can; recurrent layers that carry float32 cannot. If it
    computes more coarsely by itself, as mixed precision does, a change must be larger than those
    that rounding makes.

    Args:
        symmetry: The groups and signs to try.
        apply: The function of params and inputs. Its outputs may be of any structure and dtype.
        params: Weights at which the function is finite.
        inputs: What the function takes after the params.
        key: What the permutations are drawn with.
        num_trials: How many permutations of each group are tried.
        tolerance: The largest change that passes, as a share of the largest number in the output.
            Default: 1e-10 in float64, otherwise 32 eps of the coarsest dtype and at most 0.01; or
            four times what changes if all numbers that come in are off by 8 eps (2 eps for
            half precision), if that is more.

    Raises:
        ValueError: If the function is not finite at the params.

    Example:
        >>> verified = ob.verify(symmetry, network.apply, params, data.test.inputs)
        >>> verified.symmetry == symmetry
        True
    """
    key = jax.random.key(0) if key is None else key
    params = symmetry.arranged(params)
    trial = begin(apply, [Values(params, inputs)])
    if trial is None:
        raise ValueError(
            "A function to verify must be finite at the params. Got NaN or infinity. "
            "Give other params or inputs."
        )
    changes = changes_of_each(symmetry, trial, key, num_trials)
    limits = {
        name: trial.limit(x) if tolerance is None else tolerance for name, x in changes.items()
    }
    # Not "greater than": a change that is NaN fails too.
    failed = [name for name, change in changes.items() if not change <= limits[name]]
    for name in failed:
        warn_of_drop(symmetry, name, changes[name], limits[name])
    left = without(symmetry, failed)
    changes["all"] = trial.change(left, jax.random.fold_in(key, len(changes)), num_trials)
    return Verified(left, changes)


def changes_of_each(
    symmetry: Symmetry, trial: Trial, key: Key, num_elements: int
) -> dict[str, float]:
    """How much each group and each sign alone changes a function."""
    return {
        name: trial.change(_only(symmetry, {name}), jax.random.fold_in(key, number), num_elements)
        for number, name in enumerate([*symmetry.sizes, *symmetry.signs])
    }


def described(symmetry: Symmetry, name: str, change: float, limit: float) -> str:
    """What a group or sign does to a function, as a clause of a message."""
    flipped = symmetry.signs.get(name)
    places = symmetry.places(name) if flipped is None else flipped.places
    listed = ", ".join(f"{place.leaf} axis {place.axis}" for place in places)
    return (
        f"{'permuting' if flipped is None else 'flipping'} {name!r} ({listed}) changes the "
        f"function by {change:.2g} of its largest output, more than {limit:.2g}"
    )


def warn_of_drop(
    symmetry: Symmetry, name: str, change: float, limit: float, stacklevel: int = 3
) -> None:
    """Warn that a group or sign changes the function and is dropped."""
    text = described(symmetry, name, change, limit)
    dropped = "these signs are" if name in symmetry.signs else "the group is"
    warnings.warn(f"{text[0].upper()}{text[1:]}: {dropped} dropped.", stacklevel=stacklevel)


def without(symmetry: Symmetry, names: Collection[str]) -> Symmetry:
    """The symmetry without some groups and signs, which it names as dropped by a trial."""
    if not names:
        return symmetry
    left = _only(symmetry, {*symmetry.sizes, *symmetry.signs} - set(names))
    still = {
        f"{leaf}, axis {axis}": "changed the function in a trial"
        for name in names
        if name in symmetry.sizes
        for leaf, axis in symmetry.places(name)
    }
    dropped = (*symmetry.dropped, *sorted(names))
    return dataclasses.replace(left, dropped=dropped, frozen={**symmetry.frozen, **still})


def _only(symmetry: Symmetry, names: set[str]) -> Symmetry:
    """The symmetry of some groups and signs; other groups keep their order."""
    kept = names | {group_of(name) for name in names}
    sizes = {group: n for group, n in symmetry.sizes.items() if group in kept}
    still = {group: n for group, n in symmetry.sizes.items() if group not in kept}
    return dataclasses.replace(
        symmetry,
        sizes=sizes,
        nested={group: parents for group, parents in symmetry.nested.items() if group in kept},
        fixed=symmetry.fixed | still,
        signs={name: sign for name, sign in symmetry.signs.items() if name in names},
    )
