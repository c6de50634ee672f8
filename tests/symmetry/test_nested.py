"""Nested groups and arrays that list several: laid out, permuted, composed, undone, counted."""

import math

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given
from nested_networks import DIMS, HEADS, INPUTS, PARAMS, attention, random_params

from onebasin import _trees
from onebasin.alignment import weight_matching
from onebasin.gaussians.unit_blocks import UnitBlocks
from onebasin.pruning.variance_shares import average_over_units
from onebasin.samples import Samples
from onebasin.symmetry import (
    Symmetry,
    balance,
    find_symmetry,
    permute,
    random_num_transpositions,
    random_permutation,
)
from onebasin.symmetry.axes import Axes, Blocks

FOUND = find_symmetry(attention, PARAMS, INPUTS)

PACKED = Blocks(
    [[5], [6, 6, 6]],
    [
        Axes("stream", ("heads", "qk")),
        Axes("stream", ("heads", "qk")),
        Axes("stream", ("heads", "v")),
    ],
)
DECLARED = Symmetry.of(
    {
        "embed": Axes(None, "stream"),
        "qkv": PACKED,
        "merge": Axes(("heads", "v"), "stream"),
        "gate": Blocks([[5], [4, 4]], [Axes("stream", "gate"), Axes("stream", "gate")]),
        "down": Axes("gate", "stream"),
        "out": Axes("stream", None),
    },
    PARAMS,
    sizes={"heads": HEADS},
    nested={"qk": ["heads"], "v": ["heads"]},
)


def assert_equal(one, other) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_sizes_that_shapes_leave_open_follow_from_those_that_are_given() -> None:
    assert DECLARED.sizes == {"gate": 4, "heads": HEADS, "qk": DIMS, "stream": 5, "v": DIMS}


def test_the_declared_symmetry_is_the_one_that_is_found() -> None:
    mine = {(n, DECLARED.around(g)) for g, n in DECLARED.sizes.items()}
    assert mine == {(n, FOUND.around(g)) for g, n in FOUND.sizes.items()}
    permutation = random_permutation(DECLARED, key=jax.random.key(0))
    params = random_params(1)
    with jax.enable_x64(True):
        before, after = (
            attention(params, INPUTS),
            attention(permute(params, DECLARED, permutation), INPUTS),
        )
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-10 * np.abs(before).max())


def test_a_nested_group_counts_once_for_each_unit_around_it() -> None:
    factorials = [math.factorial(4), 2, 6, 6, 6, 6, math.factorial(5)]
    expected = sum(map(math.log10, factorials))
    assert DECLARED.log10_num_equivalent() == pytest.approx(expected)


def test_every_axis_of_a_piece_lists_one_thing() -> None:
    pieces = _trees.named_leaves(DECLARED.unfold(random_params(0, 7), 1))
    assert pieces["qkv[0:5, 6:12]"].shape == (7, 5, HEADS, DIMS)
    assert DECLARED.leaves["qkv[0:5, 6:12]"] == Axes("stream", "heads", "qk")
    assert DECLARED.leaves["down"] == Axes("gate", "stream")


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_pieces_make_up_the_params_again(batch: tuple[int, ...]) -> None:
    params = random_params(2, *batch)
    assert_equal(DECLARED.fold(DECLARED.unfold(params, len(batch)), params, len(batch)), params)
    on_device = jax.tree.map(jax.numpy.asarray, params)
    again = DECLARED.fold(DECLARED.unfold(on_device, len(batch)), on_device, len(batch))
    assert_equal(again, on_device)


@given(strategies.seeds)
def test_doing_one_after_the_other_is_doing_their_composition(seed: int) -> None:
    keys = jax.random.split(jax.random.key(seed), 2)
    first, second = (random_permutation(DECLARED, 2, key=key) for key in keys)
    params = random_params(seed, 2)
    one_by_one = permute(permute(params, DECLARED, first), DECLARED, second)
    assert_equal(permute(params, DECLARED, second @ first), one_by_one)


