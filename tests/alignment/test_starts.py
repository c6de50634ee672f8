"""Where an iterated mean begins: at an earlier alignment, or at the mean of each chain."""

import jax
import numpy as np
import pytest
import strategies

from onebasin import _trees
from onebasin.alignment import (
    Alignment,
    Problem,
    Round,
    align,
    to,
    to_first,
    to_mean,
    weight_matching,
)
from onebasin.gaussians import summarize
from onebasin.networks import mlp
from onebasin.samples import Samples
from onebasin.symmetry import permute

pytestmark = pytest.mark.slow

NETWORK = mlp(3, (6, 5), 2, "tanh")


def assert_same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return strategies.random_samples(NETWORK, 0, num_chains=2, num_draws=12)


def test_no_rounds_from_a_start_leave_its_permutations(samples: Samples) -> None:
    start = align(samples, NETWORK.symmetry, reference=to_first())
    found = align(samples, NETWORK.symmetry, reference=to_mean(start=start, max_rounds=0))
    assert_same(found.permutation, start.permutation)
    assert_same(found.reference, summarize(start.apply(samples)).mean)


def assert_same_match(first: Alignment, second: Alignment) -> None:
    """The same alignment, in however many sweeps it was found."""
    for name in ("permutation", "objective", "converged", "reference"):
        assert_same(getattr(first, name), getattr(second, name))


def test_iterating_in_two_parts_is_iterating_at_once(samples: Samples) -> None:
    whole = align(samples, NETWORK.symmetry, reference=to_mean(tolerance=0.0))
    half = align(samples, NETWORK.symmetry, reference=to_mean(tolerance=0.0, max_rounds=1))
    assert not half.converged.all()
    rest = align(samples, NETWORK.symmetry, reference=to_mean(start=half, tolerance=0.0))
    assert_same(rest.permutation, whole.permutation)
    assert rest.converged.all()


def test_from_a_converged_start_no_draw_moves(samples: Samples) -> None:
    start = align(samples, NETWORK.symmetry, reference=to_mean(tolerance=0.0))
    told: list[Round] = []
    again = align(samples, NETWORK.symmetry, reference=to_mean(start=start), progress=told.append)
    assert {(now.number, now.num_moved) for now in told} == {(1, 0)}
    assert_same_match(again, start)


def test_a_start_of_chains_and_of_an_alignment_is_refused(samples: Samples) -> None:
    start = align(samples, NETWORK.symmetry, reference=to_mean(max_rounds=0))
    with pytest.raises(ValueError, match="say where the mean begins"):
        to_mean(start=start, by_chain=True)


def test_a_start_of_other_samples_is_refused(samples: Samples) -> None:
    start = align(samples.thin(2), NETWORK.symmetry, reference=to_mean(max_rounds=0))
    with pytest.raises(ValueError, match=r"of \(chain, draw\) \(2, 12\)\. Got \(2, 6\)"):
        align(samples, NETWORK.symmetry, reference=to_mean(start=start))


def test_a_start_of_another_network_is_refused(samples: Samples) -> None:
    other = mlp(3, (5, 6), 2, "tanh")
    start = align(
        strategies.random_samples(other, 0, 2, 12), other.symmetry, reference=to_mean(max_rounds=0)
    )
    with pytest.raises(ValueError, match=r"same symmetry.*'hidden_0': 6.*Got .*'hidden_0': 5"):
        align(samples, NETWORK.symmetry, reference=to_mean(start=start))


# ---- chains


def test_chains_are_matched_by_way_of_their_own_means(samples: Samples) -> None:
    problem = Problem(NETWORK.symmetry, weight_matching(), _trees.to_host(samples.flatten()))
    flat = to_mean(by_chain=True, tolerance=0.0).chain_by_chain(problem, samples)
    found = jax.tree.map(lambda p: p.reshape(2, 12, -1), flat)
    own = [
        align(samples.select_chains(c), NETWORK.symmetry, reference=to_mean(tolerance=0.0))
        for c in (0, 1)
    ]
    means = Samples(
        jax.tree.map(lambda *leaves: np.stack(leaves)[:, None], *[one.reference for one in own])
    )
    between = align(means, NETWORK.symmetry, reference=to_mean(tolerance=0.0))
    for chain in (0, 1):
        by_hand = own[chain].apply(samples.select_chains(chain)).params
        last = jax.tree.map(lambda p, c=chain: np.repeat(p[c], 12, 0)[None], between.permutation)
        here = found[chain : chain + 1]
        assert_same(
            permute(samples.select_chains(chain).params, NETWORK.symmetry, here),
            permute(by_hand, NETWORK.symmetry, last),
        )


def test_the_chains_reference_iterates_over_all_draws_from_there(samples: Samples) -> None:
    found = align(samples, NETWORK.symmetry, reference=to_mean(by_chain=True, tolerance=0.0))
    assert found.converged.all()
    assert_same(found.reference, summarize(found.apply(samples)).mean)
    none_after = align(samples, NETWORK.symmetry, reference=to_mean(by_chain=True, max_rounds=0))
    assert found.objective.mean() > none_after.objective.mean()


def test_copies_of_one_network_in_several_chains_come_together(key) -> None:
    case = strategies.make_case(NETWORK, 0)
    copies, _ = strategies.permuted_copies(case, key, 3, 10)
    aligned = align(copies, NETWORK.symmetry, reference=to_mean(by_chain=True)).apply(copies)
    assert max(leaf.max() for leaf in jax.tree.leaves(summarize(aligned).std)) == 0


def test_one_chain_goes_by_way_of_itself(samples: Samples) -> None:
    alone = samples.select_chains(0)
    first, second = (
        align(alone, NETWORK.symmetry, reference=to_mean(by_chain=by_chain, tolerance=0.0))
        for by_chain in (True, False)
    )
    assert_same_match(first, second)


@pytest.mark.parametrize("by_chain", [False, True])
def test_the_mean_of_some_draws_is_that_of_evenly_spaced_ones_alone(
    samples: Samples, by_chain: bool
) -> None:
    places = np.array([3, 7, 11])  # of twelve in each of two chains
    some = Samples(jax.tree.map(lambda leaf: leaf[:, places], samples.params))
    alone = align(some, NETWORK.symmetry, reference=to_mean(by_chain=by_chain))
    found = align(samples, NETWORK.symmetry, reference=to_mean(by_chain=by_chain, num_draws=5))
    assert_same(found.reference, alone.reference)
    assert_same_match(found, align(samples, NETWORK.symmetry, reference=to(alone.reference)))


def test_the_mean_of_as_many_draws_as_there_are_is_that_of_all(samples: Samples) -> None:
    every = align(samples, NETWORK.symmetry, reference=to_mean())
    found = align(samples, NETWORK.symmetry, reference=to_mean(num_draws=24))
    assert_same_match(found, every)


def test_a_start_is_refused_beside_a_mean_of_some_draws(samples: Samples) -> None:
    start = align(samples, NETWORK.symmetry)
    with pytest.raises(ValueError, match="start and num_draws both say where the mean begins"):
        to_mean(start=start, num_draws=10)
    with pytest.raises(ValueError, match=r"num_draws must be an int in the range \[1, inf\)"):
        to_mean(num_draws=0)
