"""What is asked of every network that an adapter has turned into a function."""

from collections import Counter

import jax
import numpy as np

import onebasin as ob
from onebasin import _trees


def groups(symmetry):
    """How many units each group has and, sorted, those of the groups that it is nested in."""
    return Counter((n, tuple(sorted(symmetry.around(g)))) for g, n in symmetry.sizes.items())


def alone(*sizes):
    """Groups that are nested in nothing, as `groups` writes them."""
    return Counter((size, ()) for size in sizes)


def assert_proved(symmetry, apply, params, *inputs):
    """In float64, under random permutations, nothing changes."""
    verified = ob.verify(symmetry, jax.jit(apply), params, *inputs)
    assert verified.symmetry == symmetry
    assert set(symmetry.sizes) < set(verified.changes)
    assert max(verified.changes.values()) <= 1e-10


def unmoved(params, moved):
    """The names of arrays that a permutation has left as they were."""
    before, after = _trees.named_leaves(params), _trees.named_leaves(moved)
    return {name for name, leaf in before.items() if np.array_equal(leaf, after[name])}


def moved(before, after):
    """Whether a permutation has moved anything."""
    return len(unmoved(before, after)) < len(_trees.named_leaves(before))


def randomized(params, seed=0):
    """Random weights, and statistics that are no longer those that a network begins with."""
    rng = np.random.default_rng(seed)

    def value(path, leaf):
        normal = rng.standard_normal(np.shape(leaf)).astype(leaf.dtype)
        return np.abs(normal) + 0.5 if "var" in jax.tree_util.keystr(path) else normal

    return jax.tree_util.tree_map_with_path(value, params)