@given(strategies.seeds)
def test_the_inverse_undoes_a_permutation(seed: int) -> None:
    permutation = random_permutation(DECLARED, 2, key=jax.random.key(seed))
    inverse = permutation.inverse()
    assert_equal((inverse @ permutation), DECLARED.identity(2))
    params = random_params(seed, 2)
    assert_equal(permute(permute(params, DECLARED, permutation), DECLARED, inverse), params)


def test_batches_are_permuted_one_by_one() -> None:
    permutation = random_permutation(DECLARED, 3, key=jax.random.key(4))
    params = random_params(5, 3)
    together = permute(params, DECLARED, permutation)
    for row in range(3):
        take = lambda tree, row=row: jax.tree.map(lambda leaf: leaf[row], tree)
        assert_equal(permute(take(params), DECLARED, take(permutation)), take(together))


def test_transpositions_are_counted_inside_of_each_outer_unit() -> None:
    wanted = {"qk": 1, "heads": 1}
    drawn = random_permutation(DECLARED, 4, key=jax.random.key(6), num_transpositions=wanted)
    counts = drawn.num_transpositions()
    np.testing.assert_array_equal(counts["qk"], np.ones((4, HEADS)))
    np.testing.assert_array_equal(counts["heads"], np.ones(4))
    np.testing.assert_array_equal(counts["v"], np.zeros((4, HEADS)))


def test_random_transpositions_add_up_over_nested_units() -> None:
    drawn = random_permutation(DECLARED, 4000, key=jax.random.key(7))
    totals = sum(
        np.asarray(n).reshape(4000, -1).sum(axis=1) for n in drawn.num_transpositions().values()
    )
    mean, std = random_num_transpositions(DECLARED)
    # A mean of 4,000 lies within 4 standard errors but for one time in 16,000.
    assert abs(totals.mean() - mean) < 4 * std / np.sqrt(4000)


def test_params_of_other_units_are_refused() -> None:
    params = random_params(0)
    params["merge"] = np.zeros((8, 5))
    with pytest.raises(ValueError, match="entries of merge"):
        DECLARED.check(params)


def test_blocks_that_do_not_end_with_their_array_are_refused() -> None:
    with pytest.raises(ValueError, match="must be cut where their array ends"):
        Symmetry.of({"w": Blocks([[2, 2]], [Axes("a"), Axes("b")])}, {"w": np.zeros(5)})


def test_sizes_that_stay_open_are_asked_for() -> None:
    with pytest.raises(ValueError, match="Give `sizes`"):
        Symmetry.of({"w": Axes(("a", "b"))}, {"w": np.zeros(6)})


def test_names_that_no_axes_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="must name what the Axes name"):
        Symmetry.of({"w": Axes("a")}, {"w": np.zeros(6)}, nested={"a": ["b"]})


def test_as_many_axes_as_blocks_are_asked_for() -> None:
    with pytest.raises(ValueError, match="one Axes for each of the 2 blocks"):
        Blocks([[2, 2]], [Axes("a")])


@pytest.mark.parametrize(
    "refuse",
    [
        lambda: balance(DECLARED, random_params(0)),
        lambda: UnitBlocks(Samples(random_params(0, 2, 3)), DECLARED).sample(
            1, key=jax.random.key(0)
        ),
        lambda: weight_matching(PARAMS).symmetry(DECLARED),
    ],
)
def test_what_needs_one_group_an_axis_says_so(refuse) -> None:
    with pytest.raises(ValueError, match="one group an axis, none of them nested"):
        refuse()


def test_averages_over_units_do_not_change_under_permutation() -> None:
    params = random_params(8)
    averaged = average_over_units(DECLARED, params)
    permutation = random_permutation(DECLARED, key=jax.random.key(9))
    moved = average_over_units(DECLARED, permute(params, DECLARED, permutation))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), moved, averaged)
    # Heads and their dimensions together: one mean for each input and block.
    assert len(np.unique(averaged["qkv"])) == 3
