"""Where the draws of `sample` go: into memory, or into a store from which a sampling goes on."""

import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from onebasin import _trees
from onebasin.samples import Samples, concatenate_draws
from onebasin.store.arrays import most_draws
from onebasin.store.commits import check_folder
from onebasin.store.draws import load_samples
from onebasin.store.errors import StoreError
from onebasin.store.lock import locked
from onebasin.store.variables import Dims, check_storable
from onebasin.store.writer import SampleWriter, is_free
from onebasin.types import Params


class Keeper(Protocol):
    """What takes the draws of each chunk, and gives all of them at the end."""

    chunk_length: int
    """Chunks of a multiple of so many draws are kept best."""
    most_draws: int
    """Chunks of more draws take too much memory. It is a multiple of `chunk_length`."""

    def resumed(self, carry: Any) -> Any:
        """The carry that was kept last, of the structure of `carry`; without one, `carry`."""
        ...

    def keep(self, samples: Samples | None, carry: Any) -> None:
        """Take the draws of a chunk, if it has any, and the carry after it."""
        ...

    def all_draws(self, carry: Any) -> Samples:
        """All draws, once the last is kept. `carry` is the one after the last."""
        ...


@dataclass
class InMemory:
    """Keeps draws in memory."""

    parts: list[Samples] = field(default_factory=list)
    chunk_length: int = 1
    most_draws: int = sys.maxsize

    def resumed(self, carry: Any) -> Any:
        """The same carry: nothing was kept before."""
        return carry

    def keep(self, samples: Samples | None, carry: Any) -> None:
        """Take the draws of a chunk, if it has any."""
        if samples is not None:
            self.parts.append(samples)

    def all_draws(self, carry: Any) -> Samples:
        """All draws."""
        return concatenate_draws(self.parts)


class InStore:
    """Keeps draws in a store, and the carry with them: each chunk in one commit."""

    def __init__(self, writer: SampleWriter, interrupt: threading.Event, draw_bytes: int):
        self._writer, self._interrupt = writer, interrupt
        self.chunk_length = writer.chunk_length or 1
        num_chunks = max(1, most_draws(draw_bytes) // self.chunk_length)
        self.most_draws = num_chunks * self.chunk_length

    def resumed(self, carry: Any) -> Any:
        """The carry of the last commit, on the host; without a commit, `carry`."""
        state = self._writer.state()
        if state is None:
            return carry
        leaves, structure = jax.tree.flatten(carry)
        return jax.tree.unflatten(structure, [state[str(n)] for n in range(len(leaves))])

    def keep(self, samples: Samples | None, carry: Any) -> None:
        """Commit the draws of a chunk, if it has any, and the carry after it.

        Raises: KeyboardInterrupt if it came since the last commit.
        """
        leaves = enumerate(jax.tree.leaves(carry))
        self._writer.commit(samples, {str(n): np.asarray(leaf) for n, leaf in leaves})
        if self._interrupt.is_set():
            raise KeyboardInterrupt(
                f"Sampling was interrupted. {self._writer.num_draws} draws of each chain are in "
                f"{self._writer.path}. Call sample again with the same arguments to go on."
            )

    def all_draws(self, carry: Any) -> Samples:
        """All draws, to be read from the store, which is whole then."""
        if not self._writer.is_complete:
            self._writer.finish()
        one = lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
        samples = load_samples(self._writer.path, jax.tree.map(one, carry.state.position))
        return Samples(samples.params, samples.stats, carry.state)


@contextmanager
def keeper(
    store: Path | str | None,
    dims: Dims | None,
    positions: Params,
    fingerprint: Callable[[], Mapping[str, str]],
    num_draws: int,
) -> Generator[Keeper]:
    """What keeps the draws of a sampling: a store that is new or holds draws of it, or memory.

    Args:
        store: The path of the store. None: memory.
        dims: Names of axes in the store.
        positions: Where the chains start, with a leading chain axis.
        fingerprint: Says which sampling it is, by name.
        num_draws: How many draws of each chain are wanted.

    Raises: ValueError if `dims` do not fit; StoreError if a store cannot hold a leaf, or the store
    holds draws of another sampling, or more than are wanted, or another process draws into it.
    """
    if store is None:
        yield InMemory()
        return
    path = Path(store)
    check_folder(path)
    check_storable(positions, dims or {})
    sampling = fingerprint()
    draw_bytes = sum(x.size * x.dtype.itemsize for x in _trees.named_leaves(positions).values())
    with locked(path):
        begin = SampleWriter if is_free(path) else SampleWriter.resume
        writer = begin(path, dims)
        _check_same(writer, sampling, num_draws)
        if not writer.sampling:
            writer.commit(sampling=sampling)
        with _postponed_interrupt() as interrupt:
            yield InStore(writer, interrupt, draw_bytes)


def _check_same(writer: SampleWriter, sampling: Mapping[str, str], num_draws: int) -> None:
    """Raise StoreError unless a store is empty, or holds draws of this sampling, no more."""
    known = writer.sampling
    other = [name for name, value in sampling.items() if known.get(name) != value]
    if not known and writer.num_draws > 0:
        raise StoreError(
            f"sample goes on with stores that it began. Got {writer.path}, which was written by "
            "something else. Name another store."
        )
    if known and other:
        hint = " (or log density, or version of JAX)" if "method" in other else ""
        raise StoreError(
            f"A store is resumed by the sampling that began it. Got another "
            f"{', '.join(other)}{hint} than that of the draws in {writer.path}. Repeat the first "
            "call, or name another store."
        )
    if num_draws < writer.num_draws:
        raise StoreError(
            f"num_draws must be at least {writer.num_draws}, the draws of each chain that are in "
            f"{writer.path} already. Got {num_draws}. Load them by load_samples, or name another "
            "store."
        )


@contextmanager
def _postponed_interrupt() -> Generator[threading.Event]:
    """An event that the first Ctrl-C sets, instead of ending the program; the second does end it.

    Handlers of the program itself are left as they are, and so are other threads than the main one.
    """
    interrupt = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return

    def postpone(number: int, frame: Any) -> None:
        interrupt.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, postpone)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
