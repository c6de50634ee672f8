"""`python -m benchmarks.samplers DIR`: measure every cell that DIR lacks, then print the table."""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from benchmarks.samplers.cells import BUDGETS, measure
from benchmarks.samplers.kinds import samplers
from benchmarks.samplers.table import as_markdown, load_cells, rows_of


def main() -> None:
    """Measure cells side by side, each in a process of its own on a core of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samplers", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", nargs="+", default=["digits", "diabetes"], choices=BUDGETS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(samplers(60_000)))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shared", action="store_true", help="the machine is busy: no seconds")
    parser.add_argument("--here", action="store_true", help="one process, on any device")
    parser.add_argument("--budget", type=int)
    parser.add_argument("--limit", type=float, help="seconds that a cell may take")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    cells = [
        (data, seed, sampler)
        for seed in range(chosen.seeds)
        for data in chosen.data
        for sampler in chosen.only
    ]
    measure_cells(cells, chosen)
    found = load_cells(chosen.folder)
    for data in sorted({cell["data"] for cell in found}):
        print(f"\n{data}\n\n{as_markdown(rows_of(found, data))}")


def measure_cells(cells: list[tuple[str, int, str]], chosen: argparse.Namespace) -> None:
    """Measure the cells that are not there yet."""
    if chosen.here:
        for data, seed, sampler in cells:
            print(data, seed, sampler, flush=True)
            measure(data, seed, sampler, chosen.folder, chosen.budget, chosen.shared)
        return
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0))[: chosen.jobs]:
        cores.put(core)

    def measure_on_a_core(cell: tuple[str, int, str]) -> None:
        data, seed, sampler = cell
        core = cores.get()
        place = f"Path({str(chosen.folder)!r}), {chosen.budget}, {chosen.shared}"
        call = f"measure({data!r}, {seed}, {sampler!r}, {place})"
        code = f"from pathlib import Path; from benchmarks.samplers.cells import measure; {call}"
        try:
            done = subprocess.run(
                ["taskset", "-c", str(core), sys.executable, "-c", code],
                timeout=chosen.limit,
                env={**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
            )
            last = "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
        except subprocess.TimeoutExpired:
            last = f"took more than {chosen.limit:g} s"
        finally:
            cores.put(core)
        print(*cell, last, flush=True)

    with ThreadPoolExecutor(chosen.jobs) as pool:
        list(pool.map(measure_on_a_core, cells))


if __name__ == "__main__":
    main()
