"""Many draws of a network with one hidden layer: each takes one product and one assignment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

import onebasin as ob
from benchmarks.alignment import plain
from benchmarks.alignment.floor import floor_seconds
from benchmarks.table import Table
from benchmarks.timing import best_seconds
from onebasin.types import Params

SIZES = {
    "64-64-10": (64, 64, 10, 1000),
    "196-32-10": (196, 32, 10, 1000),
    "784-128-10": (784, 128, 10, 1000),
    "784-512-10": (784, 512, 10, 400),
}
"""Inputs, hidden units, outputs and the number of draws."""


def compare_draws() -> Table:
    """Milliseconds for each draw, on one thread and on all that there are."""
    rows = []
    for name, (inputs, hidden, outputs, num_draws) in SIZES.items():
        network = ob.mlp(inputs, (hidden,), outputs)
        reference, samples = noisy_copies(network, num_draws)
        with threads(1):
            floor = 1000 * floor_seconds(reference, samples.draw(0, 0))
            by_hand = 1000 / num_draws * best_seconds(lambda: _plain(reference, samples))  # noqa: B023
        for count in sorted({1, len(os.sched_getaffinity(0))}):
            with threads(count):
                to = ob.to(reference)
                ours = best_seconds(lambda: ob.align(samples, network.symmetry, reference=to))  # noqa: B023
                mean, rounds = _to_mean(samples, network.symmetry)
            each = 1000 * ours / num_draws
            of_floor, of_rounds = each * count / floor, mean / (ours * rounds)
            figures = (
                f"{each:.3f} {by_hand:.3f} {each / by_hand:.2f} {of_floor:.2f} {of_rounds:.2f}"
            )
            rows.append([name, str(count), *figures.split()])
    header = ["network", "threads", "ms", "plain ms", "ours/plain", "ours/floor", "mean/rounds"]
    title = "One draw to a given network, and the mean beside rounds x one pass"
    return Table(title, header, rows)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many CPUs for this process meanwhile, and no more for BLAS."""
    all_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cpus)[:count])
    try:
        with threadpool_limits(count):
            yield
    finally:
        os.sched_setaffinity(0, all_cpus)


def noisy_copies(network: ob.Network, num_draws: int) -> tuple[Params, ob.Samples]:
    """A network, and copies of it with permuted units and some noise."""
    key_init, key_permutation = jax.random.split(jax.random.key(0))
    rng = np.random.default_rng(0)
    shape = (4, num_draws // 4)
    reference = jax.tree.map(np.asarray, network.init(key_init))

    def noisy(leaf: np.ndarray) -> np.ndarray:
        return leaf + np.float32(0.1) * rng.standard_normal((*shape, *leaf.shape), np.float32)

    permutation = ob.symmetry.random_permutation(network.symmetry, *shape, key=key_permutation)
    moved = ob.permute(jax.tree.map(noisy, reference), network.symmetry, permutation)
    return reference, ob.Samples(jax.tree.map(np.ascontiguousarray, moved))


def _to_mean(samples: ob.Samples, symmetry: ob.Symmetry) -> tuple[float, int]:
    """Seconds to the iterated mean, and how many rounds it takes."""
    numbers: set[int] = set()
    told = lambda now: numbers.add(now.number)
    seconds = best_seconds(lambda: ob.align(samples, symmetry, progress=told), repeats=1)
    return seconds, len(numbers)


def _plain(reference: Params, samples: ob.Samples) -> None:
    draws = samples.flatten()
    for index in range(len(draws["out"]["bias"])):
        draw = jax.tree.map(lambda leaf: leaf[index], draws)  # noqa: B023
        linear_sum_assignment(plain.similarity_of(reference, draw, [], 0), maximize=True)
