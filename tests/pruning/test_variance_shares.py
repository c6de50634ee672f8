"""What no permutation moves: averages over units, and shares of a variance."""

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given

from onebasin.pruning.variance_shares import average_over_units, variance_shares
from onebasin.symmetry import Permutation, Symmetry, permute, random_permutation
from onebasin.symmetry.axes import Axes

AXES = {"bias": Axes("h"), "kernel": Axes(None, "h"), "out": Axes("h", None), "shift": Axes(None)}
NUM_INPUTS, NUM_UNITS, NUM_OUTPUTS = 3, 5, 2


def make_tree(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "bias": rng.normal(size=NUM_UNITS),
        "kernel": rng.normal(size=(NUM_INPUTS, NUM_UNITS)),
        "out": rng.normal(size=(NUM_UNITS, NUM_OUTPUTS)),
        "shift": rng.normal(size=NUM_OUTPUTS),
    }


SYMMETRY = Symmetry.of(AXES, make_tree(0))


@given(strategies.seeds)
def test_an_average_over_units_is_the_same_after_any_permutation(seed: int) -> None:
    tree = make_tree(seed)
    moved = permute(tree, SYMMETRY, random_permutation(SYMMETRY, key=jax.random.key(seed)))
    first, second = (average_over_units(SYMMETRY, t) for t in (tree, moved))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), first, second)


@given(strategies.seeds)
def test_an_average_is_what_random_permutations_average_to(seed: int) -> None:
    tree = make_tree(seed)
    turns = [Permutation({"h": np.roll(np.arange(NUM_UNITS), turn)}) for turn in range(NUM_UNITS)]
    moved = [permute(tree, SYMMETRY, turn) for turn in turns]
    expected = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *moved)
    found = average_over_units(SYMMETRY, tree)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), found, expected)


@given(strategies.seeds)
def test_shares_of_the_variance_add_up_to_one(seed: int) -> None:
    assert sum(variance_shares(SYMMETRY, make_tree(seed)).values()) == pytest.approx(1)


@given(strategies.seeds)
def test_shares_are_the_same_after_any_permutation(seed: int) -> None:
    tree = make_tree(seed)
    moved = permute(tree, SYMMETRY, random_permutation(SYMMETRY, key=jax.random.key(seed)))
    assert variance_shares(SYMMETRY, moved) == pytest.approx(variance_shares(SYMMETRY, tree))


def test_a_quantity_of_inputs_and_outputs_alone_leaves_nothing_to_units() -> None:
    shares = variance_shares(SYMMETRY, average_over_units(SYMMETRY, make_tree(0)))
    assert shares["units"] == pytest.approx(0, abs=1e-12)
    assert shares["inputs and outputs"] > 0.1


def test_a_quantity_of_arrays_alone_is_all_theirs() -> None:
    tree = {
        name: np.full_like(leaf, number) for number, (name, leaf) in enumerate(make_tree(0).items())
    }
    assert variance_shares(SYMMETRY, tree)["arrays"] == pytest.approx(1)


def test_a_quantity_that_does_not_vary_has_no_shares() -> None:
    constant = jax.tree.map(np.ones_like, make_tree(0))
    assert set(variance_shares(SYMMETRY, constant).values()) == {0.0}


def test_a_tree_of_another_network_is_refused() -> None:
    tree = make_tree(0) | {"bias": np.ones(NUM_UNITS + 1)}
    with pytest.raises(ValueError, match="All axes of a group must have one length"):
        average_over_units(SYMMETRY, tree)
