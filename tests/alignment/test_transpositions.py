"""Transpositions between draws: planted permutations are counted, between chains and by lag."""

import math

import jax
import numpy as np
import pytest
import strategies

from onebasin import _trees
from onebasin.alignment import transpositions_between_chains, transpositions_by_lag, weight_matching
from onebasin.alignment.transpositions import transpositions_to
from onebasin.networks import mlp, vit
from onebasin.samples import Samples
from onebasin.symmetry import Permutation, permute, random_num_transpositions, random_permutation

pytestmark = pytest.mark.slow

NUM_UNITS = 8


@pytest.fixture(scope="module")
def case() -> strategies.Case:
    return strategies.make_case(mlp(4, (NUM_UNITS,), 3), seed=0)


def copies(case: strategies.Case, rows: np.ndarray) -> Samples:
    """Copies of the network, permuted by rows[chain, draw]."""
    repeated = jax.tree.map(
        lambda leaf: np.broadcast_to(leaf, (*rows.shape[:2], *leaf.shape)), case.params
    )
    return Samples(permute(repeated, case.network.symmetry, Permutation({"hidden_0": rows})))


def num_swaps(first: np.ndarray, second: np.ndarray) -> int:
    """The NoT of what brings one permuted copy to another."""
    relative = Permutation({"units": first}) @ Permutation({"units": second}).inverse()
    return int(relative.num_transpositions()["units"])


def test_each_draw_is_as_far_from_the_reference_as_it_was_permuted(case, key) -> None:
    planted = random_permutation(case.network.symmetry, 2, 3, key=key)
    samples = copies(case, planted.units["hidden_0"])
    found = transpositions_to(case.params, samples, case.network.symmetry, weight_matching())
    np.testing.assert_array_equal(found, planted.num_transpositions()["hidden_0"])


def test_swaps_of_all_groups_are_summed() -> None:
    # One swap a layer: near enough for coordinate descent to find both.
    case = strategies.make_case(mlp(3, (5, 4), 2), seed=1)
    symmetry = case.network.symmetry
    swapped = symmetry.identity(1, 1)
    swapped.units["hidden_0"][..., [0, 1]] = [1, 0]
    swapped.units["hidden_1"][..., [2, 3]] = [3, 2]
    one = jax.tree.map(lambda leaf: leaf[None, None], case.params)
    samples = Samples(permute(one, symmetry, swapped))
    found = transpositions_to(case.params, samples, symmetry, weight_matching())
    assert found.tolist() == [[2]]


def test_swaps_inside_of_every_head_are_summed_as_well() -> None:
    network = vit((4, 4), 2, width=6, depth=1, heads=2)
    params = _trees.to_host(network.init(jax.random.key(0)))
    swapped = network.symmetry.identity(1, 1)
    swapped.units["block_0/values"][..., :, [0, 1]] = [1, 0]  # one swap in each of the two heads
    swapped.units["block_0/units"][..., [2, 3]] = [3, 2]
    one = jax.tree.map(lambda leaf: leaf[None, None], params)
    samples = Samples(permute(one, network.symmetry, swapped))
    found = transpositions_to(params, samples, network.symmetry, weight_matching())
    assert found.tolist() == [[3]]


@pytest.mark.parametrize("num_draws", [1, 40])
def test_between_chains_of_permuted_copies_it_is_that_of_the_relative_permutation(
    case, key, num_draws: int
) -> None:
    rows = random_permutation(case.network.symmetry, 2, key=key).units["hidden_0"]
    samples = copies(case, np.repeat(rows[:, None], num_draws, axis=1))
    found = transpositions_between_chains(samples, case.network.symmetry, weight_matching())
    assert found == num_swaps(rows[0], rows[1])


def test_three_chains_give_the_mean_over_their_pairs(case, key) -> None:
    rows = random_permutation(case.network.symmetry, 3, key=key).units["hidden_0"]
    samples = copies(case, np.repeat(rows[:, None], 5, axis=1))
    found = transpositions_between_chains(samples, case.network.symmetry, weight_matching())
    pairs = [num_swaps(rows[i], rows[j]) for i, j in [(0, 1), (0, 2), (1, 2)]]
    assert found == pytest.approx(np.mean(pairs))


def test_one_chain_has_no_others(case) -> None:
    samples = copies(case, np.tile(np.arange(NUM_UNITS), (1, 5, 1)))
    assert transpositions_between_chains(samples, case.network.symmetry, weight_matching()) is None


def test_unrelated_networks_sit_at_the_baseline_of_random_permutations() -> None:
    network = mlp(2, (16,), 1)
    samples = strategies.random_samples(network, 3, num_chains=2, num_draws=30)
    found = transpositions_between_chains(samples, network.symmetry, weight_matching())
    mean, std = random_num_transpositions(network.symmetry)
    assert found == pytest.approx(mean, abs=std)  # some fifty pairs: far more than 5 errors


def test_by_lag_a_cycle_that_turns_one_step_a_draw_comes_around(case) -> None:
    # A cycle of n units turned k steps falls into gcd(n, k) cycles.
    num_draws = 2 * NUM_UNITS + 1
    turned = (np.arange(NUM_UNITS) + np.arange(num_draws)[:, None]) % NUM_UNITS
    samples = copies(case, np.stack([turned, turned]))
    found = transpositions_by_lag(samples, case.network.symmetry, weight_matching())
    assert found == [(lag, NUM_UNITS - math.gcd(NUM_UNITS, lag)) for lag in (1, 2, 4, 8)]


@pytest.mark.parametrize(("num_draws", "lags"), [(1, []), (2, [1]), (3, [1]), (4, [1, 2])])
def test_lags_are_the_powers_of_two_up_to_half_the_draws(case, num_draws, lags) -> None:
    samples = copies(case, np.tile(np.arange(NUM_UNITS), (1, num_draws, 1)))
    found = transpositions_by_lag(samples, case.network.symmetry, weight_matching())
    assert found == [(lag, 0.0) for lag in lags]
