"""Time to align 1,000 draws to one network, and to their iterated mean.

The peer is plain NumPy and SciPy, one draw after the other. The floor is the products at the
measured sgemm rate plus the bare solver on ready similarities.
"""

import os
import time
from collections.abc import Callable

import jax
import lap
import numpy as np
from scipy.optimize import linear_sum_assignment

import onebasin as ob
from benchmarks.table import print_table

NUM_DRAWS = 1000
SIZES = {
    "64-64-10": (64, (64,), 10),
    "196-32-10": (196, (32,), 10),
    "784-128-10": (784, (128,), 10),
}


def main() -> None:
    """Print seconds for one matching of all draws, beside peer and floor, and for the mean."""
    rows = []
    for name, (inputs, hidden, outputs) in SIZES.items():
        network = ob.mlp(inputs, hidden, outputs)
        samples = _draws(network)
        first = samples.draw(0, 0)
        ours = _time(lambda: ob.align(samples, network.symmetry, reference=ob.to(first)))  # noqa: B023
        mean = _time(lambda: ob.align(samples, network.symmetry))  # noqa: B023
        peer = _time(lambda: _peer(first, samples.flatten()))  # noqa: B023
        floor = _floor(first, samples.flatten())
        rows.append(
            [name, *(f"{x:.2f}" for x in (ours, peer, ours / peer, floor, ours / floor, mean))]
        )
    header = ["network", "align s", "peer s", "ours/peer", "floor s", "ours/floor", "to mean s"]
    print_table(f"Weight matching of {NUM_DRAWS} draws (similar networks, permuted)", header, rows)


def _draws(network: ob.Network) -> ob.Samples:
    """Noisy, randomly permuted copies of one network: as hard as draws of a posterior."""
    key_init, key_permutation = jax.random.split(jax.random.key(0))
    rng = np.random.default_rng(0)
    shape = (4, NUM_DRAWS // 4)

    def noisy(leaf: jax.Array) -> np.ndarray:
        noise = rng.standard_normal((*shape, *leaf.shape), np.float32)
        return np.asarray(leaf) + np.float32(0.1) * noise

    params = jax.tree.map(noisy, network.init(key_init))
    permutation = ob.symmetry.random_permutation(network.symmetry, *shape, key=key_permutation)
    return ob.Samples(ob.permute(params, network.symmetry, permutation))


def _time(function: Callable[[], object], repeats: int = 3) -> float:
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return best


def _similarity(reference: dict, draw: dict) -> np.ndarray:
    hidden, out = "hidden_0", "out"
    return (
        reference[hidden]["kernel"].T @ draw[hidden]["kernel"]
        + np.outer(reference[hidden]["bias"], draw[hidden]["bias"])
        + reference[out]["kernel"] @ draw[out]["kernel"].T
    )


def _peer(reference: dict, draws: dict) -> None:
    for index in range(NUM_DRAWS):
        draw = jax.tree.map(lambda leaf: leaf[index], draws)  # noqa: B023
        linear_sum_assignment(_similarity(reference, draw), maximize=True)


def _floor(reference: dict, draws: dict) -> float:
    units, inputs = reference["out"]["kernel"].shape[0], reference["hidden_0"]["kernel"].shape[0]
    outputs = reference["out"]["kernel"].shape[1]
    flops = 2.0 * NUM_DRAWS * units**2 * (inputs + 1 + outputs)
    a = np.ones((2048, 2048), np.float32)
    rate = 2 * 2048**3 / _time(lambda: a @ a)
    one = jax.tree.map(lambda leaf: leaf[0], draws)
    cost = -_similarity(reference, one).astype(np.float64)
    solve = _time(lambda: [lap.lapjvr(cost, return_cost=False) for _ in range(50)]) / 50
    return flops / rate + NUM_DRAWS * solve / (os.cpu_count() or 1)
