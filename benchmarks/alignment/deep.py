"""Two networks that share nothing, with three hidden layers: every optimum is local."""

import jax
import numpy as np

import onebasin as ob
from benchmarks.alignment import plain
from benchmarks.alignment.draws import threads
from benchmarks.table import Table
from benchmarks.timing import best_seconds
from onebasin.types import Params

EFFORTS = ("fast", "normal", "thorough")
NUM_RESTARTS = 20


def compare_efforts() -> Table:
    """Seconds and distances of each effort beside plain coordinate descent, on one thread."""
    network = ob.mlp(784, (512, 512, 512), 10)
    rows = []
    for name, pair in _pairs(network).items():
        first, second = pair
        alone = ob.Samples(jax.tree.map(lambda leaf: leaf[None, None], second))
        with threads(1):
            seconds = best_seconds(lambda: plain.one_draw(first, second), repeats=5)  # noqa: B023
            reached = [
                plain.distance(first, plain.one_draw(first, second, seed))
                for seed in range(NUM_RESTARTS)
            ]
            rows.append([name, "plain, one", f"{seconds:.2f}", "1.0", f"{reached[0]:.3f}"])
            best = f"{min(reached):.3f}"
            rows.append([name, f"plain, best of {NUM_RESTARTS}", "", "", best])
            for effort in EFFORTS:
                to = ob.to(first)
                bring = lambda: ob.align(alone, network.symmetry, reference=to, effort=effort)  # noqa: B023
                ours = best_seconds(bring, repeats=5)
                found = bring().apply(alone).draw(0, 0)
                distance = f"{plain.distance(first, found):.3f}"
                rows.append([name, effort, f"{ours:.2f}", f"{seconds / ours:.1f}", distance])
    header = ["784-512-512-512-10", "", "seconds", "times as fast", "distance"]
    return Table("Two independent networks", header, rows)


def _pairs(network: ob.Network) -> dict[str, tuple[Params, Params]]:
    rng = np.random.default_rng(0)
    started = [network.init(jax.random.key(seed)) for seed in range(2)]
    normal = [
        jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), started[0])
        for _ in range(2)
    ]
    host = lambda params: jax.tree.map(np.asarray, params)
    return {"as initialized": tuple(map(host, started)), "normal weights": tuple(normal)}
