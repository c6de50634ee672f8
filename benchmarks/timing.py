"""Seconds that a function takes."""

import time
from collections.abc import Callable


def best_seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """The least of some times."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return best
