"""basin_check: planted posteriors with one basin and with several, and its words from numbers."""

import jax
import numpy as np
import pytest

from onebasin import Samples, align, permute, to
from onebasin.networks import mlp
from onebasin.prediction import BasinCheck, MeanBarrier, basin_check
from onebasin.symmetry import Axes, Symmetry, random_permutation

NETWORK = mlp(3, (6,), 2, "relu")
INPUTS = np.random.default_rng(0).standard_normal((40, 3))
NUM_CHAINS, NUM_DRAWS = 4, 6


def outputs(networks) -> np.ndarray:
    """In float64, of networks stacked along a first axis."""
    hidden, out = networks["hidden_0"], networks["out"]
    units = np.maximum(INPUTS @ hidden["kernel"] + hidden["bias"][:, None], 0)
    return units @ out["kernel"] + out["bias"][:, None]


def scaled(seed: int):
    return jax.tree.map(lambda leaf: 2 * np.asarray(leaf), NETWORK.init(jax.random.key(seed)))


def planted(centers) -> tuple[Samples, object]:
    """Randomly permuted, noisy copies of one network for each chain, and their loss.

    The loss is the mean squared distance to the outputs of the nearest of these networks, which no
    permutation changes.
    """
    rng = np.random.default_rng(1)
    chains = []
    for chain, center in enumerate(centers):
        order = random_permutation(NETWORK.symmetry, key=jax.random.key(chain))
        copy = permute(center, NETWORK.symmetry, order)
        chains.append(
            jax.tree.map(
                lambda leaf: leaf + 0.01 * rng.standard_normal((NUM_DRAWS, *leaf.shape)), copy
            )
        )
    goals = outputs(jax.tree.map(lambda *leaves: np.stack(leaves), *centers))
    samples = Samples(jax.tree.map(lambda *leaves: np.stack(leaves), *chains))

    def loss(networks) -> np.ndarray:
        squares = (outputs(networks)[:, None] - goals[None]) ** 2
        return squares.mean(axis=(2, 3)).min(axis=1)

    return samples, loss


@pytest.fixture(scope="module")
def one_basin() -> BasinCheck:
    samples, loss = planted([scaled(0)] * NUM_CHAINS)
    return basin_check(samples, align(samples, NETWORK.symmetry), loss, num_pairs=12)


@pytest.fixture(scope="module")
def several_basins() -> BasinCheck:
    samples, loss = planted([scaled(seed) for seed in range(NUM_CHAINS)])
    return basin_check(samples, align(samples, NETWORK.symmetry), loss, num_pairs=12)


def test_permuted_copies_of_one_network_share_one_basin_after_alignment(one_basin) -> None:
    assert one_basin.unaligned.mean > 0.1
    for found in one_basin[2:6]:
        assert found.mean == pytest.approx(0, abs=1e-2)
    assert one_basin.share_removed == pytest.approx(1, abs=0.05)
    assert one_basin.verdict == "one basin"


def test_chains_around_different_networks_do_not_share_one_basin(several_basins) -> None:
    for found in (several_basins.unaligned, several_basins.aligned, several_basins.matched):
        assert found.mean > 0.1
    for found in (several_basins.within, several_basins.within_aligned):
        assert found.mean == pytest.approx(0, abs=1e-2)
    assert several_basins.verdict == "not one basin"


