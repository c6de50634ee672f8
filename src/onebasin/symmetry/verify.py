"""verify: proof by trial that a symmetry leaves a function as it is."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._types import Array, Key, Params
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.notation import group_of
from onebasin.symmetry.permutation import permute
from onebasin.symmetry.random_permutation import random_permutation


class Verified(NamedTuple):
    """A symmetry without what failed, and the largest relative change of each group and sign.

    `changes` is relative to the largest output; "all" is of all that is left, jointly.
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
    tolerance: float = 1e-10,
) -> Verified:
    """Permute each group at random, flip each sign, then all jointly, in float64; compare.

    What changes the function by more than a share `tolerance` of its largest output is
    dropped, with a warning that names it. A symmetry that only holds for these inputs passes:
    give some at which units differ.

    Raises: ValueError where the function is not finite at the params.
    """
    key = jax.random.key(0) if key is None else key
    with jax.enable_x64(True):
        params, inputs = jax.tree.map(_wide, (_trees.to_host(params), inputs))
        trial = _trial(apply, params, inputs, num_trials)
        return _verified(symmetry, trial, key, tolerance)


def verify_once(symmetry: Symmetry, params: Params) -> Symmetry:
    """The symmetry without what changes its own function, tried at random inputs.

    Cheap: a few elements of all groups jointly, in the params' own precision, the first time that
    these groups are seen; only where they change the function by more than 0.1 % each is tried.
    A symmetry that was declared without a function is taken as it is, and params at which the
    function is not finite tell nothing.
    """
    function = symmetry.function
    if function is None or not symmetry.sizes:
        return symmetry
    claims = {group: (group, *symmetry.places(group)) for group in symmetry.sizes}
    claims |= symmetry.signs
    if not function.passed.keys() >= set(claims.values()):
        params = jax.tree.map(jnp.asarray, params)
        precision = jnp.result_type(*jax.tree.leaves(params))
        inputs = jax.tree.map(partial(_random_input, precision), function.inputs)
        try:
            trial = _trial(function.apply, params, inputs, _FEW)
        except NotFinite:
            return symmetry
        key, failed = jax.random.key(0), set[str]()
        if not trial(symmetry, key) <= _CHEAP_TOLERANCE:
            left = _verified(symmetry, trial, key, _CHEAP_TOLERANCE).symmetry
            failed = claims.keys() - left.sizes.keys() - left.signs.keys()
        function.passed.update({claim: name not in failed for name, claim in claims.items()})
    kept = {name for name, claim in claims.items() if function.passed[claim]}
    return symmetry if len(kept) == len(claims) else _only(symmetry, kept)


class NotFinite(ValueError):
    """A function that is NaN or infinite at the params with which it was to be verified."""


_CHEAP_TOLERANCE = 1e-3
_FEW = 5
"""Random elements of a cheap trial: one of two units moves nothing half of the time."""

Trial: TypeAlias = Callable[[Symmetry, Key], float]
"""The largest relative change of a function under random elements of a symmetry."""


def _verified(symmetry: Symmetry, trial: Trial, key: Key, tolerance: float) -> Verified:
    changes = {
        name: trial(_only(symmetry, {name}), jax.random.fold_in(key, number))
        for number, name in enumerate([*symmetry.sizes, *symmetry.signs])
    }
    # Not "greater than": a change that is NaN fails too.
    failed = {name for name, size in changes.items() if not size <= tolerance}
    for name in sorted(failed):
        _warn(symmetry, name, changes[name], tolerance)
    left = _only(symmetry, set(changes) - failed)
    changes["all"] = trial(left, jax.random.fold_in(key, len(changes)))
    return Verified(left, changes)


def _trial(apply: Callable[..., Any], params: Params, inputs: Any, num_trials: int) -> Trial:
    apply = eqx.filter_jit(apply)
    expected = _outputs(apply, params, inputs)
    scale = max((float(np.abs(x).max(initial=0.0)) for x in expected), default=0.0) or 1.0
    if not np.isfinite(scale):
        raise NotFinite("A function to verify must be finite at the params. Got NaN or infinity.")
    change = partial(_change, apply, params, inputs, expected, num_trials)
    return lambda symmetry, key: change(symmetry, key) / scale


def _random_input(precision: Any, shape: Any) -> Array:
    """Normal numbers in a precision, or indices 0 and 1, or keys."""
    rng = np.random.default_rng(0)
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
    if jnp.issubdtype(shape.dtype, jnp.floating):
        return jnp.asarray(rng.standard_normal(shape.shape), precision)
    return jnp.asarray(rng.integers(0, 2, shape.shape), shape.dtype)


def _change(
    apply: Callable[..., Any],
    params: Params,
    inputs: Any,
    expected: list[np.ndarray],
    num_trials: int,
    symmetry: Symmetry,
    key: Key,
) -> float:
    """The largest change of any output under some random permutations."""
    found = [0.0]
    for one in jax.random.split(key, num_trials):
        moved = permute(symmetry, random_permutation(one, symmetry), params)
        outputs = _outputs(apply, moved, inputs)
        gaps = (np.abs(a - b) for a, b in zip(outputs, expected, strict=True))
        found += [float(gap.max(initial=0.0)) for gap in gaps]
    return float(np.max(found))


def _warn(symmetry: Symmetry, name: str, change: float, tolerance: float) -> None:
    flipped = symmetry.signs.get(name)
    found = symmetry.places(name) if flipped is None else flipped.places
    places = ", ".join(f"{place.leaf} axis {place.axis}" for place in found)
    warnings.warn(
        f"{'Permuting' if flipped is None else 'Flipping'} {name!r} ({places}) changes the "
        f"function by {change:.2g} of its largest output, more than {tolerance:g}: "
        f"{'the group is' if flipped is None else 'these signs are'} dropped.",
        stacklevel=3,
    )


def _wide(leaf: Any) -> Any:
    leaf = jnp.asarray(leaf)
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return leaf
    return leaf.astype(jnp.complex128 if jnp.iscomplexobj(leaf) else jnp.float64)


def _outputs(apply: Callable[..., Any], params: Params, inputs: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(apply(params, *inputs))]


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
