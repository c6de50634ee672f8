"""Time to align draws: against plain NumPy and SciPy, and against the floor, in one run.

The floor is the matrix products alone, into memory that is there, and one assignment for each draw.
"""

from benchmarks.alignment.deep import compare_efforts
from benchmarks.alignment.draws import compare_draws


def main() -> None:
    """Print all tables."""
    compare_draws()
    compare_efforts()
