"""What it costs to sample into a store, in time and in memory, against sampling in memory.

Mark: sampling into a store takes at most 1.05 of the time. A chunk costs the same however long it
takes to draw, so this is the ratio of a sampling of about half a minute. Memory is the growth of
the largest resident set of a process, after the first chunk, which compiles. `sample` returns all
draws, so it must grow with them: the floor is the size of the draws themselves.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import print_table

NUM_DRAWS, NUM_CHAINS, NUM_STEPS, NUM_CHUNKS, REPEATS = 100, 4, 100, 20, 2
SIZES = (1_000, 10_000)


def main() -> None:
    """Print seconds and their ratio, and megabytes by the number of draws."""
    memory, stored = _seconds()
    rows = [
        ["in memory", f"{memory:.2f}", "1", "0"],
        [
            *("into a store", f"{stored:.2f}", f"{stored / memory:.3f}"),
            f"{(stored - memory) / NUM_CHUNKS * 1e3:.0f}",
        ],
    ]
    title = (
        f"HMC on digits, 64-64-10, {NUM_CHAINS} chains, {NUM_DRAWS} draws in {NUM_CHUNKS} chunks"
    )
    print_table(title, ["where draws go", "seconds", "against memory", "ms more for a chunk"], rows)
    rows = []
    for num_draws in SIZES:
        found = [_alone(num_draws, is_stored) for is_stored in (False, True)]
        rows.append([f"{num_draws:,}", *(f"{x:.0f}" for x in (_size(num_draws), *found))])
    header = ["draws", "MB of draws", "MB in memory", "MB into a store"]
    print_table("Growth of the resident set, 64-64-10, 2 chains", header, rows)


def _seconds() -> tuple[float, float]:
    """The best time in memory, and the best into a store. They take turns."""
    import jax

    import onebasin as ob

    data = ob.load_dataset("digits")
    posterior = ob.posterior(ob.mlp(64, (64,), 10), data.train)
    positions = ob.methods.inits(posterior.init, NUM_CHAINS, key=jax.random.key(0))
    method = ob.hmc(posterior.logdensity, num_steps=NUM_STEPS, num_warmup=0)

    def take(store: Path | None) -> float:
        begin = time.perf_counter()
        options = {"num_chunks": NUM_CHUNKS, "store": store, "key": jax.random.key(1)}
        ob.sample(method, positions, NUM_DRAWS, **options)
        return time.perf_counter() - begin

    with tempfile.TemporaryDirectory() as folder:
        take(Path(folder) / "first")  # compiles, and imports Zarr
        times = [(take(None), take(Path(folder) / str(repeat))) for repeat in range(REPEATS)]
    return min(memory for memory, _ in times), min(stored for _, stored in times)


def _size(num_draws: int) -> float:
    """The megabytes of the draws of two chains in float32."""
    return 2 * num_draws * (64 * 64 + 64 + 64 * 10 + 10) * 4 / 1e6


def _alone(num_draws: int, is_stored: bool) -> float:
    code = f"from benchmarks.stores import measure; measure({num_draws}, {is_stored})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(num_draws: int, is_stored: bool) -> None:
    """Print by how many megabytes the resident set grew, as JSON."""
    import jax
    import jax.numpy as jnp

    import onebasin as ob

    network = ob.mlp(64, (64,), 10)
    positions = ob.methods.inits(network.init, 2, key=jax.random.key(0))
    flat = lambda params: -sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
    method = ob.hmc(flat, num_steps=1, num_warmup=0)
    known: list[float] = []
    listen: Callable[[object], None] = lambda progress: known.append(_largest_megabytes())
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "draws.zarr" if is_stored else None
        ob.sample(method, positions, num_draws, progress=listen, store=store, key=jax.random.key(1))
    print(json.dumps(_largest_megabytes() - known[1]))  # known[0] is before compiling


def _largest_megabytes() -> float:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