def test_barriers_are_those_of_draws_averaged_by_hand() -> None:
    samples, loss = planted([scaled(seed) for seed in range(2)])
    alignment = align(samples, NETWORK.symmetry, reference=to(samples.draw(0, 0)))
    check = basin_check(samples, alignment, loss, num_pairs=2)
    alone = lambda params: jax.tree.map(lambda leaf: leaf[None], params)
    rise = lambda a, b: (
        loss(alone(jax.tree.map(lambda x, y: (x + y) / 2, a, b)))
        - (loss(alone(a)) + loss(alone(b))) / 2
    )[0]
    half = NUM_DRAWS // 2
    for row, found in ((0, 0), (half, 1)):  # the draws of two chains, evenly spaced
        a, b = samples.draw(0, row), samples.draw(1, row)
        assert check.unaligned.pairs[found] == pytest.approx(rise(a, b), rel=1e-6)
        pair = Samples(alone(alone(b)))
        b = align(pair, NETWORK.symmetry, reference=to(a)).apply(pair).draw(0, 0)
        assert check.matched.pairs[found] == pytest.approx(rise(a, b), rel=1e-6)
        moved = alignment.apply(samples)
        a, b = moved.draw(0, row), moved.draw(1, row)
        assert check.aligned.pairs[found] == pytest.approx(rise(a, b), rel=1e-6)
    by_chain = [rise(samples.draw(chain, 0), samples.draw(chain, half)) for chain in range(2)]
    np.testing.assert_allclose(check.within.pairs, by_chain, rtol=1e-6, atol=1e-12)
    assert check.unaligned.interval is None  # of two chains
    assert check.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("num_chains", "num_draws", "num_pairs"), [(2, 3, 3), (4, 14, 8), (20, 3, 8)]
)
def test_pairs_are_of_different_chains_and_no_draw_is_in_two(
    num_chains, num_draws, num_pairs
) -> None:
    numbers = np.arange(num_chains * num_draws, dtype=np.float64)
    samples = Samples({"w": numbers.reshape(num_chains, num_draws, 1)})
    called: list[np.ndarray] = []

    def loss(networks) -> np.ndarray:
        called.append(networks["w"][:, 0])
        return np.zeros(len(called[-1]))

    symmetry = Symmetry({"w": Axes(None)}, {})
    alignment = align(samples, symmetry, reference=to({"w": np.zeros(1)}))
    basin_check(samples, alignment, loss, num_pairs=8)
    first, second = called[:2]
    assert len({*first, *second}) == len(first) + len(second)
    assert len(first) == num_pairs
    assert (first // num_draws != second // num_draws).all()
    later = called[-2] - called[-3]  # the ends of the pairs of one chain
    assert (later == num_draws // 2).all()


def barrier(low: float, high: float) -> MeanBarrier:
    return MeanBarrier((low + high) / 2, (low, high), np.array([low, high]))


@pytest.mark.parametrize(
    ("aligned", "within", "words"),
    [
        (
            barrier(0.7, 1.0),
            barrier(-0.1, 0.1),
            "Alignment removes 79 % of the barrier and leaves 0.85 nats [0.70, 1.00]: draws of "
            "different chains do not share one basin. Matched in pairs, the same draws have a "
            "barrier of 0.85 nats [0.70, 1.00]. Draws of one chain, half a chain apart, have a "
            "barrier of 0.00 nats [-0.10, 0.10] before alignment and 0.00 nats [-0.10, 0.10] "
            "after.",
        ),
        (barrier(0.7, 1.0), barrier(0.5, 0.6), "they do not share one basin either."),
        (barrier(-0.02, 0.04), None, "0.04]: draws of different chains share one basin."),
        (barrier(0.0, 0.3), None, "the interval is too wide"),
        (barrier(5.0, 6.0), None, "Alignment raises the barrier from 4.00 nats [3.00, 5.00] to"),
    ],
)  # fmt: skip
def test_words_follow_the_numbers(aligned, within, words) -> None:
    before = barrier(3.0, 5.0)
    check = BasinCheck(0.3, before, aligned, aligned, within, within, tolerance=0.05)
    assert words in check.words


def test_without_a_barrier_before_alignment_no_share_is_removed() -> None:
    none = barrier(-0.02, 0.02)
    check = BasinCheck(0.3, none, none, none, None, None, tolerance=0.05)
    assert check.share_removed is None
    assert check.verdict == "one basin"
    assert check.words.startswith(
        "The barrier is 0.00 nats [-0.02, 0.02] before alignment and 0.00"
    )


def test_one_chain_and_a_loss_of_another_shape_are_refused() -> None:
    samples, loss = planted([scaled(0)] * 2)
    alignment = align(samples, NETWORK.symmetry, reference=to(scaled(0)))
    with pytest.raises(ValueError, match="at least 2 chains. Got 1"):
        basin_check(samples.select_chains(0), alignment, loss)
    with pytest.raises(ValueError, match=r"of shape \(6,\). Got shape \(\)"):
        basin_check(samples, alignment, lambda networks: loss(networks).mean())
