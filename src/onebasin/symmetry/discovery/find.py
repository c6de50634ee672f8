"""find_symmetry: the permutation symmetry of any JAX function, read off its jaxpr.

The walks (see `walk`) end with a label on every axis of every block of the params. Here that is
translated into a `Symmetry`: free labels become groups with names, blocks become `Axes` and
`Blocks`, and the factors of an axis become a tuple of names and sizes.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import product
from operator import xor
from typing import Any

import jax

from onebasin import _trees
from onebasin._arguments import check_arrays, check_takes, check_weights
from onebasin._collections import own_names, statistics_in
from onebasin.symmetry.axes import Axes, Blocks, Function, Place, Sign, Symmetry
from onebasin.symmetry.axes_values import Name
from onebasin.symmetry.claims import verify_found
from onebasin.symmetry.discovery.labels import (
    Factor,
    Factors,
    Label,
    labels_in,
    resolve,
    segment_labels,
    segments_of,
    size_of,
)
from onebasin.symmetry.discovery.linear_systems import independent_vectors
from onebasin.symmetry.discovery.values import Value
from onebasin.symmetry.discovery.walk import NOT_USED, WalkResult, nesting, walk
from onebasin.types import Params


def find_symmetry(apply: Callable[..., Any], params: Params, *inputs: Any) -> Symmetry:
    """The permutations and signs of the params that leave `apply(params, *inputs)` as it is.

    Every axis of every intermediate array is followed through the function's jaxpr. A primitive
    without a rule freezes the order of what it touches: a symmetry may be missed, but none is
    invented. The result is then tried once in float64, and groups that change the function are
    dropped with a warning; `verify` tries more. Groups have the name of the layer of the first
    array that lists them. `frozen` of the result says why all other axes never move.

    Warns of primitives without a rule, and of random numbers that the function draws.

    Args:
        apply: The function of the params and the inputs. It is traced, not run, except for the
            trial.
        params: The weights, arrays of real or complex floating point, or their shapes as
            `jax.ShapeDtypeStruct`. Shapes of more than 65,536 numbers in all are not tried.
        *inputs: Whatever the function takes after the params, as arrays or shapes. Their entries
            are never permuted.

    Raises:
        TypeError: If a param is not an array of real or complex floating point.
        ValueError: If the function has no params, uses none of them, or has shapes that depend on
            the values of arrays.

    Examples:
        >>> apply = lambda params, x: jax.nn.relu(x @ params["w1"]) @ params["w2"]
        >>> params = {"w1": jnp.zeros((3, 4)), "w2": jnp.zeros((4, 2))}
        >>> ob.find_symmetry(apply, params, jnp.zeros((5, 3))).axes
        {'w1': Axes(None, 'w1'), 'w2': Axes('w1', None)}
    """
    check_takes("apply", apply, ("params", *(f"input {n}" for n, _ in enumerate(inputs))), "")
    check_arrays("params", params)
    check_arrays("inputs", inputs)
    params = getattr(apply, "arranged", lambda params: params)(params)
    check_weights(params)
    walked = walk(apply, params, *inputs)
    frozen = frozen_axes(walked)
    if frozen and all(reason == NOT_USED for reason in frozen.values()) and not nesting(walked):
        raise ValueError(
            "apply must be a function of its params, its first argument. Got one that uses none "
            f"of {sorted(walked.leaves)}. Read the weights from the first argument instead of "
            "closing over them."
        )
    for note in walked.notes:
        warnings.warn(note, stacklevel=2)
    shapes = jax.eval_shape(lambda *args: args, *inputs)
    symmetry = dataclasses.replace(symmetry_of(walked, params), function=Function(apply, shapes))
    return verify_found(symmetry, params, inputs)


def symmetry_of(walked: WalkResult, params: Params) -> Symmetry:
    """The symmetry that the walks have found, as a pytree with the structure of the params.

    Free labels are its groups. Frozen ones that a group is nested in are `fixed`: they have a name,
    but never move.
    """
    nested = nesting(walked)
    names = _names(walked, nested, params)
    axes = {leaf: _axes(value, names) for leaf, value in walked.leaves.items()}
    free = [label for label in names if label.frozen is None]
    symmetry = Symmetry(
        _trees.rebuild(axes, params),
        {names[label]: label.size for label in sorted(free, key=lambda label: names[label])},
        {
            names[label]: tuple(names[outer] for outer in around)
            for label, around in nested.items()
            if around
        },
        {name: label.size for label, name in names.items() if label.frozen is not None},
        frozen=frozen_axes(walked),
        roles=walked.roles,
    )
    return symmetry.with_signs(_signs(walked, names, symmetry))


def _signs(walked: WalkResult, names: dict[Label, str], symmetry: Symmetry) -> list[Sign]:
    """The signs of all groups, at the axes of the symmetry's pieces.

    A walk counts blocks and factors; a symmetry has a piece for each block, with an axis for each
    factor. If a group occurs several times on the axes of a block, they are counted off in order.
    """
    leaves, signs = list(walked.leaves), []
    for label, marked_factors in walked.signs:
        group, places = names[label], []
        for number, key, axis, factor in marked_factors:
            leaf = leaves[number]
            block = walked.leaves[leaf].blocks[key]
            before = [earlier for factors in block[:axis] for earlier in resolve(factors)]
            before += resolve(block[axis])[:factor]
            for piece in _pieces(leaf, key, walked.leaves[leaf], symmetry):
                axes = [a for a, name in enumerate(symmetry.leaves[piece].names) if name == group]
                places.append(Place(piece, axes[before.count(label)]))
        signs.append(Sign(group, tuple(places)))
    return sorted(sign for sign in signs if not _follows_from_nested(sign, signs, symmetry))


def _pieces(leaf: str, key: tuple[int, ...], value: Value, symmetry: Symmetry) -> list[str]:
    """The names of the pieces of a leaf that its block with this key became."""
    parts = [name for name, piece in symmetry.pieces.items() if piece.leaf == leaf]
    if len(value.blocks) == 1:
        return parts  # one, or one for each segment inside of outer units
    # If no axis of any block moves, the leaf is a single piece; then nothing of it flips either.
    keyed = zip(sorted(value.blocks), parts, strict=False)
    return [name for block_key, name in keyed if block_key == key]


def _follows_from_nested(sign: Sign, signs: list[Sign], symmetry: Symmetry) -> bool:
    """Whether a sign of outer units is a product of signs of the groups nested in them.

    A head flips if all of its dimensions do. Signs are bits over the leaves that they flip, and the
    sign follows if its bits are a sum of those of the nested groups.
    """
    nested = [inner for inner in signs if sign.group in symmetry.nested.get(inner.group, ())]
    order = list({place.leaf: None for each in (sign, *nested) for place in each.places})
    bits = lambda sign: reduce(xor, (1 << order.index(place.leaf) for place in sign.places))
    return len(independent_vectors([*map(bits, nested), bits(sign)])) == len(
        independent_vectors(map(bits, nested))
    )


def _names(
    walked: WalkResult, nested: dict[Label, list[Label]], params: Params
) -> dict[Label, str]:
    """A name for every free label and for the labels that one is nested in.

    It is the path of the first leaf that lists the label, without its last part: "hidden_0" for
    "hidden_0/bias", or for "hidden_0.bias" of PyTorch. A second group of one layer ends in ".2".
    Running statistics give a name only if no weight does.
    """
    statistics, own = statistics_in(params), own_names(params)
    weights_first = dict(sorted(walked.leaves.items(), key=lambda item: item[0] in statistics))
    wanted = set(nested).union(*nested.values())
    names: dict[Label, str] = {}
    counts: dict[str, int] = {}
    for path, factors in _axes_to_name_after(weights_first):
        leaf = own[path]
        for label in segment_labels(factors):
            if label in wanted and label not in names:
                base = leaf.rpartition("/")[0] or leaf.rpartition(".")[0] or leaf
                counts[base] = counts.get(base, 0) + 1
                names[label] = base if counts[base] == 1 else f"{base}.{counts[base]}"
    return names


def _axes_to_name_after(leaves: dict[str, Value]) -> Iterable[tuple[str, Factors]]:
    """The axes of all leaves, in the order in which they give names to groups.

    Vectors come first, because a bias belongs to the layer whose units it lists. Then come the last
    axes of other arrays, and then all axes.
    """
    blocks = [
        (leaf, block, value.ndim)
        for leaf, value in leaves.items()
        for block in value.blocks.values()
    ]
    yield from ((leaf, block[0]) for leaf, block, ndim in blocks if ndim == 1)
    yield from ((leaf, block[-1]) for leaf, block, ndim in blocks if ndim > 1)
    yield from ((leaf, factors) for leaf, block, _ in blocks for factors in block)


def _axes(value: Value, names: dict[Label, str]) -> Axes | Blocks:
    """The `Axes` of a leaf, or its `Blocks` if it is cut and something in it moves."""
    if any(
        _has_free_segments(factor)
        for block in value.blocks.values()
        for factors in block
        for factor in resolve(factors)
    ):
        return _segmented_blocks(value, names)
    blocks = [
        Axes(*(_name(factors, names) for factors in block))
        for _, block in sorted(value.blocks.items())
    ]
    still = Axes(*[None] * value.ndim)
    if len(blocks) == 1 or all(block == still for block in blocks):
        return blocks[0]
    return Blocks(value.cuts, blocks)


def _has_free_segments(factor: Factor) -> bool:
    """Whether a factor of an axis consists of segments, some of which may be permuted."""
    if not isinstance(factor, Label) or not factor.segments:
        return False
    return any(label.frozen is None for label in segment_labels((factor,)))


def _segmented_blocks(value: Value, names: dict[Label, str]) -> Blocks:
    """The `Blocks` of a leaf some of whose factors consist of segments.

    Its axes are split into their factors first, and these are cut into their segments: queries and
    keys of 5 in each of 2 heads are `Blocks([[width], [2], [5, 5]], ...)` of an array of shape
    (width, 20).
    """
    (block,) = value.blocks.values()
    axes: list[list[tuple[int, Name]]] = []
    for factors in block:
        if not any(map(_has_free_segments, resolve(factors))):
            axes.append([(size_of(factors), _name(factors, names))])
            continue
        for factor in resolve(factors):
            parts = segments_of(factor) if isinstance(factor, Label) else [factor]
            axes.append([(part.size, _name((part,), names)) for part in parts])
    cuts = [[size for size, _ in axis] for axis in axes]
    return Blocks(cuts, [Axes(*(name for _, name in part)) for part in product(*axes)])


def _name(factors: Factors, names: dict[Label, str]) -> Name:
    """What an axis lists, in the notation of `Axes`.

    None if nothing of it moves, the name of a group, or a tuple of names and of sizes that stay
    together, such as ("heads", 4).
    """
    parts: list[str | int] = []
    for factor in resolve(factors):
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


def frozen_axes(walked: WalkResult) -> dict[str, str]:
    """The reasons why axes never move, by leaf and axis: {"w1, axis 0": "an axis of the inputs"}.

    Axes on which some label is free are left out.
    """
    frozen: dict[str, str] = {}
    for leaf, value in walked.leaves.items():
        for axis in range(value.ndim):
            reasons = [
                label.frozen for factors in value.factors_at(axis) for label in labels_in(factors)
            ]
            if reasons and reasons[0] is not None and None not in reasons:
                frozen[f"{leaf}, axis {axis}"] = reasons[0]
    return frozen
