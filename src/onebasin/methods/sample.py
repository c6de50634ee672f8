"""sample: the one driver of every method, compiled in chunks and sharded over devices."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from onebasin import _trees
from onebasin._arguments import check_count, check_is, check_key
from onebasin.methods.fingerprint import fingerprint
from onebasin.methods.keeping import Keeper, keeper
from onebasin.methods.method import Method, State
from onebasin.methods.reductions import (
    Stats,
    after_steps,
    before_steps,
    check_names,
    with_step,
)
from onebasin.samples import Samples
from onebasin.types import Array, Key, Params


class Progress(NamedTuple):
    """How far sampling has come after a chunk of steps.

    `phase` is "warmup" or "draws". `num_steps` of `total_steps` steps of each chain are done,
    those of the warm-up and thinned-away draws among them, in `seconds`. `stats` are the
    statistics of the last chunk by name, reduced as the method says and averaged over its chains
    and draws. `resumed_steps` of the steps were done by earlier calls, whose store this one goes on
    with.

    Examples:
        >>> def listen(progress):
        ...     print(progress.phase, progress.num_steps, "of", progress.total_steps)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> drawn = ob.sample(method, positions, 10, num_chunks=2, progress=listen, key=key)
        warmup 5 of 20
        warmup 10 of 20
        draws 15 of 20
        draws 20 of 20
    """

    phase: str
    num_steps: int
    total_steps: int
    seconds: float
    stats: dict[str, float]
    resumed_steps: int = 0

    @property
    def steps_per_second(self) -> float:
        """Steps of each chain in a second, compilation included."""
        num_steps = self.num_steps - self.resumed_steps
        return num_steps / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """The time left at the present rate, in seconds."""
        rate = self.steps_per_second
        return (self.total_steps - self.num_steps) / rate if rate > 0 else math.inf


_CPU_BATCH = 2
_CHAIN = PartitionSpec("chain")


class _Carry(NamedTuple):
    state: State
    num_steps: Int[Array, ""]


def set_cpu_devices(num_devices: int) -> None:
    """Split the CPU into devices that chains are sharded over.

    Without it a CPU is one device, which runs chains one after another. Call it before any
    computation of JAX. The number of cores is a common choice.

    Raises:
        RuntimeError: If JAX has already computed something.

    Examples:
        >>> ob.methods.set_cpu_devices(4)  # doctest: +SKIP
    """
    jax.config.update("jax_num_cpu_devices", num_devices)


def sample(
    method: Method,
    positions: Params,
    num_draws: int,
    *,
    key: Key,
    thin: int = 1,
    num_chunks: int = 20,
    batch_size: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_chunk: Callable[[Samples], None] | None = None,
    transform: Callable[[Samples], Samples] | None = None,
    store: Path | str | None = None,
    dims: Mapping[str, tuple[str | None, ...]] | None = None,
) -> Samples:
    """Draws of a method, by one chain from each starting position, with their statistics.

    The warm-up comes first, then draws. Chains are sharded over all devices. Draws depend on the
    key alone, not on the number of chunks, and on the number of devices, chains and chains at once
    only by rounding.

    With a `store`, the draws of each chunk and the state of the chains are on the disk before the
    next chunk begins. After a crash, the same call goes on from there, and its draws are those of a
    call that was never cut off, bit for bit on the same machine. Ctrl-C ends the current chunk
    first; a second one does not wait. A larger `num_draws` goes on with a finished store.

    Args:
        method: The method that draws, such as `hmc(logdensity)`.
        positions: The starts of the chains: params whose first axis is the chain, as from `inits`.
        num_draws: The number of draws that each chain keeps, 1 or more.
        key: The random key of everything. Each chain gets its own key.
        thin: The number of steps between kept draws, 1 or more. The statistics of all steps since
            the last draw are reduced to one number each, by `method.reduce_stats`. Default: 1,
            every step is a draw.
        num_chunks: The approximate number of parts in which the work is done, 1 or more. All parts
            run one compiled program, and progress is reported between them. Default: 20.
        batch_size: The number of chains of a device that are vectorized, 1 or more. Default: all
            on an accelerator, and 2 on a CPU, because caches matter more there.
        progress: Called after each chunk with a `Progress`.
        on_chunk: Called with the draws of each chunk, those that a store held before left out.
        transform: Called with the draws of each chunk; its result is kept in their place, for
            instance with statistics of BatchNorm that belong to the weights. It must return as many
            draws of the same leaves and shapes. Default: draws are kept as they are.
        store: The path of a store, for draws that must survive a crash. It is new, or an earlier
            call with the same arguments began it. A part of the work then has at most 4 MiB of
            draws, and memory does not grow with `num_draws`. Default: draws are kept in memory.
        dims: Names for the axes of leaves in the store, as `SampleWriter` takes them.
            `ob.store.dims_of(symmetry)` names those of hidden units. Default: paths and numbers.

    Returns:
        The draws on the host, in the order in which they came, the statistics that `method` names,
        and the last state of every chain. Draws in a store stay there and are read when they are
        used, as from `load_samples`.

    Raises:
        TypeError: If the method or the key is something else.
        ValueError: If a count is below 1, positions are not finite or disagree in their chains, the
            method reduces a statistic that it does not give, or `dims` do not fit the positions.
        StoreError: If the store holds draws of other arguments, or more than `num_draws`, or is
            damaged, or cannot hold the dtype of a leaf; if another process draws into it; or if
            the disk takes no more.
        KeyboardInterrupt: After Ctrl-C, once the current chunk is in the store.

    Examples:
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> samples.params["out"]["bias"].shape, samples.stats["diverging"].shape
        ((2, 10, 10), (2, 10))
        >>> half = ob.sample(method, positions, num_draws=5, store="long.zarr", key=key)
        >>> longer = ob.sample(method, positions, num_draws=10, store="long.zarr", key=key)
        >>> bool((longer.stats["lp"] == samples.stats["lp"]).all())
        True
    """
    check_is("method", method, Method, "Call hmc(logdensity) or another builder of one.")
    _check_counts(num_draws=num_draws, thin=thin, num_chunks=num_chunks, batch_size=batch_size)
    _check_start(positions, key)
    sampling = partial(fingerprint, method, positions, thin, key)
    with keeper(store, dims, positions, sampling, num_draws) as kept:
        plan = _Plan(method.num_warmup, num_draws, thin, num_chunks, kept)
        chains, carry, keys = _start(method, key, positions, batch_size)
        carry = chains.place(kept.resumed(carry))
        resumed = done = int(carry.num_steps[0])
        begin = time.perf_counter()
        for phase, lengths in plan.chunks(done):
            carry, *drawn = _run_chunk(chains, method, carry, keys, jnp.asarray(lengths))
            done += int(np.sum(lengths))
            params, stats = chains.on_host(drawn, int(np.count_nonzero(lengths)))
            on_host, samples = chains.on_host(carry), None
            if phase == "draws":
                samples = (transform or _as_drawn)(Samples(params, stats, on_host.state))
            kept.keep(samples, on_host)
            if on_chunk is not None and samples is not None:
                on_chunk(samples)
            if progress is not None:
                means = {name: float(np.mean(values)) for name, values in stats.items()}
                seconds = time.perf_counter() - begin
                progress(Progress(phase, done, plan.total, seconds, means, resumed))
        return kept.all_draws(chains.on_host(carry))


def _as_drawn(samples: Samples) -> Samples:
    return samples


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None:
            check_count(name, count)


def _check_start(positions: Params, key: Key) -> None:
    check_key(key)
    leaves = _trees.named_leaves(positions)
    chains = {name: np.shape(leaf)[:1] for name, leaf in leaves.items()}
    if len(set(chains.values())) != 1 or () in chains.values():
        raise ValueError(
            f"Every leaf of positions must lead with the same chain axis. Got {chains}. "
            "Stack one position for each chain."
        )
    for name, leaf in leaves.items():
        if not np.isfinite(np.asarray(leaf)).all():
            raise ValueError(f"positions must be finite. Got NaN or infinity in {name}.")


class _Plan(NamedTuple):
    """How the work is done in chunks, which have as many draws as what keeps them can take."""

    num_warmup: int
    num_draws: int
    thin: int
    num_chunks: int
    kept: Keeper

    @property
    def total(self) -> int:
        """The number of steps of each chain."""
        return self.num_warmup + self.num_draws * self.thin

    def chunks(self, done: int) -> Iterator[tuple[str, Int[np.ndarray, " slots"]]]:
        """How many steps each slot of each chunk takes, once `done` steps are done.

        A draw is kept at the end of a slot.
        """
        num_slots = -(-self.num_draws // self.num_chunks)
        num_slots = -(-num_slots // self.kept.chunk_length) * self.kept.chunk_length
        num_slots = min(num_slots, self.kept.most_draws)
        per_chunk = max(1, -(-self.num_warmup // self.num_chunks))
        for first in range(done, self.num_warmup, per_chunk):
            lengths = np.zeros(num_slots, np.int32)
            lengths[0] = min(per_chunk, self.num_warmup - first)
            yield "warmup", lengths
        first = max(0, done - self.num_warmup) // self.thin
        while first < self.num_draws:
            end = min(first + num_slots - first % num_slots, self.num_draws)
            lengths = np.zeros(num_slots, np.int32)
            lengths[: end - first] = self.thin
            yield "draws", lengths
            first = end


class _Chains(NamedTuple):
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


def _start(
    method: Method, key: Key, positions: Params, batch_size: int | None
) -> tuple[_Chains, _Carry, Array]:
    """The layout of the chains, their first carry on the host, and the keys of their rows."""
    num_chains = int(np.shape(jax.tree.leaves(positions)[0])[0])
    devices = jax.devices()[:num_chains]
    if batch_size is None:
        local = -(-num_chains // len(devices))
        batch_size = min(local, _CPU_BATCH) if devices[0].platform == "cpu" else local
    chains = _Chains(Mesh(np.array(devices), ("chain",)), batch_size, num_chains)
    key_init, key_steps = jax.random.split(key)
    positions = jax.tree.map(jnp.asarray, positions)
    carry = _first_carry(method, positions, jax.random.split(key_init, num_chains))
    keys = chains.place(jax.random.split(key_steps, num_chains))
    return chains, chains.on_host(carry), keys


@eqx.filter_jit
def _run_chunk(
    chains: _Chains, method: Method, carry: _Carry, keys: Array, lengths: Int[Array, " slots"]
) -> tuple[_Carry, Params, Stats]:
    arrays, static = eqx.partition(method, eqx.is_array)

    def local_chains(arrays: Method, carry: _Carry, keys: Array, lengths: Array):
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
def _first_carry(method: Method, positions: Params, keys: Array) -> _Carry:
    states = jax.lax.map(lambda x: method.init(x[0], key=x[1]), (positions, keys))
    # The states have the types that a chunk returns, not weak ones, for the same reason.
    states = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), states)
    return _Carry(states, jnp.zeros(len(keys), jnp.int32))


def _run_chain(
    method: Method, lengths: Int[Array, " slots"], carry: _Carry, key: Key
) -> tuple[_Carry, Params, Stats]:
    shapes = jax.eval_shape(method.step, carry.state, key=key)[1]
    check_names(method.reduce_stats, shapes)
    nothing = before_steps(method.reduce_stats, shapes)

    def take_step(number: Array, inner: tuple[_Carry, Stats]) -> tuple[_Carry, Stats]:
        carry, reduced = inner
        state, stats = method.step(carry.state, key=jax.random.fold_in(key, carry.num_steps))
        reduced = with_step(method.reduce_stats, reduced, stats, number == 0)
        return _Carry(state, carry.num_steps + 1), reduced

    def fill_slot(carry: _Carry, length: Array) -> tuple[_Carry, tuple[Params, Stats]]:
        carry, reduced = jax.lax.fori_loop(0, length, take_step, (carry, nothing))
        stats = after_steps(method.reduce_stats, reduced, length)
        return carry, (carry.state.position, stats)

    carry, (positions, stats) = jax.lax.scan(fill_slot, carry, lengths)
    return carry, positions, stats
