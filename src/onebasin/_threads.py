"""Work that is shared by threads, on the CPUs that this process may use."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def num_cpus() -> int:
    """The number of CPUs that this process may use: in a container, fewer than there are."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return _num_cpus(frozenset(os.sched_getaffinity(0)) if has_affinity else None)


@cache
def _num_cpus(affinity: frozenset[int] | None) -> int:
    """As many as a container's quota and the affinity allow, counted once for each affinity."""
    import joblib  # which takes long

    return joblib.cpu_count()


def map_in_threads(
    function: Callable[[_Part], _Result], parts: Iterable[_Part]
) -> Iterator[_Result]:
    """Results of a function in the order of its arguments, each computed in one thread.

    BLAS gets a single thread meanwhile: threads of its own in each of ours would compete with them.
    """
    parts = list(parts)
    with _blas().limit(limits=1, user_api="blas"):
        if len(parts) < 2 or num_cpus() < 2:
            yield from map(function, parts)
        else:
            yield from _pool().map(function, parts)


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads are made once: making them takes longer than matching a few hundred small draws."""
    return ThreadPoolExecutor(num_cpus())


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of the process. Looking for them takes longer than matching 100 draws."""
    return ThreadpoolController()


if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads, and would wait for them for ever.
    os.register_at_fork(after_in_child=_pool.cache_clear)
