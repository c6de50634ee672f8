"""The compiled program of a method: it runs in chunks of steps, with chains on all devices.

Everything runs one program. How many steps a chunk takes is an argument of it.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from onebasin.diagnostics.converged import Converged
from onebasin.methods.method import Method, State
from onebasin.methods.reductions import (
    Stats,
    after_steps,
    before_steps,
    check_names,
    with_step,
)
from onebasin.store.arrays import most_draws
from onebasin.types import Array, Key, Params

_CPU_BATCH = 2
_CHAIN = PartitionSpec("chain")


class Carry(NamedTuple):
    """What a chunk hands to the next: the states of chains, and how many steps they have taken."""

    state: State
    num_steps: Int[Array, ""]


class Plan(NamedTuple):
    """How the work is done in chunks.

    Args:
        num_warmup: How many steps come before the first draw.
        thin: How many steps each draw takes.
        num_chunks: The approximate number of chunks.
        lengths: The numbers of draws at which a chunk must end. The last is that of all draws.
        multiple: All other chunks end at a multiple of so many draws.
        most_draws: A chunk has at most so many draws, or else `multiple` draws.
    """

    num_warmup: int
    thin: int
    num_chunks: int
    lengths: tuple[int, ...]
    multiple: int
    most_draws: int

    @classmethod
    def of(
        cls,
        method: Method,
        positions: Params,
        num_draws: int,
        thin: int,
        num_chunks: int,
        until: Converged | None,
        chunk_length: int = 1,
    ) -> "Plan":
        """The plan of a sampling. Chunks of a multiple of `chunk_length` draws are kept best.

        The draws of a chunk take at most a few MiB, so that they can be kept in a store at fixed
        memory.
        """
        if until is None:
            lengths, multiple = (num_draws,), 1
        else:
            lengths, multiple = until.lengths(num_draws), until.block
        multiple = chunk_length if chunk_length > 1 else multiple
        leaves = jax.tree.leaves(positions)
        most = most_draws(sum(leaf.size * leaf.dtype.itemsize for leaf in leaves))
        return cls(method.num_warmup, thin, num_chunks, lengths, multiple, most)

    @property
    def num_draws(self) -> int:
        """The most draws of each chain."""
        return self.lengths[-1]

    @property
    def total(self) -> int:
        """The number of steps of each chain."""
        return self.num_warmup + self.num_draws * self.thin

    def num_draws_after(self, num_steps: int) -> int:
        """How many draws each chain has after so many steps."""
        return max(0, num_steps - self.num_warmup) // self.thin

    @property
    def num_slots(self) -> int:
        """How many draws a chunk has room for."""
        num_slots = min(-(-self.num_draws // self.num_chunks), self.lengths[0])
        wanted, most = -(-num_slots // self.multiple), self.most_draws // self.multiple
        return self.multiple * max(1, min(wanted, most))

    @property
    def first_length(self) -> int:
        """How many draws the first chunk of draws has."""
        return min(self.num_slots, self.lengths[0])

    def chunks(self, done: int) -> Iterator[tuple[str, Int[np.ndarray, " slots"]]]:
        """How many steps each slot of each chunk takes, once `done` steps are done.

        A draw is kept at the end of a slot.
        """
        num_slots = self.num_slots
        per_chunk = max(1, -(-self.num_warmup // self.num_chunks))
        for first in range(done, self.num_warmup, per_chunk):
            lengths = np.zeros(num_slots, np.int32)
            lengths[0] = min(per_chunk, self.num_warmup - first)
            yield "warmup", lengths
        first = self.num_draws_after(done)
        while first < self.num_draws:
            at_most = min(length for length in self.lengths if length > first)
            end = min(first + num_slots - first % num_slots, at_most)
            lengths = np.zeros(num_slots, np.int32)
            lengths[: end - first] = self.thin
            yield "draws", lengths
            first = end


class Chains(NamedTuple):
    """Which devices chains are sharded over, and how many are vectorized inside each.

    There may be more rows than chains, so that every device is full. Padding repeats chains: idle
    devices would wait for the busy ones all the same.
    """

    mesh: Mesh
    batch_size: int
    num_chains: int

    @property
    def rows(self) -> Int[np.ndarray, " rows"]:
        """The number of the chain in each row."""
        num_devices = self.mesh.size
        return np.arange(-(-self.num_chains // num_devices) * num_devices) % self.num_chains

    def place(self, tree: Any) -> Any:
        """Chains as rows on their devices.

        A chunk returns this placement. With another one the second chunk is recompiled.
        """
        rows = jax.tree.map(lambda leaf: leaf[self.rows], tree)
        return jax.device_put(rows, NamedSharding(self.mesh, _CHAIN))

    def on_host(self, tree: Any, num_draws: int | None = None) -> Any:
        """Rows as chains on the host; the first draws of each if their number is given."""
        kept = (slice(self.num_chains),) + (() if num_draws is None else (slice(num_draws),))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[kept], tree)


class Program(NamedTuple):
    """What every chunk of a sampling runs: a method, its chains and the keys of their rows."""

    method: Method
    chains: Chains
    keys: Array

    def compile(self, carry: Carry, num_slots: int) -> None:
        """Compile the program, unless it is compiled: run a chunk of no steps."""
        self.time(carry, num_slots, 0)

    def time(self, carry: Carry, num_slots: int, num_steps: int) -> float:
        """The seconds that a number of steps of each chain takes. Their draws are thrown away."""
        lengths = np.zeros(num_slots, np.int32)
        lengths[0] = num_steps
        begin = time.perf_counter()
        jax.block_until_ready(self._run(carry, lengths))
        return time.perf_counter() - begin

    def run(self, carry: Carry, lengths: Int[np.ndarray, " slots"]) -> tuple[Carry, Params, Stats]:
        """The carry after a chunk, on the devices, and its draws and statistics on the host."""
        carry, *drawn = self._run(carry, lengths)
        return carry, *self.chains.on_host(drawn, int(np.count_nonzero(lengths)))

    def _run(self, carry: Carry, lengths: Int[np.ndarray, " slots"]) -> tuple[Carry, Params, Stats]:
        return _run_chunk(self.chains, self.method, carry, self.keys, jnp.asarray(lengths))


def start(
    method: Method, key: Key, positions: Params, batch_size: int | None
) -> tuple[Program, Carry]:
    """The program of a method, and the first carry of the chains on the host."""
    num_chains = int(np.shape(jax.tree.leaves(positions)[0])[0])
    devices = jax.devices()[:num_chains]
    if batch_size is None:
        local = -(-num_chains // len(devices))
        batch_size = min(local, _CPU_BATCH) if devices[0].platform == "cpu" else local
    chains = Chains(Mesh(np.array(devices), ("chain",)), batch_size, num_chains)
    key_init, key_steps = jax.random.split(key)
    positions = jax.tree.map(jnp.asarray, positions)
    carry = _first_carry(method, positions, jax.random.split(key_init, num_chains))
    keys = chains.place(jax.random.split(key_steps, num_chains))
    return Program(method, chains, keys), chains.on_host(carry)


@eqx.filter_jit
def _run_chunk(
    chains: Chains, method: Method, carry: Carry, keys: Array, lengths: Int[Array, " slots"]
) -> tuple[Carry, Params, Stats]:
    arrays, static = eqx.partition(method, eqx.is_array)

    def local_chains(arrays: Method, carry: Carry, keys: Array, lengths: Array):
        run_chain = partial(_run_chain, eqx.combine(arrays, static), lengths)
        if chains.batch_size == 1:
            return jax.lax.map(lambda x: run_chain(*x), (carry, keys))
        return jax.lax.map(lambda x: run_chain(*x), (carry, keys), batch_size=chains.batch_size)

    everywhere = PartitionSpec()
    specs = (everywhere, _CHAIN, _CHAIN, everywhere)
    sharded = jax.shard_map(
        local_chains, mesh=chains.mesh, in_specs=specs, out_specs=_CHAIN, check_vma=False
    )
    return sharded(arrays, carry, keys, lengths)


@eqx.filter_jit
def _first_carry(method: Method, positions: Params, keys: Array) -> Carry:
    states = jax.lax.map(lambda x: method.init(x[0], key=x[1]), (positions, keys))
    # The states have the types that a chunk returns, not weak ones, for the same reason.
    states = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), states)
    return Carry(states, jnp.zeros(len(keys), jnp.int32))


def _run_chain(
    method: Method, lengths: Int[Array, " slots"], carry: Carry, key: Key
) -> tuple[Carry, Params, Stats]:
    shapes = jax.eval_shape(method.step, carry.state, key=key)[1]
    check_names(method.reduce_stats, shapes)
    nothing = before_steps(method.reduce_stats, shapes)

    def take_step(number: Array, inner: tuple[Carry, Stats]) -> tuple[Carry, Stats]:
        carry, reduced = inner
        state, stats = method.step(carry.state, key=jax.random.fold_in(key, carry.num_steps))
        reduced = with_step(method.reduce_stats, reduced, stats, number == 0)
        return Carry(state, carry.num_steps + 1), reduced

    def fill_slot(carry: Carry, length: Array) -> tuple[Carry, tuple[Params, Stats]]:
        carry, reduced = jax.lax.fori_loop(0, length, take_step, (carry, nothing))
        stats = after_steps(method.reduce_stats, reduced, length)
        return carry, (carry.state.position, stats)

    carry, (positions, stats) = jax.lax.scan(fill_slot, carry, lengths)
    return carry, positions, stats
