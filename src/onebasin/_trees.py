"""Pytree mathematics: names of leaves, stacking, flattening to vectors.

Nothing here knows of networks, symmetries or samples.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey
from jaxtyping import Shaped

from onebasin._types import Array, Params

_MOST_NAMES = 5
"""How many of a kind an error tells."""


def _entry_name(entry: Any) -> str:
    match entry:
        case DictKey(key=key) | FlattenedIndexKey(key=key):
            return str(key)
        case SequenceKey(idx=index):
            return str(index)
        case GetAttrKey(name=name):
            return name
        case _:
            return str(entry)


def named_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> dict[str, Any]:
    """The leaves of a tree by path, like `hidden_0/kernel`, in JAX's leaf order."""
    paths = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)
    return {path_name(path): leaf for path, leaf in paths}


def path_name(path: Sequence[Any]) -> str:
    """The name of a path of JAX's keys, like `hidden_0/kernel`."""
    return "/".join(map(_entry_name, path))


def nest(leaves: Mapping[str, Any]) -> Any:
    """Nested dicts from leaves by path: the inverse of `named_leaves` for dicts of dicts."""
    if set(leaves) == {""}:
        return leaves[""]  # the whole tree is one leaf
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def merge(first: Any, second: Any) -> Any:
    """Nested dicts with the leaves of both; where both have one, that of the second."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    shared = {key: merge(first[key], second[key]) for key in first.keys() & second.keys()}
    return {**first, **second, **shared}


def rebuild(leaves: Mapping[str, Any], like: Any = None) -> Any:
    """A tree shaped like `like` from leaves by path; nested dicts where `like` is None.

    Raises: ValueError where the paths are not those of `like`.
    """
    if like is None:
        return nest(leaves)
    names = list(named_leaves(like))
    if set(names) != set(leaves):
        raise ValueError(
            f"The leaves must be those of the given tree. {difference(leaves, names)} "
            "Were they saved for another network?"
        )
    return jax.tree.unflatten(jax.tree.structure(like), [leaves[name] for name in names])


def difference(found: Iterable[str], wanted: Iterable[str]) -> str:
    """Which names are missing and which are not wanted, a few of each."""
    given, known = list(found), list(wanted)
    both = {"Missing": sorted({*known} - {*given}), "Unexpected": sorted({*given} - {*known})}
    parts = (
        f"{what}: {', '.join(map(repr, names[:_MOST_NAMES]))}"
        + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
        for what, names in both.items()
        if names
    )
    return "".join(f"{part}. " for part in parts).rstrip()


def stack(trees: Sequence[Any]) -> Any:
    """Trees of one structure stacked along a new leading axis, on the host."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *trees)


def to_host(tree: Any) -> Any:
    """The same tree with NumPy arrays as leaves."""
    return jax.tree.map(np.asarray, tree)


def size(tree: Any) -> int:
    """The number of array entries in a tree."""
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(tree))


def ravel_batch(tree: Params, num_batch_axes: int = 1) -> Shaped[np.ndarray, "*batch weights"]:
    """All leaves flattened behind their leading batch axes and joined, in leaf order."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    flat = [
        leaf.reshape(*leaf.shape[:num_batch_axes], math.prod(leaf.shape[num_batch_axes:]))
        for leaf in leaves
    ]
    return np.concatenate(flat, axis=-1)


def unravel_batch(flat: Shaped[Array, "*batch weights"], like: Params) -> Params:
    """The inverse of `ravel_batch`: leaves get the batch axes of `flat` before `like`'s shapes."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([int(np.size(leaf)) for leaf in leaves])
    parts = np.split(np.asarray(flat), ends[:-1], axis=-1)
    shaped = [
        part.reshape((*part.shape[:-1], *np.shape(leaf)))
        for part, leaf in zip(parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, shaped)
