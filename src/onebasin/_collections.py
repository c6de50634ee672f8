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
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)]
    entries = [(path[:at], path[at]) for path in paths for at in range(len(path))]
    nodes = {above for above, entry in entries if entry == DictKey(WEIGHTS)}
    is_statistic = [
        any(path[at] == DictKey(STATISTICS) and path[:at] in nodes for at in range(len(path)))
        for path in paths
    ]
    names = _trees.named_leaves(tree, is_leaf)
    return frozenset(name for name, is_one in zip(names, is_statistic, strict=True) if is_one)


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
