"""The most memory that an alignment of many draws holds, beside what the draws take.

Each row is a process of its own. "Before" is what it holds with onebasin imported and the network
initialized, before there are draws. The peaks are what it holds at most from then on, less that:
the draws count, and so does everything that aligning them takes. The mark: no more than twice the
draws and 200 MB.
"""

import sys
from collections.abc import Iterator

import jax
import numpy as np

import onebasin as ob
from benchmarks.processes import alone, forget_peak, held_megabytes, peak_megabytes
from benchmarks.table import Table
from onebasin.types import Params

SIZES, NUM_DRAWS = (784, (512,), 10), 400
REFERENCES = ("a given network", "the mean")


def tables() -> Iterator[Table]:
    """Megabytes by the dtype of the draws and by what they are aligned to."""
    rows = []
    for dtype in ("float32", "float16"):
        for reference in REFERENCES:
            print(f"memory: {dtype}, to {reference}", file=sys.stderr, flush=True)
            draws, before, aligned, applied = alone(measure, dtype, reference, NUM_DRAWS)
            mark = "yes" if aligned <= 2 * draws + 200 else "no"
            figures = [f"{x:.0f}" for x in (draws, before, aligned)]
            rows.append(
                [dtype, reference, *figures, f"{aligned / draws:.2f}", mark, f"{applied:.0f}"]
            )
    title = f"Memory of aligning {NUM_DRAWS} draws of 784-512-10"
    header = ["draws", "to", "MB of draws", "MB before", "peak MB", "peak/draws", "mark met"]
    yield Table(title, [*header, "peak MB with `apply`"], rows)


def measure(dtype: str, reference: str, num_draws: int) -> tuple[float, float, float, float]:
    """Megabytes of the draws, before them, and at most: of `align`, and of `apply` after it."""
    network = ob.mlp(*SIZES)
    center = jax.tree.map(np.asarray, network.init(jax.random.key(0)))
    before = held_megabytes()
    samples = ob.Samples(noisy_copies(network, center, num_draws, dtype))
    draws = sum(leaf.nbytes for leaf in jax.tree.leaves(samples.params)) / 1e6
    forget_peak()
    to = ob.to(center) if reference == REFERENCES[0] else ob.to_mean()
    alignment = ob.align(samples, network.symmetry, reference=to)
    aligned = peak_megabytes() - before
    alignment.apply(samples)
    return draws, before, aligned, peak_megabytes() - before


def noisy_copies(network: ob.Network, center: Params, num_draws: int, dtype: str) -> Params:
    """Copies with permuted units and some noise in one chain, made one by one to save memory."""
    rng = np.random.default_rng(0)
    draws = jax.tree.map(lambda leaf: np.empty((1, num_draws, *leaf.shape), dtype), center)
    for number in range(num_draws):
        permutation = ob.symmetry.random_permutation(network.symmetry, key=jax.random.key(number))
        moved = ob.permute(center, network.symmetry, permutation)

        def write(into: np.ndarray, leaf: np.ndarray, number: int = number) -> None:
            into[0, number] = leaf + np.float32(0.1) * rng.standard_normal(leaf.shape, np.float32)

        jax.tree.map(write, draws, moved)
    return draws
