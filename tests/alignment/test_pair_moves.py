"""Pair moves: of all swaps of two units in two groups at once, the one that gains most."""

import itertools

import jax
import numpy as np
import pytest
import strategies

from onebasin.alignment import align, to
from onebasin.alignment.goal import Goal
from onebasin.alignment.pair_moves import pair_moved
from onebasin.alignment.similarity import Draws
from onebasin.networks import Network, mlp
from onebasin.symmetry import Permutation, Symmetry, random_permutation

pytestmark = pytest.mark.slow

NETWORKS = {name: mlp(3, (4, 3, 4), 2, name) for name in ("relu", "tanh")}


def swaps(symmetry: Symmetry, group: str) -> list[np.ndarray]:
    every = np.arange(symmetry.sizes[group])
    exchanged = itertools.combinations(every, 2)
    return [np.where(every == i, j, np.where(every == j, i, every)) for i, j in exchanged]


def pair_swaps(symmetry: Symmetry) -> list[Permutation]:
    """All swaps of two units in each of two layers that follow one another."""
    layers = [*symmetry.sizes]
    return [
        symmetry.permutation({first: one, second: other})
        for first, second in itertools.pairwise(layers)
        for one in swaps(symmetry, first)
        for other in swaps(symmetry, second)
    ]


def objectives(draws: Draws, permutation: Permutation) -> np.ndarray:
    """For every draw the objective of each pair of swaps behind its permutation."""
    batch = lambda p: jax.tree.map(lambda entry: np.stack([entry] * draws.num_draws), p)
    every = [batch(swap) @ permutation for swap in pair_swaps(draws.symmetry)]
    return np.stack([draws.objective(p) for p in every], axis=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_draw_gets_the_pair_move_that_gains_most_if_one_does(name: str) -> None:
    network: Network = NETWORKS[name]
    draws = Draws(
        Goal(network.symmetry, strategies.make_case(network, 9, dtype=np.float64).params),
        strategies.random_samples(network, 0, 1, 20).flatten(),
    )
    # Where descent would go on, a swap gains by itself and any other with it.
    start = random_permutation(network.symmetry, 20, key=jax.random.key(0))
    before, every = draws.objective(start), objectives(draws, start)
    moved, rows = pair_moved(draws, start, np.arange(20))
    np.testing.assert_array_equal(rows, np.flatnonzero(every.max(axis=1) > before + 1e-6))
    reached = draws.taken(rows).objective(moved)
    np.testing.assert_allclose(reached, every.max(axis=1)[rows], rtol=1e-6)
    assert len(rows) > 5


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pair_move_improves_a_thorough_match(name: str) -> None:
    network: Network = NETWORKS[name]
    samples = strategies.random_samples(network, 0, 1, 60)
    reference = strategies.make_case(network, 9).params
    flat = lambda found: jax.tree.map(lambda entry: entry[0], found.permutation)
    draws = Draws(Goal(network.symmetry, reference), samples.flatten())

    def num_improved(effort: str) -> int:
        found = align(samples, network.symmetry, reference=to(reference), effort=effort)
        return len(pair_moved(draws, flat(found), np.arange(60))[1])

    assert num_improved("thorough") == 0
    assert num_improved("normal") > 0
    thorough = align(samples, network.symmetry, reference=to(reference), effort="thorough")
    assert (thorough.start == 3).any()
    assert (objectives(draws, flat(thorough)).max(axis=1) <= thorough.objective[0] + 1e-5).all()


def test_one_hidden_layer_has_no_pair_moves() -> None:
    network = mlp(3, (4,), 2)
    draws = Draws(
        Goal(network.symmetry, strategies.make_case(network, 9).params),
        strategies.random_samples(network, 0, 1, 5).flatten(),
    )
    _, rows = pair_moved(draws, network.symmetry.identity(5), np.arange(5))
    assert not len(rows)
