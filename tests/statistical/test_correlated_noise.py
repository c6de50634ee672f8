"""Noise that shares nothing is not called significant, however its chains mix, and signal is.

Two seeds a case by default. The full grid, at 40 seeds and with its figures printed:
`ONEBASIN_NULL_SEEDS=40 python -m pytest -s tests/statistical/test_correlated_noise.py` (hours).
"""

import os

import jax
import numpy as np
import pytest
from scipy.stats import false_discovery_control

from onebasin import _trees
from onebasin.alignment import Significance, align, std_significance
from onebasin.networks import Network, mlp
from onebasin.samples import Samples

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("unchecked")]

NUM_SEEDS = int(os.environ.get("ONEBASIN_NULL_SEEDS", "2"))
IS_FULL = NUM_SEEDS > 2
# If everything is noise, a data set has a rejection with a probability of .05 at most. A case then
# fails with a probability of .0025 (both of 2 data sets) or .05 (more than 4 of 40).
MOST = max(1, NUM_SEEDS // 10)
SHAPES = [(5, 8, 1), (8, 16, 1)]


def noise(network: Network, *coefficients: float, seed: int) -> Samples:
    """4 chains of 300 draws of unit variance, long after they have started, that share nothing."""
    rng = np.random.default_rng(seed)
    num_warmup = 500 if max(coefficients, default=0) < 0.99 else 5000

    def leaf(like: jax.ShapeDtypeStruct) -> np.ndarray:
        draws = rng.standard_normal((4, num_warmup + 300, *like.shape))
        for draw in range(len(coefficients), draws.shape[1]):
            for lag, coefficient in enumerate(coefficients, 1):
                draws[:, draw] += coefficient * draws[:, draw - lag]
        return (draws[:, num_warmup:] / stationary_std(*coefficients)).astype(np.float32)

    return Samples(jax.tree.map(leaf, jax.eval_shape(network.init, jax.random.key(0))))


def stationary_std(*coefficients: float) -> float:
    """Of an autoregression of unit innovations, by the impulse response."""
    response = np.zeros(20_000)
    response[0] = 1
    for draw in range(1, len(response)):
        for lag, coefficient in enumerate(coefficients, 1):
            response[draw] += coefficient * response[draw - lag] if draw >= lag else 0
    return float(np.sqrt((response**2).sum()))


def rejections(shape: tuple[int, int, int], activation: str, *coefficients: float) -> list[float]:
    """The share of significant stds in each data set; NaN for "cannot tell"."""
    inputs, units, outputs = shape
    network = mlp(inputs, (units,), outputs, activation=activation)
    found = [
        std_significance(
            noise(network, *coefficients, seed=seed), network.symmetry, key=jax.random.key(seed)
        )
        for seed in range(NUM_SEEDS)
    ]
    shares = [each.share() for each in found]
    sizes = [np.median(_trees.ravel_batch(each.ess, 0)) for each in found]
    print(
        f"{shape} {activation} {coefficients}: {np.nansum(np.array(shares) > 0):.0f} of "
        f"{NUM_SEEDS} with a rejection, {np.isnan(shares).sum()} cannot tell, "
        f"median ESS {np.mean(sizes):.0f}",
        flush=True,
    )
    return shares


@pytest.mark.parametrize("shape", SHAPES if IS_FULL else SHAPES[:1])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8, 0.9] if IS_FULL else [0.5, 0.9])
def test_noise_that_mixes_is_told_to_be_noise(shape, correlation: float) -> None:
    shares = rejections(shape, "relu", correlation)
    assert not np.isnan(shares).any()
    assert np.sum(np.array(shares) > 0) <= MOST


@pytest.mark.parametrize("shape", SHAPES if IS_FULL else SHAPES[:1])
@pytest.mark.parametrize("correlation", [0.99, 0.999] if IS_FULL else [0.999])
def test_of_noise_that_hardly_mixes_it_cannot_tell(shape, correlation: float) -> None:
    shares = rejections(shape, "relu", correlation)
    assert np.sum(np.array(shares) > 0) <= MOST  # NaN is not above 0


@pytest.mark.parametrize("coefficients", [(1.3, -0.5), (0.9,)] if IS_FULL else [(1.3, -0.5)])
def test_units_that_may_flip_and_other_processes_change_nothing(coefficients) -> None:
    shares = rejections((5, 8, 1), "tanh", *coefficients)
    assert not np.isnan(shares).any()
    assert np.sum(np.array(shares) > 0) <= MOST


def planted(seed: int) -> tuple[Significance, np.ndarray]:
    """Aligned noise of which 16 of 160 weights have .7 of their std; the raw noise has an ESS
    of 300 (an AR(.6): 1,200 x .4 / 1.6)."""
    network = mlp(8, (16,), 1)
    samples = noise(network, 0.6, seed=seed)
    aligned = align(samples, network.symmetry).apply(samples)
    flat = _trees.ravel_batch(aligned.params, 2).astype(np.float64)
    movable = _trees.ravel_batch(
        {name: np.full(np.shape(leaf), name != "out/bias") for name, leaf in
         _trees.named_leaves(aligned.draw(0, 0)).items()}, 0
    )  # fmt: skip
    assert movable.sum() == 160
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(movable), 16, replace=False)
    mean = flat.mean(axis=(0, 1))[chosen]
    flat[..., chosen] = mean + 0.7 * (flat[..., chosen] - mean)
    params = _trees.unravel_batch(flat.astype(np.float32), aligned.draw(0, 0))
    return std_significance(Samples(params), network.symmetry, key=jax.random.key(seed)), chosen


def test_most_weights_of_a_smaller_std_are_found() -> None:
    counts, others = [], []
    for seed in range(NUM_SEEDS):
        found, chosen = planted(seed)
        p_values = _trees.ravel_batch(found.p_values, 0)
        told = np.flatnonzero(~np.isnan(p_values))
        rejected = told[false_discovery_control(p_values[told]) <= 0.05]
        counts.append(np.isin(rejected, chosen).sum())
        others.append(len(rejected) - counts[-1])
    print(f"planted: {np.mean(counts):.1f} of 16 found, {np.mean(others):.2f} others", flush=True)
    assert np.mean(counts) >= 12
