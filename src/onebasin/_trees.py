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

from onebasin._stored_array import StoredArray
from onebasin.types import Array, Params

_MOST_NAMES = 5
"""How many missing and how many unexpected names a message lists."""


def _entry_name(entry: Any) -> str:
    """The name of one of JAX's keys: of a dict, a sequence, an attribute or a class of its own."""
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
    """The leaves of a tree by path, in JAX's leaf order.

    A path joins the keys of dicts, places in sequences and names of fields by slashes, as in
    `hidden_0/kernel`. The path of a tree that is a single leaf is empty. `is_leaf` says which nodes
    count as leaves, as in `jax.tree`.
    """
    paths = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)
    return {path_name(path): leaf for path, leaf in paths}


def path_name(path: Sequence[Any]) -> str:
    """The path of JAX's keys as text, like `hidden_0/kernel`."""
    return "/".join(map(_entry_name, path))


def nest(leaves: Mapping[str, Any]) -> Any:
    """Nested dicts from leaves by path: the inverse of `named_leaves` for nested dicts.

    Sequences and other nodes come back as dicts with their places or fields as keys.
    """
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
    """Nested dicts with the leaves of both. If both have a leaf, the second's is taken."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    shared = {key: merge(first[key], second[key]) for key in first.keys() & second.keys()}
    return {**first, **second, **shared}


def rebuild(leaves: Mapping[str, Any], like: Any = None) -> Any:
    """A tree shaped like `like` from leaves by path, or nested dicts if `like` is None.

    Raises:
        ValueError: If the paths are not those of `like`.
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


def difference(given: Iterable[str], wanted: Iterable[str]) -> str:
    """For a message: which names are missing and which are unexpected, a few of each.

    It reads "Missing: 'a'. Unexpected: 'b'." and is empty if the names are the same.
    """
    got, known = {*given}, {*wanted}
    both = {"Missing": sorted(known - got), "Unexpected": sorted(got - known)}
    parts = (
        f"{kind}: {', '.join(map(repr, names[:_MOST_NAMES]))}"
        + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
        for kind, names in both.items()
        if names
    )
    return "".join(f"{part}. " for part in parts).rstrip()


def stack(trees: Sequence[Any]) -> Any:
    """Trees of one structure stacked along a new leading axis, as arrays of NumPy."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *trees)


def concatenated(trees: Sequence[Any]) -> Any:
    """Trees of one structure joined along their leading axis, as arrays of NumPy."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)


def to_host(tree: Any) -> Any:
    """The same tree with arrays of NumPy as leaves."""
    return jax.tree.map(np.asarray, tree)


def loaded(tree: Any) -> Any:
    """The same tree with stored arrays read into memory; other leaves are as they were."""
    read = lambda leaf: np.asarray(leaf) if isinstance(leaf, StoredArray) else leaf
    return jax.tree.map(read, tree)


def size(tree: Any) -> int:
    """The number of entries of all arrays in a tree together."""
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(tree))


def ravel_batch(tree: Params, num_batch_axes: int = 1) -> Shaped[np.ndarray, "*batch weights"]:
    """All leaves as rows, joined in leaf order, with their batch axes in front.

    Every leaf must lead with the same `num_batch_axes` axes. Its other axes are flattened.
    """
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    flat = [
        leaf.reshape(*leaf.shape[:num_batch_axes], math.prod(leaf.shape[num_batch_axes:]))
        for leaf in leaves
    ]
    return np.concatenate(flat, axis=-1)


def unravel_batch(flat: Shaped[Array, "*batch weights"], like: Params) -> Params:
    """The inverse of `ravel_batch`: a tree like `like`, with the batch axes of `flat` in front.

    The last axis of `flat` lists the entries of all leaves of `like`, in leaf order. Leaves keep
    the dtype of `flat`.
    """
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([int(np.size(leaf)) for leaf in leaves])
    parts = np.split(np.asarray(flat), ends[:-1], axis=-1)
    shaped = [
        part.reshape((*part.shape[:-1], *np.shape(leaf)))
        for part, leaf in zip(parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, shaped)
