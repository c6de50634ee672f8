"""One draw of a large network aligned to a reference: ResNet-50, and one as large as GPT-2 small.

The draw is a noisy copy of the reference whose units a random permutation has moved, which has to
be undone exactly, or a network that shares nothing with the reference, of which only time and
memory are of interest. Weights are made up. `find_symmetry` finds the symmetry, and `align` tries
it on the function once; this counts.

Each row is a process of its own. The peak is what it holds at most in `align`, less what it held
before with both networks in memory.
"""

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import onebasin as ob
from benchmarks.large_networks import NETWORKS
from benchmarks.processes import alone, forget_peak, held_megabytes, peak_megabytes
from benchmarks.table import Table
from onebasin.types import Params

KINDS = ("permuted", "independent")
NOISE = 0.3
"""The noise of a copy, as a share of the std of the leaf."""


def tables() -> Iterator[Table]:
    """Seconds, memory and what was recovered for each pair."""
    rows = [alone(row, name, kind) for name in NETWORKS for kind in KINDS]
    header = ["network", "draw", "M weights", "groups", "find s", "align s", "CPU s"]
    memory = ["MB a network", "peak MB more", "distance before", "after", "undone"]
    yield Table("One draw of a large network to a reference", [*header, *memory], rows)


def row(name: str, kind: str) -> list[str]:
    """The figures of one pair, measured in this process."""
    network = NETWORKS[name]
    say = lambda what: print(f"{name}, {kind}: {what}", file=sys.stderr, flush=True)
    say("finding the symmetry")
    begin = time.perf_counter()
    symmetry = ob.find_symmetry(network.apply, network.shapes(), network.small)
    find = time.perf_counter() - begin
    reference = random_params(network.shapes(), 0)
    draw = (
        random_params(network.shapes(), 1) if kind == "independent" else moved(reference, symmetry)
    )
    samples = ob.Samples(jax.tree.map(lambda leaf: leaf[None, None], draw))
    say("aligning")
    forget_peak()
    before, begin, began = held_megabytes(), time.perf_counter(), time.process_time()
    alignment = ob.align(samples, symmetry, reference=ob.to(reference))
    align, cpu = time.perf_counter() - begin, time.process_time() - began
    more = peak_megabytes() - before
    say(f"aligned in {align:.0f} s ({cpu:.0f} s of CPU), {more:.0f} MB more")
    aligned = alignment.apply(samples).draw(0, 0)
    weights = sum(leaf.size for leaf in jax.tree.leaves(draw))
    distances = [f"{distance(reference, params):.1f}" for params in (draw, aligned)]
    undone = "-"
    if kind == "permuted":
        copies = map(np.array_equal, jax.tree.leaves(aligned), jax.tree.leaves(noisy(reference)))
        undone = "yes" if all(copies) else "no"
    seconds = [f"{x:.1f}" for x in (find, align, cpu)]
    sizes = [f"{weights / 1e6:.1f}", str(len(symmetry.sizes)), *seconds, f"{4 * weights / 1e6:.0f}"]
    return [name, kind, *sizes, f"{more:.0f}", *distances, undone]


def random_params(shapes: Any, seed: int) -> Params:
    """Made-up weights.

    Kernels have the variance 1 / fan-in, and embeddings a std of .02. Biases and the means of norms
    have a std of .1. Scales and variances are near 1.
    """
    rng = np.random.default_rng(seed)

    def draw(path: Any, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        name = jax.tree_util.keystr(path[-1:], simple=True)
        normal = rng.standard_normal(shape.shape, np.float32)
        if name in ("scale", "var"):
            return np.exp(np.float32(0.1) * normal)
        stds = {"bias": 0.1, "mean": 0.1, "words": 0.02, "positions": 0.02}
        return normal * np.float32(stds.get(name) or math.prod(shape.shape[:-1]) ** -0.5)

    return jax.tree.map_with_path(draw, shapes)


def moved(reference: Params, symmetry: ob.Symmetry) -> Params:
    """A noisy copy with its units elsewhere."""
    permutation = ob.symmetry.random_permutation(symmetry, key=jax.random.key(0))
    return ob.permute(noisy(reference), symmetry, permutation)


def noisy(params: Params) -> Params:
    """A copy with noise on every weight, the same each time."""
    rng = np.random.default_rng(2)
    add = lambda leaf: leaf + NOISE * leaf.std() * rng.standard_normal(leaf.shape, np.float32)
    return jax.tree.map(add, params)


def distance(one: Params, other: Params) -> float:
    """The L2 distance over all weights."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return sum(float(np.square(a - b).sum(dtype=np.float64)) for a, b in pairs) ** 0.5
