"""Where the draws of `sample` go: into memory, or into a store from which a sampling goes on."""

import signal
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from onebasin.samples import Samples, concatenate_draws
from onebasin.store.commits import check_folder
from onebasin.store.draws import load_committed, load_samples
from onebasin.store.errors import StoreError
from onebasin.store.lock import locked
from onebasin.store.variables import Dims
from onebasin.store.writer import SampleWriter, is_free

_RECORD = "record"


@runtime_checkable
class Keeper(Protocol):
    """What takes the draws of each chunk, and gives all of them at the end."""

    chunk_length: int
    """Chunks of a multiple of so many draws are kept best."""

    @property
    def record(self) -> str | None:
        """The record that was kept last. None if there is none."""
        ...

    def stored(self, carry: Any) -> Samples:
        """The draws that were kept before, if there are any, for a carry of that structure."""
        ...

    def resumed(self, carry: Any) -> Any:
        """The carry that was kept last, of the structure of `carry`; without one, `carry`."""
        ...

    def keep(self, samples: Samples | None, carry: Any, record: str) -> None:
        """Take the draws of a chunk, if it has any, the carry after it and a record."""
        ...

    def all_draws(self, carry: Any) -> Samples:
        """All draws, once the last is kept. `carry` is the one after the last."""
        ...


@dataclass
class InMemory:
    """Keeps draws in memory."""

    parts: list[Samples] = field(default_factory=list)
    chunk_length: int = 1
    record: None = None

    def stored(self, carry: Any) -> Samples:
        """No draws were kept before."""
        raise AssertionError("memory keeps no draws of earlier calls")

    def resumed(self, carry: Any) -> Any:
        """The same carry: nothing was kept before."""
        return carry

    def keep(self, samples: Samples | None, carry: Any, record: str) -> None:
        """Take the draws of a chunk, if it has any."""
        if samples is not None:
            self.parts.append(samples)

    def all_draws(self, carry: Any) -> Samples:
        """All draws."""
        return concatenate_draws(self.parts)


class InStore:
    """Keeps draws in a store, and the carry with them: each chunk in one commit."""

    def __init__(self, writer: SampleWriter, interrupt: threading.Event):
        self._writer, self._interrupt = writer, interrupt
        self.chunk_length = writer.chunk_length or 1

    @property
    def record(self) -> str | None:
        """The record of the last commit."""
        return self._writer.sampling.get(_RECORD)

    def stored(self, carry: Any) -> Samples:
        """The draws of the last commit."""
        return load_committed(self._writer.path, _template(carry))

    def resumed(self, carry: Any) -> Any:
        """The carry of the last commit, on the host; without a commit, `carry`."""
        state = self._writer.state()
        if state is None:
            return carry
        leaves, structure = jax.tree.flatten(carry)
        return jax.tree.unflatten(structure, [state[str(n)] for n in range(len(leaves))])

    def keep(self, samples: Samples | None, carry: Any, record: str) -> None:
        """Commit the draws of a chunk, if it has any, the carry after it and the record.

        Raises: KeyboardInterrupt if it came since the last commit.
        """
        leaves = enumerate(jax.tree.leaves(carry))
        state = {str(n): np.asarray(leaf) for n, leaf in leaves}
        self._writer.commit(samples, state, {**self._writer.sampling, _RECORD: record})
        if self._interrupt.is_set():
            raise KeyboardInterrupt(
                f"Sampling was interrupted. {self._writer.num_draws} draws of each chain are in "
                f"{self._writer.path}. Call sample again with the same arguments to go on."
            )

    def all_draws(self, carry: Any) -> Samples:
        """All draws, to be read from the store, which is whole then."""
        if not self._writer.is_complete:
            self._writer.finish()
        samples = load_samples(self._writer.path, _template(carry))
        return Samples(samples.params, samples.stats, carry.state)


def _template(carry: Any) -> Any:
    """The shapes of the params of one chain."""
    one = lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
    return jax.tree.map(one, carry.state.position)


@contextmanager
def keeper(
    store: Path | str | None,
    dims: Dims | None,
    sampling: Mapping[str, str],
    num_draws: int,
) -> Generator[Keeper]:
    """What keeps the draws of a sampling: a store that is new or holds draws of it, or memory.

    Args:
        store: The path of the store. None: memory.
        dims: Names of axes in the store.
        sampling: The fingerprint of the sampling.
        num_draws: How many draws of each chain are wanted.

    Raises: StoreError if the store holds draws of another sampling, or more than are wanted, or
    another process draws into it.
    """
    if store is None:
        yield InMemory()
        return
    path = Path(store)
    check_folder(path)
    with locked(path):
        begin = SampleWriter if is_free(path) else SampleWriter.resume
        writer = begin(path, dims)
        _check_same(writer, sampling, num_draws)
        if not writer.sampling:
            writer.commit(sampling=sampling)
        with _postponed_interrupt() as interrupt:
            yield InStore(writer, interrupt)


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
