"""How close draws come to each other by several references, and in what CPU time.

Every figure is a share of what `to_mean()` gives for the same draws, in the mean over some sets.
"""

import time
from collections.abc import Iterator

import jax
import numpy as np

import onebasin as ob
from benchmarks.table import Table

NETWORK = ob.mlp(64, (32, 32), 10)
WIDE = ob.mlp(64, (256, 256), 10)
REFERENCES = {
    "mean": ob.to_mean(),
    "first": ob.to_first(),
    "mean, by chain": ob.to_mean(by_chain=True),
    "universe": ob.alignment.to_universe(),
    "universe, by chain": ob.alignment.to_universe(by_chain=True),
}


def tables() -> Iterator[Table]:
    """The sum of squared distances between pairs, and CPU seconds."""
    distances: list[list[str]] = []
    seconds: list[list[str]] = []
    for name, network, sets in _cases():
        measured = [
            [_measured(samples, network, reference) for reference in REFERENCES.values()]
            for samples in sets
        ]
        figures = np.array(measured)
        shares = (figures / figures[:, :1]).mean(axis=0)
        distances.append([name, *(f"{share:.3f}" for share in shares[:, 0])])
        times = figures[..., 1].mean(axis=0)
        seconds.append([name, f"{times[0]:.2f} s", *(f"{t / times[0]:.1f}" for t in times[1:])])
    header = ["draws (chains x draws)", *REFERENCES]
    yield Table("Sum of squared distances, as a share of the mean's", header, distances)
    yield Table("CPU time, as a multiple of the mean's", header, seconds)


def _cases() -> Iterator[tuple[str, ob.Network, list[ob.Samples]]]:
    hmc = _hmc()
    for chains, draws in ((4, slice(None)), (8, slice(1, None, 2)), (8, slice(11, 12))):
        parts = [_part(hmc, slice(first, first + chains), draws) for first in range(0, 8, chains)]
        yield f"HMC, {chains} x {parts[0].num_draws}", NETWORK, parts
    for num_draws in (10, 50):
        yield f"networks, {num_draws} x 1", NETWORK, [_networks(s, num_draws) for s in range(3)]
    for noise in (1.0, 2.0):
        sets = [_copies(seed, 50, noise) for seed in range(3)]
        yield f"copies, noise of {noise:g} std, 50 x 1", NETWORK, sets
    yield "wide networks, 10 x 1", WIDE, [_networks(0, 10, WIDE)]


def _hmc() -> ob.Samples:
    """Twelve draws of eight chains on digits."""
    data = ob.load_dataset("digits")
    posterior = ob.posterior(NETWORK, data.train, likelihood="categorical", prior_std=1.0)
    key = jax.random.key(0)
    positions = ob.methods.inits(posterior.init, 8, key=key)
    method = ob.hmc(posterior.logdensity, num_steps=30, num_warmup=100)
    return ob.sample(method, positions, num_draws=12, thin=5, key=key)


def _part(samples: ob.Samples, chains: slice, draws: slice) -> ob.Samples:
    cut = lambda leaf: np.asarray(leaf)[chains, draws]
    return ob.Samples(jax.tree.map(cut, samples.params), jax.tree.map(cut, samples.stats))


def _networks(seed: int, num_draws: int, network: ob.Network = NETWORK) -> ob.Samples:
    """Networks as training begins, each a chain of its own."""
    keys = jax.random.split(jax.random.key(seed), num_draws)
    return ob.Samples(jax.tree.map(lambda leaf: leaf[:, None], jax.vmap(network.init)(keys)))


def _copies(seed: int, num_draws: int, noise: float) -> ob.Samples:
    """Permuted copies of a network, with noise in multiples of the std of each array."""
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    network = jax.device_get(NETWORK.init(key))

    def noisy(leaf: np.ndarray) -> np.ndarray:
        std = leaf.std() or 0.1
        return leaf + noise * std * rng.standard_normal((num_draws, 1, *leaf.shape), np.float32)

    permutation = ob.symmetry.random_permutation(NETWORK.symmetry, num_draws, 1, key=key)
    return ob.Samples(ob.permute(jax.tree.map(noisy, network), NETWORK.symmetry, permutation))


def _measured(
    samples: ob.Samples, network: ob.Network, reference: ob.alignment.Reference
) -> tuple[float, float]:
    """The sum of squared distances between all pairs of aligned draws, and CPU seconds."""
    begin = time.process_time()
    alignment = ob.align(samples, network.symmetry, reference=reference)
    seconds = time.process_time() - begin
    aligned = alignment.apply(samples)
    num_draws = samples.num_chains * samples.num_draws
    variances = jax.tree.map(
        lambda std: np.square(np.asarray(std, np.float64)).sum(), aligned.std()
    )
    return num_draws * (num_draws - 1) * sum(jax.tree.leaves(variances)), seconds
