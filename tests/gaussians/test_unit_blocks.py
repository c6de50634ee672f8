"""UnitBlocks: the covariance inside each unit is that of the draws, between units there is none."""

import jax
import numpy as np
import oracles
import pytest
import strategies

from onebasin import _trees
from onebasin.gaussians.unit_blocks import UnitBlocks
from onebasin.networks import mlp
from onebasin.samples import Samples

NETWORK = mlp(2, (3, 2), 1)
# Params in the order of leaves: each weight's unit, and None for the bias of the output.
UNITS = [
    *[("hidden_0", unit) for unit in range(3)],
    *[("hidden_0", unit) for _ in range(2) for unit in range(3)],
    *[("hidden_1", unit) for unit in range(2)],
    *[("hidden_1", unit) for _ in range(3) for unit in range(2)],
    None,
    *[("hidden_1", unit) for unit in range(2)],
]


@pytest.fixture(scope="module")
def blocks() -> UnitBlocks:
    return UnitBlocks(strategies.random_samples(NETWORK, 0, 2, 4), NETWORK.symmetry)


@pytest.fixture(scope="module")
def expected(blocks: UnitBlocks) -> np.ndarray:
    """The draws' covariance where two weights are of one unit, else 0."""
    draws = _trees.ravel_batch(blocks.aligned.flatten()).astype(np.float64)
    together = np.array([[first == second for second in UNITS] for first in UNITS])
    return np.where(together, np.cov(draws, rowvar=False), 0.0)


def test_only_weights_of_one_unit_vary_together(blocks, expected, key) -> None:
    num_draws = 20_000
    draws = _trees.ravel_batch(blocks.sample(num_draws, key=key)).astype(np.float64)
    mean = _trees.ravel_batch(blocks.aligned.mean(), 0)
    variance = np.diag(expected)
    bound = oracles.z_bound(1e-6, expected.size + len(variance))
    assert (np.abs(draws.mean(axis=0) - mean) < bound * np.sqrt(variance / num_draws)).all()
    error = np.sqrt((np.outer(variance, variance) + expected**2) / num_draws)
    assert (np.abs(np.cov(draws, rowvar=False) - expected) < bound * error).all()


def test_draws_are_shaped_like_the_params(blocks, key) -> None:
    draws = blocks.sample(5, key=key)
    for name, leaf in _trees.named_leaves(blocks.aligned.mean()).items():
        drawn = _trees.named_leaves(draws)[name]
        assert drawn.shape == (5, *leaf.shape)
        assert drawn.dtype == np.float32


def test_the_key_decides_the_draws(blocks, key) -> None:
    first, again = blocks.sample(3, key=key), blocks.sample(3, key=key)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    other = blocks.sample(3, key=jax.random.fold_in(key, 1))
    assert not np.array_equal(_trees.ravel_batch(first), _trees.ravel_batch(other))


def test_numbers_stored_are_means_and_half_a_covariance_for_each_block(blocks) -> None:
    sizes = [UNITS.count(unit) for unit in dict.fromkeys(UNITS)]
    assert sizes == [3, 3, 3, 5, 5, 1]
    stored = sum(size + size * (size + 1) // 2 for size in sizes)
    assert blocks.values_per_weight == round(stored / len(UNITS)) == 3


def test_samples_that_do_not_vary_are_drawn_as_they_are(key) -> None:
    case = strategies.make_case(NETWORK, 1)
    same = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (1, 3, *leaf.shape)), case.params)
    blocks = UnitBlocks(Samples(same), NETWORK.symmetry)
    jax.tree.map(
        lambda drawn, leaf: np.testing.assert_allclose(drawn, drawn * 0 + leaf, rtol=1e-6),
        blocks.sample(2, key=key),
        case.params,
    )
