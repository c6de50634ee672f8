"""What it costs to sample into a store, in time and in memory, against sampling in memory.

Mark: sampling into a store takes at most 1.05 of the time. A chunk costs the same however long it
takes to draw, so this is the ratio of a sampling of about half a minute, of which the best of
several turns counts. Memory is the largest resident set of a process of its own. Into a store it
must not grow with the draws: at most by a tenth from 1,000 to 10,000.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import alone, peak_megabytes
from benchmarks.table import Table

NUM_DRAWS, NUM_CHAINS, NUM_STEPS, NUM_CHUNKS, REPEATS = 100, 4, 100, 20, 3
SIZES, NUM_WEIGHTS = (1_000, 10_000), 2_000


def tables() -> Iterator[Table]:
    """Seconds and their ratio, and megabytes by the number of draws."""
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
    yield Table(title, ["where draws go", "seconds", "against memory", "ms more for a chunk"], rows)
    rows = []
    for num_draws in SIZES:
        found = [alone(measure, num_draws, is_stored) for is_stored in (False, True)]
        rows.append([f"{num_draws:,}", *(f"{x:.0f}" for x in (_size(num_draws), *found))])
    header = ["draws", "MB of draws", "MB in memory", "MB into a store"]
    yield Table(f"The largest resident set, {NUM_WEIGHTS:,} weights, 4 chains", header, rows)


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
    """The megabytes of the draws of four chains in float32."""
    return 4 * num_draws * NUM_WEIGHTS * 4 / 1e6


def measure(num_draws: int, is_stored: bool) -> float:
    """The largest resident set of a sampling in megabytes."""
    import jax
    import jax.numpy as jnp

    import onebasin as ob

    positions = {"w": jnp.zeros((4, NUM_WEIGHTS // 100, 100))}
    method = ob.hmc(lambda params: -jnp.sum(params["w"] ** 2), num_steps=1, num_warmup=0)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "draws.zarr" if is_stored else None
        ob.sample(method, positions, num_draws, store=store, key=jax.random.key(1))
    return peak_megabytes()
