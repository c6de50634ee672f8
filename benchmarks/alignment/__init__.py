"""Time to align draws: against plain NumPy and SciPy, and against the floor, in one run.

The floor is the matrix products alone, into memory that is there, and one assignment for each draw.
"""

from collections.abc import Iterator

from benchmarks.alignment.deep import compare_efforts
from benchmarks.alignment.draws import compare_draws
from benchmarks.table import Table


def tables() -> Iterator[Table]:
    """Many draws of networks with one hidden layer, and two independent deep networks."""
    yield compare_draws()
    yield compare_efforts()
