"""Permutations: what is none is refused in one line, before anything moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nested_networks import INPUTS, PARAMS as ATTENTION_PARAMS, attention, random_params

from onebasin import compose, find_symmetry, invert, mlp, num_transpositions, permute
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.symmetry.permutation_checks import check_entries
from onebasin.symmetry.random_permutation import random_permutation

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
    ("permutation", "message"),
    [
        ({"hiden": ORDER}, r"Got 'hiden', known are .*\. Did you mean 'hidden'\?$"),
        ({"output": np.arange(4)}, r"Got 'output', .*\. Did you mean 'outputs'\?$"),
        ({"hidden ±2": np.ones(5, int)}, r"Got 'hidden ±2', .* Did you mean 'hidden ±'\?$"),
        ({"units": ORDER}, r"Got 'units', known are \['hidden', 'outputs', 'hidden ±'\]\.$"),
        ({"hidden": ORDER[:4]}, r"'hidden'\] must have a shape that ends in \(5,\).*Got \(4,\)"),
        ({"hidden ±": np.ones(4, int)}, r"ends in \(5,\).*Got \(4,\)"),
        ({"hidden": np.array([0, 1, 2, 3, 5])}, r"each of 0 to 4 once\. Got 5 at \[4\]"),
        ({"hidden": np.array([0, -1, 2, 3, 4])}, r"each of 0 to 4 once\. Got -1 at \[1\]"),
        ({"outputs": np.array([0, 1, 2, 2])}, r"of 0 to 3 once\. Got no 3, and another twice"),
        ({"hidden": np.stack([ORDER, ORDER * 0])}, r"once\. Got no 1 at \[1\], and another twice"),
        ({"hidden": ORDER.astype(float)}, r"array of indices\. Got float64 of shape \(5,\)"),
        ({"hidden": ORDER > 0}, r"array of indices\. Got bool"),
        ({"hidden ±": ORDER > 0}, r"array of signs\. Got bool"),
        ({"hidden": np.asarray(0)}, r"array of indices\. Got int64 of shape \(\)"),
        ({"hidden ±": np.array([1, -1, 0, 1, 1])}, r"must hold 1 and -1\. Got 0 at \[2\]"),
        ({"hidden ±": np.array([1, -1, 1, np.nan, 1])}, r"hold 1 and -1\. Got nan at \[3\]"),
        (
            {"hidden": np.stack([ORDER, ORDER]), "outputs": np.arange(4)},
            r"same batch axes\. Got \{'hidden': \(2,\), 'outputs': \(\)\}",
        ),
        (
            {"hidden": np.stack([ORDER, ORDER])},
            r"Params must lead with .*\(2,\)\. Got shape \(5,\)",
        ),
    ],
)
def test_what_is_no_permutation_of_the_symmetry_moves_nothing(permutation, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        permute(SYMMETRY, permutation, PARAMS)
    assert "\n" not in str(refused.value)


def test_draws_must_be_as_many_as_their_permutations() -> None:
    draws = {name: np.stack([leaf] * 3) for name, leaf in PARAMS.items()}
    with pytest.raises(
        ValueError, match=r"batch axes of the permutation, \(2,\)\. Got shape \(3, "
    ):
        permute(SYMMETRY, {"hidden": np.stack([ORDER] * 2)}, draws)


def test_groups_that_are_left_out_stay_where_they_are() -> None:
    moved = permute(SYMMETRY, {"hidden": ORDER}, PARAMS)
    whole = permute(SYMMETRY, {**SYMMETRY.identity(), "hidden": ORDER}, PARAMS)
    assert_same(moved, whole)
    flipped = permute(SYMMETRY, {"hidden ±": np.array([-1, 1, 1, 1, 1])}, PARAMS)
    assert flipped["w2"][:, 0].tolist() == [-1, 1, 1, 1, 1]
    assert permute(SYMMETRY, {}, PARAMS) is PARAMS


def test_a_nested_group_may_move_alone_and_must_say_so_for_each_unit_it_is_nested_in() -> None:
    group = next(iter(NESTED.nested))
    around, units = NESTED.around(group), NESTED.sizes[group]
    params = random_params(0)
    swapped = np.broadcast_to(np.roll(np.arange(units), 1), (*around, units))
    moved = permute(NESTED, {group: swapped}, params)
    whole = permute(NESTED, {**NESTED.identity(), group: swapped}, params)
    assert_same(moved, whole)
    with pytest.raises(ValueError, match=rf"ends in \({around[0]}, {units}\)"):
        permute(NESTED, {group: swapped[0]}, params)


def test_a_symmetry_without_signs_leaves_those_of_its_groups_aside() -> None:
    permutation = {"hidden": ORDER, "hidden ±": -np.ones(5, int)}
    unsigned = SYMMETRY.with_signs([])
    assert_same(
        permute(unsigned, permutation, PARAMS), permute(unsigned, {"hidden": ORDER}, PARAMS)
    )
    with pytest.raises(ValueError, match="Did you mean 'hidden'"):
        permute(unsigned, {"hiden ±": -np.ones(5, int)}, PARAMS)


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64])
def test_any_integers_are_indices_and_jax_arrays_are_looked_at_too(kind) -> None:
    assert_same(
        permute(SYMMETRY, {"hidden": ORDER.astype(kind)}, PARAMS),
        permute(SYMMETRY, {"hidden": ORDER}, PARAMS),
    )
    with pytest.raises(ValueError, match="Got 7 at"):
        permute(SYMMETRY, {"hidden": jnp.array([0, 1, 2, 3, 7])}, PARAMS)


def test_what_is_traced_is_looked_at_by_shape_alone() -> None:
    params = jax.tree.map(jnp.asarray, PARAMS)
    traced = jax.jit(lambda order: permute(SYMMETRY, {"hidden": order}, params))
    assert_same(traced(ORDER), permute(SYMMETRY, {"hidden": ORDER}, PARAMS))
    with pytest.raises(ValueError, match=r"ends in \(5,\)"):
        traced(ORDER[:3])


@pytest.mark.parametrize("entry", [np.zeros(5, int), np.arange(1, 6), np.arange(5.0)])
@pytest.mark.parametrize(
    "function", [num_transpositions, invert, lambda p: compose(p, {}), lambda p: compose({}, p)]
)
def test_counting_inverting_and_composing_refuse_what_is_no_permutation(function, entry) -> None:
    with pytest.raises(ValueError, match=r"permutation\['hidden'\] must"):
        function({"hidden": entry})


def test_only_permutations_of_one_shape_are_composed() -> None:
    with pytest.raises(ValueError, match=r"Got shapes \(5,\) and \(4,\) of 'hidden'"):
        compose({"hidden": np.arange(5)}, {"hidden": np.arange(4)})


def test_composing_and_inverting_take_what_is_left_out_as_unmoved(key: jax.Array) -> None:
    p = random_permutation(key, SYMMETRY)
    assert_same(compose(p, {}), p)
    assert_same(compose({}, p), p)
    for name in p:
        alone = {name: p[name]}
        assert_same(permute(SYMMETRY, invert(alone), permute(SYMMETRY, alone, PARAMS)), PARAMS)
        for first, second in ((alone, p), (p, alone)):
            twice = permute(SYMMETRY, second, permute(SYMMETRY, first, PARAMS))
            assert_same(permute(SYMMETRY, compose(second, first), PARAMS), twice)


def test_looking_at_many_draws_finds_the_one_that_is_wrong(key: jax.Array) -> None:
    network = mlp(3, (512,), 2)
    permutation = dict(random_permutation(key, network.symmetry, 4, 250))
    check_entries(permutation)
    permutation["hidden_0"][3, 17, 5] = permutation["hidden_0"][3, 17, 6]
    with pytest.raises(ValueError, match=r"Got no \d+ at \[3, 17\], and another twice"):
        check_entries(permutation)
