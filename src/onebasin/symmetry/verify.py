"""verify: the numerical check that a symmetry leaves a function as it is."""

import dataclasses
import warnings
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax

from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.axes_values import Part
from onebasin.symmetry.trial import Trial, Values, begin
from onebasin.types import Key, Params


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

    Examples:
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
        part: trial.limit(x) if tolerance is None else tolerance for part, x in changes.items()
    }
    # Not "greater than": a change that is NaN fails too.
    failed = [part for part, change in changes.items() if not change <= limits[part]]
    for part in failed:
        warn_of_drop(symmetry, part, changes[part], limits[part])
    left = without(symmetry, failed)
    last = trial.change(left, jax.random.fold_in(key, len(changes)), num_trials)
    return Verified(left, {**{str(part): x for part, x in changes.items()}, "all": last})


def changes_of_each(
    symmetry: Symmetry, trial: Trial, key: Key, num_elements: int
) -> dict[Part, float]:
    """How much each group and each sign alone changes a function."""
    return {
        part: trial.change(_only(symmetry, {part}), jax.random.fold_in(key, number), num_elements)
        for number, part in enumerate(symmetry.parts)
    }


def failing(
    symmetry: Symmetry, trial: Trial, key: Key, num_elements: int
) -> dict[Part, tuple[float, float]]:
    """The groups and signs that change a function, each with its change and the limit of it.

    Each is tried alone only if all of them jointly change the function.
    """
    joint = trial.change(symmetry, key, num_elements)
    if joint <= trial.limit(joint):
        return {}
    changes = changes_of_each(symmetry, trial, key, num_elements)
    limits = {part: trial.limit(change) for part, change in changes.items()}
    # Not "greater than": a change that is NaN fails too.
    return {part: (x, limits[part]) for part, x in changes.items() if not x <= limits[part]}


def described(
    symmetry: Symmetry, part: Part, change: float, limit: float, what: str = "function"
) -> str:
    """What a group or sign does to a function, as a clause of a message.

    `what` is the function in words.
    """
    is_sign = part.kind == "signs"
    places = symmetry.signs[part.name].places if is_sign else symmetry.places(part.name)
    listed = ", ".join(f"{place.leaf} axis {place.axis}" for place in places)
    return (
        f"{'flipping' if is_sign else 'permuting'} {part.name!r} ({listed}) changes the "
        f"{what} by {change:.2g} of its largest output, more than {limit:.2g}"
    )


def warn_of_drop(
    symmetry: Symmetry,
    part: Part,
    change: float,
    limit: float,
    stacklevel: int = 3,
    what: str = "function",
) -> None:
    """Warn that a group or sign changes the function, `what` in words, and is dropped."""
    text = described(symmetry, part, change, limit, what)
    dropped = "these signs are" if part.kind == "signs" else "the group is"
    warnings.warn(f"{text[0].upper()}{text[1:]}: {dropped} dropped.", stacklevel=stacklevel)


def without(symmetry: Symmetry, parts: Collection[Part], what: str = "function") -> Symmetry:
    """The symmetry without some groups and signs, which it lists as dropped by a trial.

    `what` is in words what they changed.
    """
    if not parts:
        return symmetry
    left = _only(symmetry, set(symmetry.parts) - set(parts))
    still = {
        f"{leaf}, axis {axis}": f"changed the {what} in a trial"
        for part in parts
        if part.kind == "units"
        for leaf, axis in symmetry.places(part.name)
    }
    dropped = (*symmetry.dropped, *sorted(parts))
    return dataclasses.replace(left, dropped=dropped, frozen={**symmetry.frozen, **still})


def _only(symmetry: Symmetry, parts: set[Part]) -> Symmetry:
    """The symmetry of some groups and signs; other groups keep their order.

    The group of a sign is kept with it, so that a sign can be tried.
    """
    signs = {name: sign for name, sign in symmetry.signs.items() if Part("signs", name) in parts}
    kept = {part.name for part in parts if part.kind == "units"}
    kept |= {sign.group for sign in signs.values()}
    sizes = {group: n for group, n in symmetry.sizes.items() if group in kept}
    still = {group: n for group, n in symmetry.sizes.items() if group not in kept}
    return dataclasses.replace(
        symmetry,
        sizes=sizes,
        nested={group: parents for group, parents in symmetry.nested.items() if group in kept},
        fixed=symmetry.fixed | still,
        signs=signs,
    )
