"""find_symmetry: the permutation symmetry of any JAX function, read off its jaxpr."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import product
from operator import xor
from typing import Any

import jax
import jax.numpy as jnp

from onebasin import _trees
from onebasin._arguments import check_arrays, check_takes
from onebasin._collections import own_names, statistics_in
from onebasin._types import Params
from onebasin.symmetry.axes import Axes, Blocks, Function, Place, Sign, Symmetry
from onebasin.symmetry.axes_values import Name
from onebasin.symmetry.claims import verify_found
from onebasin.symmetry.discovery.labels import (
    Factor,
    Label,
    Run,
    labels_in,
    leaves_of,
    resolve,
    size_of,
    smallest,
)
from onebasin.symmetry.discovery.parity import independent
from onebasin.symmetry.discovery.values import Value
from onebasin.symmetry.discovery.walk import NOT_USED, Walked, nesting, walk


def find_symmetry(apply: Callable[..., Any], params: Params, *inputs: Any) -> Symmetry:
    """The permutations of params that leave `apply(params, *inputs)` as it is, all of them.

    `params` and `inputs` may be shapes, as `jax.eval_shape` gives them. Every axis of every
    intermediate array is followed through the function's jaxpr. What a primitive without a rule
    touches keeps its order, so a symmetry may be missed but none is invented. What is found is
    then tried once, unless only shapes are given and they hold more than 65,536 numbers: what
    changes the function is dropped, with a warning. `verify` tries more. Groups are named after the
    layer of the first array that lists them; `symmetry.frozen` says why other axes do not move. A
    warning names primitives that have no rule and random numbers.

    Raises: TypeError for params that are not arrays of real or complex floating point;
    ValueError for a function that has or uses no params, or whose shapes depend on the values of
    arrays.
    """
    check_takes("apply", apply, ("params", *(f"input {n}" for n, _ in enumerate(inputs))), "")
    check_arrays("params", params)
    check_arrays("inputs", inputs)
    params = getattr(apply, "arranged", lambda params: params)(params)
    _check(params)
    walked = walk(apply, params, *inputs)
    frozen = frozen_axes(walked)
    if frozen and all(reason == NOT_USED for reason in frozen.values()) and not nesting(walked):
        raise ValueError(
            "apply must be a function of its params, its first argument. Got one that uses none "
            f"of {sorted(walked.leaves)}. Does it close over them?"
        )
    for note in walked.notes:
        warnings.warn(note, stacklevel=2)
    shapes = jax.eval_shape(lambda *args: args, *inputs)
    found = dataclasses.replace(symmetry_of(walked, params), function=Function(apply, shapes))
    return verify_found(found, params, inputs)


def _check(params: Params) -> None:
    if not jax.tree.leaves(params):
        raise ValueError(
            "Params must hold an array of real or complex floating point at least. Got none."
        )
    for name, leaf in _trees.named_leaves(params).items():
        dtype = getattr(leaf, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(
                "Params must be arrays of real or complex floating point. Got "
                f"{dtype if dtype is not None else type(leaf).__name__} at {name}. Hand what is "
                "not a weight to the function in another way."
            )


def symmetry_of(walked: Walked, params: Params) -> Symmetry:
    """The symmetry that a walk has found, shaped like the params."""
    nested = nesting(walked)
    names = _names(walked, nested, params)
    axes = {leaf: _axes(value, names) for leaf, value in walked.leaves.items()}
    free = [label for label in names if label.frozen is None]
    symmetry = Symmetry(
        _trees.rebuild(axes, params),
        {names[label]: label.size for label in sorted(free, key=lambda label: names[label])},
        {
            names[one]: tuple(names[p] for p in parents)
            for one, parents in nested.items()
            if parents
        },
        {name: label.size for label, name in names.items() if label.frozen is not None},
        frozen=frozen_axes(walked),
        roles=walked.roles,
    )
    return symmetry.with_signs(_signs(walked, names, symmetry))


def _signs(walked: Walked, names: dict[Label, str], symmetry: Symmetry) -> list[Sign]:
    """The signs of groups, at places as a symmetry names them."""
    leaves, found = list(walked.leaves), []
    for label, places in walked.signs:
        group, where = names[label], []
        for number, block, axis, factor in places:
            leaf = leaves[number]
            runs = walked.leaves[leaf].blocks[block]
            before = [one for run in runs[:axis] for one in resolve(run)]
            before += resolve(runs[axis])[:factor]
            for piece in _pieces(leaf, block, walked.leaves[leaf], symmetry):
                axes = [a for a, name in enumerate(symmetry.leaves[piece].names) if name == group]
                where.append(Place(piece, axes[before.count(label)]))
        found.append(Sign(group, tuple(where)))
    return sorted(sign for sign in found if not _is_of_nested(sign, found, symmetry))


def _pieces(leaf: str, block: tuple[int, ...], value: Value, symmetry: Symmetry) -> list[str]:
    """The pieces of a leaf that a block of it became."""
    parts = [name for name, piece in symmetry.pieces.items() if piece.leaf == leaf]
    if len(value.blocks) == 1:
        return parts  # one, or one for each segment of what lies inside of others
    # Where nothing moves in any block, they were not told apart; nor do they flip.
    return [name for key, name in zip(sorted(value.blocks), parts, strict=False) if key == block]


def _is_of_nested(sign: Sign, every: list[Sign], symmetry: Symmetry) -> bool:
    """Whether units flip where all that is nested in each of them does, by signs of its own."""
    nested = [one for one in every if sign.group in symmetry.nested.get(one.group, ())]
    order = list({place.leaf: None for one in (sign, *nested) for place in one.places})
    bits = lambda one: reduce(xor, (1 << order.index(place.leaf) for place in one.places))
    return len(independent([*map(bits, nested), bits(sign)])) == len(independent(map(bits, nested)))


def _names(walked: Walked, nested: dict[Label, list[Label]], params: Params) -> dict[Label, str]:
    """A name for each label that moves or holds one that does: of the layer that it belongs to."""
    statistics, own = statistics_in(params), own_names(params)
    weights_first = dict(sorted(walked.leaves.items(), key=lambda item: item[0] in statistics))
    wanted = set(nested).union(*nested.values())
    names: dict[Label, str] = {}
    taken: dict[str, int] = {}
    for path, run in _by_ownership(weights_first):
        leaf = own[path]
        for label in smallest(run):
            if label in wanted and label not in names:
                # PyTorch's names have dots where others have slashes.
                base = leaf.rpartition("/")[0] or leaf.rpartition(".")[0] or leaf
                taken[base] = taken.get(base, 0) + 1
                names[label] = base if taken[base] == 1 else f"{base}.{taken[base]}"
    return names


def _by_ownership(leaves: dict[str, Value]) -> Iterable[tuple[str, Run]]:
    """Vectors first, for they belong to the units they list; then last axes, then all others."""
    every = [
        (leaf, runs, value.ndim) for leaf, value in leaves.items() for runs in value.blocks.values()
    ]
    yield from ((leaf, runs[0]) for leaf, runs, ndim in every if ndim == 1)
    yield from ((leaf, runs[-1]) for leaf, runs, ndim in every if ndim > 1)
    yield from ((leaf, run) for leaf, runs, _ in every for run in runs)


def _axes(value: Value, names: dict[Label, str]) -> Axes | Blocks:
    if any(
        _is_segmented(f) for runs in value.blocks.values() for run in runs for f in resolve(run)
    ):
        return _in_segments(value, names)
    blocks = [
        Axes(*(_name(run, names) for run in runs)) for _, runs in sorted(value.blocks.items())
    ]
    still = Axes(*[None] * value.ndim)
    if len(blocks) == 1 or all(block == still for block in blocks):
        return blocks[0]
    return Blocks(value.cuts, blocks)


def _is_segmented(factor: Factor) -> bool:
    """Whether a factor of an axis consists of segments some of which move."""
    if not isinstance(factor, Label) or not factor.segments:
        return False
    return any(label.frozen is None for label in smallest((factor,)))


def _in_segments(value: Value, names: dict[Label, str]) -> Blocks:
    """An array whose axes are split into their factors, and these cut into their segments."""
    (runs,) = value.blocks.values()
    axes: list[list[tuple[int, Name]]] = []
    for run in runs:
        if not any(map(_is_segmented, resolve(run))):
            axes.append([(size_of(run), _name(run, names))])
            continue
        for factor in resolve(run):
            parts = leaves_of(factor) if isinstance(factor, Label) else [factor]
            axes.append([(part.size, _name((part,), names)) for part in parts])
    cuts = [[size for size, _ in axis] for axis in axes]
    return Blocks(cuts, [Axes(*(name for _, name in block)) for block in product(*axes)])


def _name(run: Run, names: dict[Label, str]) -> Name:
    parts: list[str | int] = []
    for factor in resolve(run):
        name = names.get(factor) if isinstance(factor, Label) else None
        if name is not None:
            parts.append(name)
        elif parts and isinstance(parts[-1], int):
            parts[-1] *= factor.size
        else:
            parts.append(factor.size)
    if not any(isinstance(part, str) for part in parts):
        return None
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else tuple(parts)


def frozen_axes(walked: Walked) -> dict[str, str]:
    """Why entries do not move, by the leaf and the axis that lists them."""
    found: dict[str, str] = {}
    for leaf, value in walked.leaves.items():
        for axis in range(value.ndim):
            reasons = [label.frozen for run in value.at(axis) for label in labels_in(run)]
            # Where some of what an axis lists moves, the table says so.
            if reasons and reasons[0] is not None and None not in reasons:
                found[f"{leaf}, axis {axis}"] = reasons[0]
    return found
