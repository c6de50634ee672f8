"""Work in threads: results in order, also in a process that was forked behind the first of it."""

import os
import subprocess
import sys

import joblib
import pytest

from onebasin._threads import map_in_threads, num_cpus


@pytest.mark.parametrize("count", [0, 1, 7])
def test_results_come_in_the_order_of_their_arguments(count: int) -> None:
    assert list(map_in_threads(lambda x: x * x, range(count))) == [x * x for x in range(count)]


def test_at_least_one_cpu_may_be_used() -> None:
    assert num_cpus() >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="has no affinity")
def test_a_process_that_may_use_one_cpu_counts_one() -> None:
    every = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(every)})
        assert num_cpus() == 1
    finally:
        os.sched_setaffinity(0, every)
    assert num_cpus() == joblib.cpu_count() <= len(every)


FORKED = """
import os
from onebasin._threads import map_in_threads
list(map_in_threads(abs, range(4)))
child = os.fork()
if child == 0:
    os._exit(len(list(map_in_threads(abs, range(4)))))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "4"
