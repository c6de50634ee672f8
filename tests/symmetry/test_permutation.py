"""Permutations: the group laws, what permuting does to arrays, and NoT."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, reject, strategies as st

from onebasin import _trees
from onebasin.symmetry import Permutation, Symmetry, permute, random_permutation
from onebasin.symmetry.axes import Axes, Place, Sign

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

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
    return jax.tree.map(lambda *entries: np.stack(entries), *permutations)


@given(one_permutation)
def test_permuting_indexes_every_axis_by_its_group(p: Permutation) -> None:
    assert_same(permute(PARAMS, SYMMETRY, p), oracles.permute_by_hand(SYMMETRY, p, PARAMS))


@given(one_permutation, one_permutation)
def test_permuting_by_a_composition_is_permuting_twice(p: Permutation, q: Permutation) -> None:
    once = permute(PARAMS, SYMMETRY, p @ q)
    assert_same(once, permute(permute(PARAMS, SYMMETRY, q), SYMMETRY, p))


@given(one_permutation, one_permutation, one_permutation)
def test_composition_is_associative(p: Permutation, q: Permutation, r: Permutation) -> None:
    assert_same((p @ (q @ r)), ((p @ q) @ r))


@given(one_permutation)
def test_the_identity_changes_nothing(p: Permutation) -> None:
    identity = SYMMETRY.identity()
    assert_same((p @ identity), p)
    assert_same((identity @ p), p)
    assert_same(permute(PARAMS, SYMMETRY, identity), PARAMS)


@given(one_permutation)
def test_an_inverse_undoes_from_either_side(p: Permutation) -> None:
    assert_same((p @ p.inverse()), SYMMETRY.identity())
    assert_same((p.inverse() @ p), SYMMETRY.identity())
    assert_same(permute(permute(PARAMS, SYMMETRY, p), SYMMETRY, p.inverse()), PARAMS)


@given(one_permutation, one_permutation)
def test_the_inverse_of_a_composition_is_composed_backward(p: Permutation, q: Permutation) -> None:
    assert_same((p @ q).inverse(), (q.inverse() @ p.inverse()))


@given(st.lists(one_permutation, min_size=6, max_size=6), st.sampled_from([(6,), (2, 3)]))
def test_a_batch_is_permuted_composed_and_inverted_like_each_of_it(rows, shape) -> None:
    batch = jax.tree.map(lambda entry: entry.reshape(*shape, -1), batch_of(*rows))
    params = jax.tree.map(
        lambda leaf: leaf + 100.0 * np.arange(6.0).reshape(*shape, *[1] * leaf.ndim), PARAMS
    )
    moved = permute(params, SYMMETRY, batch)
    for index, row in zip(np.ndindex(*shape), rows, strict=True):
        at = lambda tree: jax.tree.map(lambda leaf: leaf[index], tree)  # noqa: B023
        assert_same(at(moved), permute(at(params), SYMMETRY, row))
        assert_same(at(batch.inverse()), row.inverse())
        assert_same(at(batch @ batch.inverse()), SYMMETRY.identity())
        assert_same(at(batch.num_transpositions()), row.num_transpositions())


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(("xp", "kind"), [(np, np.ndarray), (jnp, jax.Array)])
@pytest.mark.parametrize("index_xp", [np, jnp])
def test_numpy_stays_numpy_and_jax_stays_jax(batch, xp, kind, index_xp, key) -> None:
    p = jax.tree.map(index_xp.asarray, random_permutation(SYMMETRY, *batch, key=key))
    params = jax.tree.map(
        lambda leaf: xp.asarray(np.broadcast_to(leaf, (*batch, *leaf.shape)), np.float32), PARAMS
    )
    moved = permute(params, SYMMETRY, p)
    assert all(
        isinstance(leaf, kind) and leaf.dtype == np.float32 for leaf in jax.tree.leaves(moved)
    )
    expected = permute(jax.tree.map(np.asarray, params), SYMMETRY, jax.tree.map(np.asarray, p))
    assert_same(moved, expected)


def test_permuting_can_be_compiled(key) -> None:
    p = random_permutation(SYMMETRY, key=key)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float32), PARAMS)
    assert_same(jax.jit(lambda x: permute(x, SYMMETRY, p))(params), permute(PARAMS, SYMMETRY, p))


def test_params_of_another_network_are_refused() -> None:
    still = Permutation({"units": np.arange(3)})
    with pytest.raises(ValueError, match="must have the units that the symmetry lists"):
        permute({"weights": np.zeros(4)}, strategies.one_group(3), still)


# ---- the number of transpositions


@pytest.mark.parametrize("n", [1, 2, 3, 8, 511, 512, 513])
def test_not_is_0_for_the_identity_and_n_minus_1_for_a_cycle_through_all_units(n: int) -> None:
    cycle = np.roll(np.arange(n), 1)
    found = Permutation({"identity": np.arange(n), "cycle": cycle}).num_transpositions()
    assert found == {"identity": 0, "cycle": n - 1}


@given(st.integers(2, 40), st.data())
def test_not_is_1_for_any_single_swap(n: int, data) -> None:
    first, second = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    swap = np.arange(n)
    swap[[first, second]] = second, first
    assert Permutation({"units": swap}).num_transpositions() == {"units": 1}


@given(st.integers(1, 60).flatmap(lambda n: st.permutations(range(n))))
def test_not_is_units_minus_connected_components(p: list[int]) -> None:
    expected = len(p) - oracles.count_cycles(np.array(p))
    assert Permutation({"units": np.array(p)}).num_transpositions() == {"units": expected}


@given(one_permutation, one_permutation)
def test_not_adds_over_groups_and_obeys_inverse_and_triangle(
    p: Permutation, q: Permutation
) -> None:
    total = lambda x: sum(int(count) for count in x.num_transpositions().values())
    assert total(p) == sum(total(Permutation({group: entry})) for group, entry in p.units.items())
    assert total(p.inverse()) == total(p)
    assert total(p @ q) <= total(p) + total(q)
    # A swap adds or takes away exactly one: the parity of a composition is the sum of parities.
    assert (total(p @ q) - total(p) - total(q)) % 2 == 0


# ---- names, nesting, serialization

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
ODD_NAMES = st.sampled_from(["h ±", "h ±2", "a/b", "a", "a.b", "signs/a", "units/a", "/", "h 2"])


some_names = st.lists(NAMES | ODD_NAMES, min_size=1, max_size=4, unique=True)


def named(names: list[str]) -> Symmetry:
    """Groups of any names, all but the second with a sign, the first with two."""
    axes = {str(number): Axes(name, None) for number, name in enumerate(names)}
    shapes = {str(number): np.zeros((2 + number, 2)) for number in range(len(names))}
    signs = [Sign(name, (Place(str(n), 0),)) for n, name in enumerate(names) if n != 1]
    try:
        return Symmetry.of(axes, shapes, signs=[*signs, *signs[:1]])
    except ValueError:  # one name looks like another misspelled
        return reject()


@given(some_names, strategies.seeds)
def test_groups_of_any_name_obey_the_group_laws(names: list[str], seed: int) -> None:
    symmetry = named(names)
    keys = jax.random.split(jax.random.key(seed), 3)
    p, q, r = (random_permutation(symmetry, 2, key=key) for key in keys)
    assert_same(p @ (q @ r), (p @ q) @ r)
    assert_same(p @ p.inverse(), symmetry.identity(2))
    assert_same((p @ q).inverse(), q.inverse() @ p.inverse())
    params = {
        name: np.arange(4.0 * symmetry.sizes[axes.names[0]]).reshape(2, -1, 2)
        for name, axes in symmetry.axes.items()
    }
    twice = permute(permute(params, symmetry, q), symmetry, p)
    assert_same(permute(params, symmetry, p @ q), twice)


@given(some_names, strategies.seeds)
def test_a_permutation_of_any_names_is_the_same_after_it_was_stored(names, seed: int) -> None:
    symmetry = named(names)
    permutation = random_permutation(symmetry, 2, 3, key=jax.random.key(seed))
    assert pickle.loads(pickle.dumps(permutation)) == permutation
    leaves = _trees.named_leaves(permutation)
    assert len(leaves) == len(symmetry.sizes) + len(symmetry.signs)
    below = lambda kind: {
        name.removeprefix(kind): leaf for name, leaf in leaves.items() if name.startswith(kind)
    }
    rebuilt = symmetry.permutation(below("units/"), below("signs/"))
    assert_same(rebuilt, permutation)
    assert rebuilt.sign_groups == permutation.sign_groups


def test_each_sign_has_a_name_of_its_own_also_if_a_group_is_called_so() -> None:
    axes = {"a": Axes("h", None), "b": Axes("h 2", None)}
    sign = Sign("h", (Place("a", 0),))
    symmetry = Symmetry.of(
        axes, {"a": np.zeros((3, 2)), "b": np.zeros((4, 2))},
        signs=[sign, sign, Sign("h 2", (Place("b", 0),))],
    )  # fmt: skip
    assert symmetry.sign_groups == {"h": "h", "h 3": "h", "h 2": "h 2"}


def test_a_permutation_is_indexed_by_its_batch_axes_and_by_nothing_else(key) -> None:
    batch = random_permutation(SYMMETRY, 4, 3, key=key)
    assert batch.batch == (4, 3)
    assert batch[1].batch == (3,)
    assert_same(batch[1, 2], batch[1][2])
    assert_same(batch[1:, 2].units, {group: p[1:, 2] for group, p in batch.units.items()})
    with pytest.raises(IndexError, match=r"batch axes, of shape \(4, 3\)\. Got \(0, 0, 0\)"):
        batch[0, 0, 0]
    with pytest.raises(IndexError, match=r"of shape \(\)\. Got 'a'\. Look a group up in \.units"):
        batch[0, 0]["a"]
