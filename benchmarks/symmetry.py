"""Time to find the symmetry of large networks from the shapes of their weights.

The floor is tracing alone: the jaxpr that `find_symmetry` reads has to be made. There is no peer
that takes a function; memory is what the process has grown by, beside what the weights would take.
"""

import math
from collections.abc import Iterator

import jax

import onebasin as ob
from benchmarks.large_networks import NETWORKS
from benchmarks.processes import alone, forget_peak, held_megabytes, peak_megabytes
from benchmarks.table import Table
from benchmarks.timing import best_seconds


def tables() -> Iterator[Table]:
    """Seconds and memory for ResNet-50 and a transformer as large as GPT-2."""
    rows = [alone(row, name) for name in NETWORKS]
    header = ["network", "groups", "find s", "trace s", "find/trace", "grown MB", "weights MB"]
    yield Table("Symmetry from shapes", header, rows)


def row(name: str) -> list[str]:
    """The figures of one network, measured in this process."""
    apply, shapes_of, inputs, _ = NETWORKS[name]
    shapes = shapes_of()
    forget_peak()
    before = held_megabytes()
    found = ob.find_symmetry(apply, shapes, inputs)
    grown = peak_megabytes() - before
    seconds = best_seconds(lambda: ob.find_symmetry(apply, shapes, inputs))
    # A new function each time: JAX keeps the jaxprs of those it has seen.
    trace = best_seconds(lambda: jax.make_jaxpr(lambda *given: apply(*given))(shapes, inputs))
    weights = 4 * sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) / 1e6
    figures = [f"{x:.2f}" for x in (seconds, trace, seconds / trace)]
    return [name, str(len(found.sizes)), *figures, f"{grown:.0f}", f"{weights:.0f}"]
