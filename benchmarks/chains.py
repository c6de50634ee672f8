"""Time for a gradient of HMC at 64-64-10 on digits, by how chains are batched.

Every setting runs in a process of its own, since JAX fixes its devices when it starts. The mark:
4 chains on 2 cores take at most .6 of the time per chain and gradient of one chain on one core.
The floor is the time of the bare gradient's matrix products at the measured sgemm rate.
"""

import os
import time
from collections.abc import Iterator
from itertools import pairwise

from benchmarks.processes import alone
from benchmarks.table import Table
from benchmarks.timing import best_seconds

NUM_STEPS = 60
DRAWS = 12
REPEATS = 2

# name -> chains, cores, devices, batch size inside a device
SETTINGS = {
    "one chain, one core": (1, 1, 1, 1),
    "4 chains, sharded, one at a time": (4, 2, 2, 1),
    "4 chains, sharded, in pairs (ours)": (4, 2, 2, 2),
    "4 chains, one vmap (plain BlackJAX)": (4, 2, 1, 4),
}


def tables() -> Iterator[Table]:
    """Microseconds for one gradient of one chain, and ratios."""
    # Settings take turns, and the best of each counts: other load on the machine hits all alike.
    found: dict[str, float] = {}
    for _ in range(REPEATS):
        for name, setting in SETTINGS.items():
            found[name] = min(found.get(name, float("inf")), alone(measure, *setting))
    floor = _floor()
    base = found["one chain, one core"]
    rows = [
        [name, f"{value * 1e6:.0f}", f"{value / base:.2f}", f"{value / floor:.1f}"]
        for name, value in found.items()
    ]
    rows.append(
        ["floor: its products, two cores", f"{floor * 1e6:.0f}", f"{floor / base:.2f}", "1"]
    )
    header = ["setting", "us per chain and gradient", "against one chain", "against floor"]
    yield Table("HMC on digits, 64-64-10", header, rows)


def measure(num_chains: int, num_cores: int, num_devices: int, batch_size: int) -> float:
    """The seconds for one gradient of one chain."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:num_cores])
    import onebasin as ob

    ob.methods.set_cpu_devices(num_devices)
    import jax

    data = ob.load_dataset("digits")
    posterior = ob.posterior(ob.mlp(64, (64,), 10), data.train)
    positions = ob.methods.inits(posterior.init, num_chains, key=jax.random.key(0))
    method = ob.hmc(posterior.logdensity, num_steps=NUM_STEPS, num_warmup=0)
    times: list[float] = []
    ob.sample(
        method,
        positions,
        DRAWS,
        num_chunks=DRAWS,
        batch_size=batch_size,
        progress=lambda progress: times.append(time.perf_counter()),
        key=jax.random.key(1),
    )
    fastest = min(after - before for before, after in pairwise(times[1:]))
    return fastest / NUM_STEPS / num_chains


def _floor() -> float:
    """Products of a gradient: two of the first layer, three of the second, on all cores."""
    import numpy as np

    import onebasin as ob

    rows = len(ob.load_dataset("digits").train)
    flops = 2 * rows * (64 * 64 * 2 + 64 * 10 * 3)
    side = 2048
    a = np.ones((side, side), np.float32)
    return flops / (2 * side**3 / best_seconds(lambda: a @ a, repeats=5))
