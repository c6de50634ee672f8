"""Coordinate descent: never worse than its start, exact for one group, locally optimal for more."""

import jax
import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings, strategies as st

from onebasin import _trees
from onebasin.alignment import align, to, weight_matching
from onebasin.alignment.descent import match
from onebasin.alignment.goal import Goal
from onebasin.alignment.similarity import Draws
from onebasin.networks import mlp
from onebasin.symmetry import Permutation, Symmetry
from onebasin.symmetry.axes import Axes

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

NUM_DRAWS = 6
RECURRENT = {"in": Axes(None, "h"), "mix": Axes("h", "h"), "gate": Axes("h", None, "h")}


def layers_problem(seed: int, depth: int, units: int = 4):
    """The symmetry of a network, a target and draws that share nothing with it, in float64."""
    network = mlp(2, (units,) * depth, 2)
    draws = strategies.random_samples(network, seed, 1, NUM_DRAWS + 1, np.float64).flatten()
    target = jax.tree.map(lambda leaf: leaf[0], draws)
    start = random_start(np.random.default_rng(seed), network.symmetry)
    return network.symmetry, target, jax.tree.map(lambda leaf: leaf[1:], draws), start


def recurrent_problem(seed: int, units: int = 4):
    """A group that one array lists on two axes: matching is quadratic even for one group."""
    rng = np.random.default_rng(seed)
    shapes = {"in": (2, units), "mix": (units, units), "gate": (units, 2, units)}
    target = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    draws = {name: rng.standard_normal((NUM_DRAWS, *shape)) for name, shape in shapes.items()}
    symmetry = Symmetry.of(RECURRENT, target)
    return symmetry, target, draws, random_start(rng, symmetry)


def random_start(rng: np.random.Generator, symmetry: Symmetry):
    units = symmetry.identity(NUM_DRAWS).units
    return symmetry.permutation({g: rng.permuted(p, axis=-1) for g, p in units.items()})


def value(symmetry, target, draws, permutation) -> np.ndarray:
    named = _trees.named_leaves
    goal = Goal(symmetry, named(target))
    return Draws(goal, named(draws)).objective(permutation)


PROBLEMS = {
    "one layer": lambda seed: layers_problem(seed, 1),
    "two layers": lambda seed: layers_problem(seed, 2),
    "four layers": lambda seed: layers_problem(seed, 4),
    "recurrent": recurrent_problem,
}
problems = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


@problems
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_the_objective_is_the_inner_product_with_the_permuted_features(problem, seed) -> None:
    symmetry, target, draws, start = problem(seed)
    found = value(symmetry, target, draws, start)
    for row in range(NUM_DRAWS):
        draw = _trees.rebuild({n: x[row] for n, x in _trees.named_leaves(draws).items()}, target)
        permuted = oracles.permute_by_hand(symmetry, start[row], draw)
        assert found[row] == pytest.approx(oracles.inner_product(target, permuted), abs=1e-12)


@problems
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_the_objective_never_decreases_from_its_start_over_sweeps(problem, seed) -> None:
    symmetry, target, draws, start = problem(seed)
    values = [value(symmetry, target, draws, start)]
    for num_sweeps in (1, 2, 3):
        found = match(Draws(Goal(symmetry, target), draws), start, max_sweeps=num_sweeps)
        values.append(value(symmetry, target, draws, found.permutation))
    assert (np.diff(values, axis=0) >= 0).all()


@problems
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_what_converged_stays_and_what_moved_in_the_last_sweep_did_not(problem, seed) -> None:
    symmetry, target, draws, start = problem(seed)
    short = match(Draws(Goal(symmetry, target), draws), start, max_sweeps=2)
    long = match(Draws(Goal(symmetry, target), draws), start)
    assert long.converged.all()
    for group in symmetry.sizes:
        np.testing.assert_array_equal(
            short.permutation.units[group][short.converged],
            long.permutation.units[group][short.converged],
        )


