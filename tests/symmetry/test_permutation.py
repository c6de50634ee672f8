"""Permutations: the group laws, what permuting does to arrays, and NoT."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, strategies as st

from onebasin._types import Permutation
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.symmetry.permutation import compose, invert, num_transpositions, permute
from onebasin.symmetry.random_permutation import random_permutation

pytestmark = pytest.mark.usefixtures("strict_dtypes")

# Two groups, an array that lists one group twice, and one that no group touches.
AXES = {
    "in": Axes(None, "a"),
    "mid": Axes("a", None, "b"),
    "mix": Axes("b", "b"),
    "free": Axes(None),
}
PARAMS = {
    "in": np.arange(6.0).reshape(2, 3),
    "mid": np.arange(60.0).reshape(3, 4, 5),
    "mix": np.arange(25.0).reshape(5, 5),
    "free": np.arange(2.0),
}
# One group has two signs of its own, and they meet in one array.
SIGNS = [
    Sign("a", (Place("in", 1), Place("mid", 0))),
    Sign("b", (Place("mid", 2), Place("mix", 0))),
    Sign("b", (Place("mix", 1),)),
]
SYMMETRY = Symmetry.of(AXES, PARAMS, signs=SIGNS)
one_permutation = strategies.permutations(SYMMETRY)


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def batch_of(*permutations: Permutation) -> Permutation:
    return {group: np.stack([p[group] for p in permutations]) for group in permutations[0]}


@given(one_permutation)
def test_permuting_indexes_every_axis_by_its_group(p: Permutation) -> None:
    assert_same(permute(SYMMETRY, p, PARAMS), oracles.permute_by_hand(SYMMETRY, p, PARAMS))


@given(one_permutation, one_permutation)
def test_permuting_by_a_composition_is_permuting_twice(p: Permutation, q: Permutation) -> None:
    once = permute(SYMMETRY, compose(p, q), PARAMS)
    assert_same(once, permute(SYMMETRY, p, permute(SYMMETRY, q, PARAMS)))


@given(one_permutation, one_permutation, one_permutation)
def test_composition_is_associative(p: Permutation, q: Permutation, r: Permutation) -> None:
    assert_same(compose(p, compose(q, r)), compose(compose(p, q), r))


@given(one_permutation)
def test_the_identity_changes_nothing(p: Permutation) -> None:
    identity = SYMMETRY.identity()
    assert_same(compose(p, identity), p)
    assert_same(compose(identity, p), p)
    assert_same(permute(SYMMETRY, identity, PARAMS), PARAMS)


@given(one_permutation)
def test_an_inverse_undoes_from_either_side(p: Permutation) -> None:
    assert_same(compose(p, invert(p)), SYMMETRY.identity())
    assert_same(compose(invert(p), p), SYMMETRY.identity())
    assert_same(permute(SYMMETRY, invert(p), permute(SYMMETRY, p, PARAMS)), PARAMS)


@given(one_permutation, one_permutation)
def test_the_inverse_of_a_composition_is_composed_backward(p: Permutation, q: Permutation) -> None:
    assert_same(invert(compose(p, q)), compose(invert(q), invert(p)))


@given(st.lists(one_permutation, min_size=6, max_size=6), st.sampled_from([(6,), (2, 3)]))
def test_a_batch_is_permuted_composed_and_inverted_like_each_of_it(rows, shape) -> None:
    batch = {g: p.reshape(*shape, -1) for g, p in batch_of(*rows).items()}
    params = jax.tree.map(
        lambda leaf: leaf + 100.0 * np.arange(6.0).reshape(*shape, *[1] * leaf.ndim), PARAMS
    )
    moved = permute(SYMMETRY, batch, params)
    for index, row in zip(np.ndindex(*shape), rows, strict=True):
        at = lambda tree: jax.tree.map(lambda leaf: leaf[index], tree)  # noqa: B023
        assert_same(at(moved), permute(SYMMETRY, row, at(params)))
        assert_same(at(invert(batch)), invert(row))
        assert_same(at(compose(batch, invert(batch))), SYMMETRY.identity())
        assert_same(at(num_transpositions(batch)), num_transpositions(row))


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(("xp", "kind"), [(np, np.ndarray), (jnp, jax.Array)])
@pytest.mark.parametrize("index_xp", [np, jnp])
def test_numpy_stays_numpy_and_jax_stays_jax(batch, xp, kind, index_xp, key) -> None:
    p = jax.tree.map(index_xp.asarray, random_permutation(key, SYMMETRY, *batch))
    params = jax.tree.map(
        lambda leaf: xp.asarray(np.broadcast_to(leaf, (*batch, *leaf.shape)), np.float32), PARAMS
    )
    moved = permute(SYMMETRY, p, params)
    assert all(
        isinstance(leaf, kind) and leaf.dtype == np.float32 for leaf in jax.tree.leaves(moved)
    )
    expected = permute(SYMMETRY, jax.tree.map(np.asarray, p), jax.tree.map(np.asarray, params))
    assert_same(moved, expected)


def test_permuting_can_be_compiled(key) -> None:
    p = random_permutation(key, SYMMETRY)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float32), PARAMS)
    assert_same(jax.jit(lambda x: permute(SYMMETRY, p, x))(params), permute(SYMMETRY, p, PARAMS))


def test_params_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="must have the units that the symmetry lists"):
        permute(strategies.one_group(3), {"units": np.arange(3)}, {"weights": np.zeros(4)})


# ---- the number of transpositions


@pytest.mark.parametrize("n", [1, 2, 3, 8, 511, 512, 513])
def test_not_is_0_for_the_identity_and_n_minus_1_for_a_cycle_through_all_units(n: int) -> None:
    cycle = np.roll(np.arange(n), 1)
    found = num_transpositions({"identity": np.arange(n), "cycle": cycle})
    assert found == {"identity": 0, "cycle": n - 1}


@given(st.integers(2, 40), st.data())
def test_not_is_1_for_any_single_swap(n: int, data) -> None:
    first, second = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    swap = np.arange(n)
    swap[[first, second]] = second, first
    assert num_transpositions({"units": swap}) == {"units": 1}


@given(st.integers(1, 60).flatmap(lambda n: st.permutations(range(n))))
def test_not_is_units_minus_connected_components(p: list[int]) -> None:
    expected = len(p) - oracles.count_cycles(np.array(p))
    assert num_transpositions({"units": np.array(p)}) == {"units": expected}


@given(one_permutation, one_permutation)
def test_not_adds_over_groups_and_obeys_inverse_and_triangle(
    p: Permutation, q: Permutation
) -> None:
    total = lambda x: sum(int(count) for count in num_transpositions(x).values())
    assert total(p) == sum(total({group: p[group]}) for group in p)
    assert total(invert(p)) == total(p)
    assert total(compose(p, q)) <= total(p) + total(q)
    # A swap adds or takes away exactly one: the parity of a composition is the sum of parities.
    assert (total(compose(p, q)) - total(p) - total(q)) % 2 == 0
