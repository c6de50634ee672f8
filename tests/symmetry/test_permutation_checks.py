"""Permutations: what is none is refused in one line, before anything moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS as ATTENTION_PARAMS, attention, random_params

from onebasin import Permutation, find_symmetry, mlp, permute
from onebasin.symmetry import Symmetry, random_permutation
from onebasin.symmetry.axes import Axes, Place, Sign

PARAMS = {"w1": np.arange(15.0).reshape(3, 5), "b1": np.arange(5.0), "w2": np.ones((5, 4))}
SIGN = Sign("hidden", (Place("w1", 1), Place("b1", 0), Place("w2", 0)))
SYMMETRY = Symmetry.of(
    {"w1": Axes(None, "hidden"), "b1": Axes("hidden"), "w2": Axes("hidden", "outputs")},
    PARAMS,
    signs=[SIGN],
)
ORDER = np.array([1, 0, 2, 3, 4])
NESTED = find_symmetry(attention, ATTENTION_PARAMS, INPUTS)


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize(
    ("units", "signs", "message"),
    [
        ({"hiden": ORDER}, {}, r"Got 'hiden'\. Did you mean 'hidden'\?$"),
        ({"output": np.arange(4)}, {}, r"Got 'output'\. Did you mean 'outputs'\?$"),
        (
            {},
            {"hidden 2": np.ones(5, int)},
            r"Signs of .*Got 'hidden 2'\. Did you mean 'hidden'",
        ),
        ({"units": ORDER}, {}, r"Groups of .*, \['hidden', 'outputs'\]\. Got 'units'\.$"),
        (
            {"hidden": ORDER[:4]},
            {},
            r"units\['hidden'\] must .* ends in \(5,\).*Got \(4,\)",
        ),
        ({}, {"hidden": np.ones(4, int)}, r"signs\['hidden'\] must .* ends in \(5,\).*Got \(4,\)"),
        ({"hidden": [0, 1, 2, 3, 5]}, {}, r"each of 0 to 4 once\. Got 5 at \[4\]"),
        ({"hidden": [0, -1, 2, 3, 4]}, {}, r"each of 0 to 4 once\. Got -1 at \[1\]"),
        ({"outputs": [0, 1, 2, 2]}, {}, r"of 0 to 3 once\. Got no 3, and another twice"),
        ({"hidden": [ORDER, ORDER * 0]}, {}, r"once\. Got no 1 at \[1\], and another twice"),
        ({"hidden": ORDER.astype(float)}, {}, r"array of indices\. Got float64 of shape \(5,\)"),
        ({"hidden": ORDER > 0}, {}, r"array of indices\. Got bool"),
        ({}, {"hidden": ORDER > 0}, r"array of signs\. Got bool"),
        ({"hidden": 0}, {}, r"array of indices\. Got int64 of shape \(\)"),
        ({}, {"hidden": [1, -1, 0, 1, 1]}, r"must hold 1 and -1\. Got 0 at \[2\]"),
        ({}, {"hidden": [1, -1, 1, np.nan, 1]}, r"hold 1 and -1\. Got nan at \[3\]"),
        (
            {"hidden": [ORDER, ORDER], "outputs": np.arange(4)},
            {},
            r"same batch axes\. Got .*'hidden'\]\": \(2,\), .*'outputs'\]\": \(\)\}",
        ),
        (
            {"hidden": ORDER},
            {"hidden": [1, -1]},
            r"ends in \(5\), the units of 'hidden'\. Got \(2,\)",
        ),
        ({"hidden": [ORDER, ORDER]}, {}, r"Params must lead with .*\(2,\)\. Got shape \(5,\)"),
    ],
)
def test_what_is_no_permutation_of_the_symmetry_moves_nothing(units, signs, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        permute(PARAMS, SYMMETRY, Permutation(units, signs))
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("unchecked")
def test_a_dict_is_no_permutation() -> None:
    with pytest.raises(
        TypeError, match=r"must be of type Permutation\. Got dict\. Try Permutation"
    ):
        permute(PARAMS, SYMMETRY, {"hidden": ORDER})


def test_draws_must_be_as_many_as_their_permutations() -> None:
    draws = {name: np.stack([leaf] * 3) for name, leaf in PARAMS.items()}
    with pytest.raises(
        ValueError, match=r"batch axes of the permutation, \(2,\)\. Got shape \(3, "
    ):
        permute(draws, SYMMETRY, Permutation({"hidden": [ORDER] * 2}))


def test_groups_that_are_left_out_stay_where_they_are() -> None:
    moved = permute(PARAMS, SYMMETRY, Permutation({"hidden": ORDER}))
    still = SYMMETRY.identity()
    whole = Permutation({**still.units, "hidden": ORDER}, still.signs)
    assert_same(moved, permute(PARAMS, SYMMETRY, whole))
    flipped = permute(PARAMS, SYMMETRY, Permutation({}, {"hidden": [-1, 1, 1, 1, 1]}))
    assert flipped["w2"][:, 0].tolist() == [-1, 1, 1, 1, 1]
    assert permute(PARAMS, SYMMETRY, Permutation({})) is PARAMS


def test_a_nested_group_may_move_alone_and_must_say_so_for_each_unit_it_is_nested_in() -> None:
    group = next(iter(NESTED.nested))
    around, units = NESTED.around(group), NESTED.sizes[group]
    params = random_params(0)
    swapped = np.broadcast_to(np.roll(np.arange(units), 1), (*around, units))
    moved = permute(params, NESTED, NESTED.permutation({group: swapped}))
    whole = NESTED.permutation({**NESTED.identity().units, group: swapped})
    assert_same(moved, permute(params, NESTED, whole))
    with pytest.raises(ValueError, match=rf"ends in \({around[0]}, {units}\)"):
        permute(params, NESTED, Permutation({group: swapped[0]}))
    with pytest.raises(ValueError, match=r"ends in \(any, \d\), the units of "):
        NESTED.permutation({group: swapped[0]})


def test_a_symmetry_without_signs_leaves_those_of_its_groups_aside() -> None:
    permutation = Permutation({"hidden": ORDER}, {"hidden": -np.ones(5, int)})
    unsigned = SYMMETRY.with_signs([])
    moved = permute(PARAMS, unsigned, Permutation({"hidden": ORDER}))
    assert_same(permute(PARAMS, unsigned, permutation), moved)
    with pytest.raises(ValueError, match="Got 'hiden'"):
        permute(PARAMS, unsigned, Permutation({}, {"hiden": -np.ones(5, int)}))


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
def test_any_integers_are_indices_and_jax_arrays_are_looked_at_too(kind) -> None:
    assert_same(
        permute(PARAMS, SYMMETRY, Permutation({"hidden": ORDER.astype(kind)})),
        permute(PARAMS, SYMMETRY, Permutation({"hidden": ORDER})),
    )
    with pytest.raises(ValueError, match="Got 7 at"):
        permute(PARAMS, SYMMETRY, Permutation({"hidden": jnp.array([0, 1, 2, 3, 7])}))


def test_what_is_traced_is_looked_at_by_shape_alone() -> None:
    params = jax.tree.map(jnp.asarray, PARAMS)
    traced = jax.jit(lambda order: permute(params, SYMMETRY, Permutation({"hidden": order})))
    assert_same(traced(ORDER), permute(PARAMS, SYMMETRY, Permutation({"hidden": ORDER})))
    with pytest.raises(ValueError, match=r"ends in \(5,\)"):
        traced(ORDER[:3])


def test_only_permutations_of_one_shape_are_composed() -> None:
    with pytest.raises(ValueError, match=r"Got shapes \(5,\) and \(4,\) of units\['hidden'\]"):
        Permutation({"hidden": np.arange(5)}) @ Permutation({"hidden": np.arange(4)})
    heads = Permutation({"dims": [[0, 1], [1, 0]]}, nested={"dims": ["heads"]})
    with pytest.raises(ValueError, match=r"nesting of a group must be the same .* for 'dims'"):
        heads @ Permutation({"dims": [[0, 1], [1, 0]]}, nested={"dims": ["blocks"]})
    one = Permutation({}, {"second": [1, -1]}, sign_groups={"second": "hidden"})
    with pytest.raises(ValueError, match=r"group of a sign must be the same .* for 'second'"):
        one @ Permutation({}, {"second": [1, -1]})


def test_composing_and_inverting_take_what_is_left_out_as_unmoved(key: jax.Array) -> None:
    p = random_permutation(SYMMETRY, key=key)
    assert_same(p @ Permutation({}), p)
    assert_same(Permutation({}) @ p, p)
    alone = [Permutation({group: entry}) for group, entry in p.units.items()]
    alone += [Permutation({}, {name: entry}) for name, entry in p.signs.items()]
    for part in alone:
        undone = permute(permute(PARAMS, SYMMETRY, part), SYMMETRY, part.inverse())
        assert_same(undone, PARAMS)
        for first, second in ((part, p), (p, part)):
            twice = permute(permute(PARAMS, SYMMETRY, first), SYMMETRY, second)
            assert_same(permute(PARAMS, SYMMETRY, second @ first), twice)


def test_looking_at_many_draws_finds_the_one_that_is_wrong(key: jax.Array) -> None:
    network = mlp(3, (512,), 2)
    units = random_permutation(network.symmetry, 4, 250, key=key).units
    units["hidden_0"][3, 17, 5] = units["hidden_0"][3, 17, 6]
    with pytest.raises(ValueError, match=r"Got no \d+ at \[3, 17\], and another twice"):
        Permutation(units)
