"""Pytree mathematics: names, stacking, flattening."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from onebasin import _trees

names = st.text("abc_0", min_size=1, max_size=4)
arrays = st.lists(st.integers(0, 3), max_size=3).map(
    lambda shape: np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
)
nested_dicts = st.dictionaries(
    names, arrays | st.dictionaries(names, arrays, min_size=1), min_size=1
)


class Layer(eqx.Module):
    kernel: jax.Array
    bias: jax.Array


def test_leaves_are_named_by_their_path_through_dicts_lists_and_modules() -> None:
    tree = {"layers": [Layer(jnp.ones((2, 3)), jnp.ones(3)), (jnp.zeros(1),)]}
    assert list(_trees.named_leaves(tree)) == [
        "layers/0/kernel",
        "layers/0/bias",
        "layers/1/0",
    ]


@given(nested_dicts)
def test_nesting_named_leaves_gives_the_nested_dicts_back(tree: dict) -> None:
    again = _trees.nest(_trees.named_leaves(tree))
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, again, tree)


def test_a_bare_array_survives_naming_and_nesting() -> None:
    assert _trees.nest(_trees.named_leaves(np.ones(3))).tolist() == [1, 1, 1]


def test_rebuilding_puts_leaves_back_into_modules_and_lists_of_more_than_ten() -> None:
    tree = {"net": [np.full(2, i) for i in range(12)], "head": Layer(np.ones(1), np.zeros(1))}
    leaves = dict(reversed(_trees.named_leaves(tree).items()))
    again = _trees.rebuild(leaves, like=tree)
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, again, tree)


@pytest.mark.parametrize("leaves", [{"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_rebuilding_refuses_leaves_that_are_not_those_of_the_tree(leaves: dict) -> None:
    with pytest.raises(ValueError, match="must be those of .*(Missing: 'b'|Unexpected: 'c')"):
        _trees.rebuild(leaves, like={"a": 0, "b": 0})


def test_stacking_adds_a_leading_axis_on_the_host() -> None:
    stacked = _trees.stack([{"w": jnp.full(2, i)} for i in range(3)])
    assert isinstance(stacked["w"], np.ndarray)
    assert stacked["w"].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_moving_to_the_host_turns_every_leaf_into_numpy() -> None:
    moved = _trees.to_host({"w": jnp.ones(2), "b": np.ones(2)})
    assert {type(leaf) for leaf in jax.tree.leaves(moved)} == {np.ndarray}


@given(nested_dicts)
def test_the_size_counts_every_entry(tree: dict) -> None:
    assert _trees.size(tree) == sum(leaf.size for leaf in jax.tree.leaves(tree))


@given(nested_dicts, st.lists(st.integers(1, 3), max_size=2))
def test_unraveling_undoes_raveling_behind_any_batch_axes(tree: dict, batch: list[int]) -> None:
    repeated = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (*batch, *leaf.shape)), tree)
    flat = _trees.ravel_batch(repeated, len(batch))
    assert flat.shape == (*batch, _trees.size(tree))
    again = _trees.unravel_batch(flat, like=tree)
    jax.tree.map(np.testing.assert_array_equal, again, repeated)


def test_raveling_joins_leaves_in_the_order_of_their_names() -> None:
    tree = {"b": np.array([[1.0, 2.0]]), "a": np.array([[[3.0], [4.0]]])}
    assert list(_trees.named_leaves(tree)) == ["a", "b"]
    assert _trees.ravel_batch(tree).tolist() == [[3, 4, 1, 2]]
