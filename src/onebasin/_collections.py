"""Collections of params: weights, the likelihood's own params, and running statistics.

Params that are more than weights are a dict with the key "weights" and some of three others, at the
top of the tree or below it: "statistics", which follow from weights and data, as those of BatchNorm
do, "likelihood", such as the noise of a regression, and "prior", such as the scales of a horseshoe.
The structure alone says which leaf is in which collection. So these functions work for any tree
that is shaped like params: a mean, a std, or the axes of a symmetry.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.tree_util import DictKey

from onebasin import _trees
from onebasin.types import Params

WEIGHTS = "weights"
STATISTICS = "statistics"
LIKELIHOOD = "likelihood"
PRIOR = "prior"
_BESIDE = (LIKELIHOOD, PRIOR)
"""The collections that a posterior adds to the params of its network."""
COUNTER = "num_batches_tracked"
"""How the names of PyTorch's counters of batches end, which are neither."""


def collected(weights: Any, statistics: Any) -> Params:
    """Params of these two collections, or the weights alone if there are no statistics."""
    if not jax.tree.leaves(statistics):
        return weights
    return {WEIGHTS: weights, STATISTICS: statistics}


def with_collections(params: Params, added: Mapping[str, Any]) -> Params:
    """Params of a network beside the collections that a posterior adds to them, if any."""
    if not added:
        return params
    network = params if has_statistics(params) else {WEIGHTS: params}
    return {**network, **added}


def of_network(params: Params) -> Params:
    """The params of the network alone: `with_collections` undone."""
    network = {name: part for name, part in params.items() if name not in _BESIDE}
    return network if has_statistics(network) else network[WEIGHTS]


def has_statistics(node: Any) -> bool:
    """Whether a node of a tree is a dict of collections, with statistics among them."""
    return isinstance(node, dict) and WEIGHTS in node and STATISTICS in node


def has_collections(node: Any) -> bool:
    """Whether a node of a tree is a dict of collections."""
    return (
        isinstance(node, dict)
        and WEIGHTS in node
        and any(name in node for name in (STATISTICS, *_BESIDE))
    )


def statistics_in(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> frozenset[str]:
    """The paths of the leaves that are statistics; `is_leaf` is as in `jax.tree`."""
    return _leaves_in((STATISTICS,), tree, is_leaf)


def others_in(tree: Any) -> frozenset[str]:
    """The paths of the leaves that are no weights."""
    return _leaves_in((STATISTICS, *_BESIDE), tree)


def _leaves_in(
    names: tuple[str, ...], tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> frozenset[str]:
    keys = [DictKey(name) for name in names]
    return frozenset(
        _trees.path_name(path)
        for path, at in _collections(tree, is_leaf).items()
        if any(path[place] in keys for place in at)
    )


def own_names(tree: Any) -> dict[str, str]:
    """For the path of each leaf, the same path without the keys of collections.

    For instance, `weights/conv/kernel` is named `conv/kernel`.
    """
    return {
        _trees.path_name(path): _trees.path_name(
            [entry for place, entry in enumerate(path) if place not in at]
        )
        for path, at in _collections(tree).items()
    }


def arranged(params: Params, like: Any) -> Params:
    """Params that are named as in a state_dict, without collections, in the collections of `like`.

    PyTorch's counters of batches are left out. If the names are not those of `like`, params are
    returned as they are.
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
    """For the path of every leaf, the places on it at which keys of collections are.

    The names of collections are such keys only if a dict has "weights" and another of them.
    """
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_leaf)]
    keys = [DictKey(name) for name in (WEIGHTS, STATISTICS, *_BESIDE)]
    weights, *others = (
        {path[:at] for path in paths for at, entry in enumerate(path) if entry == key}
        for key in keys
    )
    nodes = weights & set().union(*others)
    return {
        path: [at for at, entry in enumerate(path) if entry in keys and path[:at] in nodes]
        for path in paths
    }


def without_statistics(tree: Any) -> Any:
    """The tree without its statistics. Weights keep their paths, `weights/...`."""

    def rest_of(node: Any) -> Any:
        if not has_statistics(node):
            return node
        rest = {name: part for name, part in node.items() if name != STATISTICS}
        return without_statistics(rest)

    return jax.tree.map(rest_of, tree, is_leaf=has_statistics)


def weights_alone(tree: Any) -> Any:
    """The tree without its other collections. Weights keep their paths, `weights/...`."""

    def weights_of(node: Any) -> Any:
        return {WEIGHTS: weights_alone(node[WEIGHTS])} if has_collections(node) else node

    return jax.tree.map(weights_of, tree, is_leaf=has_collections)


def with_statistics_of(params: Params, tree: Any) -> Any:
    """The weights of `tree` with the statistics of `params`; statistics of `tree` are dropped."""
    return _with_leaves_of(params, tree, statistics_in(params))


def with_others_of(params: Params, weights: Any) -> Any:
    """Weights, as `weights_alone` gives them, beside the other collections of `params`."""
    return _with_leaves_of(params, weights, others_in(params))


def _with_leaves_of(params: Params, tree: Any, names: frozenset[str]) -> Any:
    if not names:
        return tree
    leaves = _trees.named_leaves(params)
    kept = {name: leaf for name, leaf in _trees.named_leaves(tree).items() if name not in names}
    return _trees.rebuild({**kept, **{name: leaves[name] for name in names}}, params)


def map_statistics(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` applied to each of its statistics. Weights do not change."""
    return _map_leaves(function, tree, statistics_in(tree))


def map_others(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` applied to every leaf that is no weight."""
    return _map_leaves(function, tree, others_in(tree))


def _map_leaves(function: Callable[[Any], Any], tree: Any, names: frozenset[str]) -> Any:
    if not names:
        return tree
    leaves = _trees.named_leaves(tree)
    return _trees.rebuild({n: function(x) if n in names else x for n, x in leaves.items()}, tree)
