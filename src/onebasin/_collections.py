"""Collections of params: weights, and the running statistics that follow from them.

Params of a network that keeps running statistics, as BatchNorm does, are a dict with the keys
"weights" and "statistics", at the top of the tree or below it. What is a statistic is known from
the structure alone, of any tree that is shaped like such params.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import DictKey

from onebasin import _trees
from onebasin._types import Params

WEIGHTS = "weights"
STATISTICS = "statistics"
COUNTER = "num_batches_tracked"


def collected(weights: Any, statistics: Any) -> Params:
    """Params of these two collections, or the weights themselves if there are no statistics."""
    if not jax.tree.leaves(statistics):
        return weights
    return {WEIGHTS: weights, STATISTICS: statistics}


def has_collections(node: Any) -> bool:
    """Whether a node of a tree holds weights and statistics."""
    return isinstance(node, dict) and WEIGHTS in node and STATISTICS in node


def statistics_in(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> frozenset[str]:
    """The paths of the leaves that are statistics."""
    collections = _collections(tree, is_leaf)
    return frozenset(
        _trees.path_name(path)
        for path, at in collections.items()
        if any(path[place] == DictKey(STATISTICS) for place in at)
    )


def own_names(tree: Any) -> dict[str, str]:
    """The paths of all leaves, each with the same path without the keys of its collections."""
    return {
        _trees.path_name(path): _trees.path_name(
            [entry for place, entry in enumerate(path) if place not in at]
        )
        for path, at in _collections(tree).items()
    }


def arranged(params: Params, like: Any) -> Params:
    """Params by their own names, as a state_dict has them, in the collections of another tree.

    PyTorch's counters of batches are left out. Params that are no such dict stay as they are.
    """
    leaves, paths = _trees.named_leaves(params), own_names(like)
    if leaves.keys() == paths.keys():
        return params
    counted = [name for name in leaves if name.endswith(COUNTER) and name not in paths]
    named = {name: leaf for name, leaf in leaves.items() if name not in counted}
    if named.keys() != set(paths.values()):
        return params
    return _trees.rebuild({path: named[name] for path, name in paths.items()}, like)


def _collections(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> dict[tuple[Any, ...], list[int]]:
    """The path of every leaf, and where on it are keys of collections."""
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)]
    above = [
        {path[:at] for path in paths for at, entry in enumerate(path) if entry == DictKey(key)}
        for key in (WEIGHTS, STATISTICS)
    ]
    nodes = set.intersection(*above)
    keys = DictKey(WEIGHTS), DictKey(STATISTICS)
    return {
        path: [at for at, entry in enumerate(path) if entry in keys and path[:at] in nodes]
        for path in paths
    }


def without_statistics(tree: Any) -> Any:
    """The tree without its statistics; weights keep their paths."""

    def alone(node: Any) -> Any:
        if not has_collections(node):
            return node
        rest = {name: part for name, part in node.items() if name != STATISTICS}
        return without_statistics(rest)

    return jax.tree.map(alone, tree, is_leaf=has_collections)


def with_statistics_of(params: Params, tree: Any) -> Any:
    """A tree of weights, with or without statistics of its own, with those that params hold."""
    held = statistics_in(params)
    if not held:
        return tree
    leaves = _trees.named_leaves(params)
    own = {name: leaf for name, leaf in _trees.named_leaves(tree).items() if name not in held}
    return _trees.rebuild({**own, **{name: leaves[name] for name in held}}, params)


def map_statistics(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with a function of each of its statistics in their place."""
    held = statistics_in(tree)
    if not held:
        return tree
    leaves = _trees.named_leaves(tree)
    new = {name: function(x) if name in held else x for name, x in leaves.items()}
    return _trees.rebuild(new, tree)