def test_a_sweep_that_still_moved_units_is_not_called_converged() -> None:
    symmetry, target, draws, start = layers_problem(0, 4)
    assert not match(Draws(Goal(symmetry, target), draws), start, max_sweeps=1).converged.any()


@pytest.mark.parametrize("depth", [1, 2, 3])
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_when_converged_no_other_permutation_of_a_single_group_is_better(depth, seed) -> None:
    symmetry, target, draws, start = layers_problem(seed, depth)
    found = match(Draws(Goal(symmetry, target), draws), start).permutation
    best = value(symmetry, target, draws, found)
    for group in symmetry.sizes:
        for other in oracles.all_permutations(4):
            moved = Permutation({**found.units, group: np.tile(other, (NUM_DRAWS, 1))})
            assert (value(symmetry, target, draws, moved) <= best + 1e-9).all()


@pytest.mark.parametrize("depth", [1, 2])
def test_the_best_of_all_permutations_is_an_upper_bound_that_one_group_reaches(depth) -> None:
    for seed in range(5):
        symmetry, target, draws, start = layers_problem(seed, depth, units=3)
        found = match(Draws(Goal(symmetry, target), draws), start)
        for row, reached in enumerate(value(symmetry, target, draws, found.permutation)):
            draw = _trees.rebuild(
                {n: x[row] for n, x in _trees.named_leaves(draws).items()}, target
            )
            best = oracles.best_objective(symmetry, target, draw)
            assert reached <= best + 1e-12
            assert depth > 1 or reached == pytest.approx(best, abs=1e-9)


def test_one_hidden_layer_is_matched_as_well_as_by_brute_force_in_1000_cases() -> None:
    compare_with_brute_force(np.float64, num_references=100, precision=1e-8)


def test_in_float32_one_hidden_layer_is_matched_as_well_up_to_rounding() -> None:
    compare_with_brute_force(np.float32, num_references=20, precision=1e-4)


def compare_with_brute_force(dtype, num_references: int, precision: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(num_references):
        inputs, units, outputs = (int(size) for size in rng.integers(1, [5, 7, 4]))
        network = mlp(inputs, (units,), outputs)
        seeds = rng.integers(2**32, size=2).tolist()
        samples = strategies.random_samples(network, seeds[0], 1, 10, dtype)
        reference = strategies.make_case(network, seeds[1], dtype=dtype).params
        found = align(samples, network.symmetry, weight_matching(), to(reference))
        best = best_by_brute_force(reference, samples.flatten())
        np.testing.assert_allclose(found.objective[0], best, rtol=0, atol=precision)


def best_by_brute_force(reference, draws) -> np.ndarray:
    """max over p of <W1, W1'[:, p]> + <b1, b1'[p]> + <W2, W2'[p, :]> + <b2, b2'>, for each draw."""
    double = lambda tree, *path: np.asarray(tree[path[0]][path[1]], np.float64)
    every = oracles.all_permutations(len(reference["hidden_0"]["bias"]))
    into, bias = (double(draws, "hidden_0", name)[..., every] for name in ("kernel", "bias"))
    out_of = double(draws, "out", "kernel")[:, every]
    values = (
        np.einsum("dipu,iu->dp", into, double(reference, "hidden_0", "kernel"))
        + np.einsum("dpu,u->dp", bias, double(reference, "hidden_0", "bias"))
        + np.einsum("dpuo,uo->dp", out_of, double(reference, "out", "kernel"))
    )
    constant = double(draws, "out", "bias") @ double(reference, "out", "bias")
    return values.max(axis=1) + constant


def test_the_start_is_left_as_it_was() -> None:
    symmetry, target, draws, start = layers_problem(0, 2)
    before = jax.tree.map(np.copy, start)
    match(Draws(Goal(symmetry, target), draws), start)
    jax.tree.map(np.testing.assert_array_equal, start, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    symmetry, target, draws, start = layers_problem(0, 1)
    draws["hidden_0"]["bias"][3, 1] = bad
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="must be finite"):
        match(Draws(Goal(symmetry, target), draws), start)
