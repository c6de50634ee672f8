"""sample: the one driver of every method, compiled in chunks and sharded over devices."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from onebasin import _trees
from onebasin._arguments import check_is, check_key
from onebasin._types import Array, Key, Params
from onebasin.inference.method import Method, State, Stats
from onebasin.samples import Samples, concatenate_draws


class Progress(NamedTuple):
    """How far sampling has come, told after every chunk.

    Steps count warm-up and thinned-away draws too; rates and shares are over the last chunk.
    """

    phase: str
    num_steps: int
    total_steps: int
    seconds: float
    stats: dict[str, float]

    @property
    def steps_per_second(self) -> float:
        """Steps of each chain in a second, compilation included."""
        return self.num_steps / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """The time left at the present rate."""
        rate = self.steps_per_second
        return (self.total_steps - self.num_steps) / rate if rate > 0 else math.inf


_CPU_BATCH = 2
_CHAIN = PartitionSpec("chain")


class _Carry(NamedTuple):
    state: State
    num_steps: Int[Array, ""]


def set_cpu_devices(num_devices: int) -> None:
    """Split the CPU into devices that chains are sharded over; call it before any JAX computation.

    Raises: RuntimeError where JAX has already computed something.
    """
    jax.config.update("jax_num_cpu_devices", num_devices)


def sample(
    method: Method,
    key: Key,
    positions: Params,
    num_draws: int,
    *,
    thin: int = 1,
    num_chunks: int = 20,
    batch_size: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_chunk: Callable[[Samples], None] | None = None,
) -> Samples:
    """Run a method from each of `positions` (leaves lead with the chain) and collect its draws.

    Warm-up comes first, then `num_draws` draws, `thin` steps apart. Chains are sharded over
    all devices, and `batch_size` of them are vectorized inside each (all on an accelerator;
    two on a CPU, where caches matter more). The work runs in about `num_chunks` compiled
    chunks: `progress` is told after each, `on_chunk` gets each chunk's draws. Draws depend on
    the key alone, not on the chunks.

    Raises: ValueError for counts below 1, or positions that are not finite or disagree in chains.
    """
    check_is("method", method, Method, "Call hmc(logdensity) or another builder of one.")
    check_key(key)
    _check(positions, num_draws, thin, num_chunks)
    num_chains = int(np.shape(jax.tree.leaves(positions)[0])[0])
    num_slots = -(-num_draws // num_chunks)
    chains, carry, keys = _start(method, key, positions, batch_size)
    total = method.num_warmup + num_draws * thin
    done, parts, begin = 0, [], time.perf_counter()
    for phase, lengths in _plan(method.num_warmup, num_draws, thin, num_chunks, num_slots):
        carry, drawn, stats = _run_chunk(chains, method, carry, keys, jnp.asarray(lengths))
        kept = slice(0, int(np.count_nonzero(lengths)))
        take = lambda leaf, kept=kept: np.asarray(leaf)[:num_chains, kept]
        stats = {name: take(values) for name, values in stats.items()}
        done += int(np.sum(lengths))
        if phase == "draws":
            state = jax.tree.map(lambda leaf: np.asarray(leaf)[:num_chains], carry.state)
            parts.append(Samples(jax.tree.map(take, drawn), stats, state))
            if on_chunk is not None:
                on_chunk(parts[-1])
        if progress is not None:
            means = {name: float(np.mean(values)) for name, values in stats.items()}
            progress(Progress(phase, done, total, time.perf_counter() - begin, means))
    return concatenate_draws(parts)


def _check(positions: Params, num_draws: int, thin: int, num_chunks: int) -> None:
    for name, count in {"num_draws": num_draws, "thin": thin, "num_chunks": num_chunks}.items():
        if count < 1:
            raise ValueError(f"{name} must be an int in the range [1, inf). Got {count}.")
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


def _plan(
    num_warmup: int, num_draws: int, thin: int, num_chunks: int, num_slots: int
) -> Iterator[tuple[str, Int[np.ndarray, " slots"]]]:
    """How many steps each slot of each chunk takes; a draw is kept at the end of a slot."""
    per_chunk = max(1, -(-num_warmup // num_chunks))
    for first in range(0, num_warmup, per_chunk):
        lengths = np.zeros(num_slots, np.int32)
        lengths[0] = min(per_chunk, num_warmup - first)
        yield "warmup", lengths
    for first in range(0, num_draws, num_slots):
        lengths = np.zeros(num_slots, np.int32)
        lengths[: min(num_slots, num_draws - first)] = thin
        yield "draws", lengths


class _Chains(NamedTuple):
    """Which devices chains are sharded over, and how many are vectorized inside each."""

    mesh: Mesh
    batch_size: int


def _start(
    method: Method, key: Key, positions: Params, batch_size: int | None
) -> tuple[_Chains, _Carry, Array]:
    """The layout of the chains, their first carry and keys, padded to fill every device."""
    num_chains = int(np.shape(jax.tree.leaves(positions)[0])[0])
    devices = jax.devices()[:num_chains]
    local = -(-num_chains // len(devices))
    # Padding repeats chains: idle devices would wait for the busy ones all the same.
    rows = np.arange(local * len(devices)) % num_chains
    positions = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], positions)
    key_init, key_steps = jax.random.split(key)
    if batch_size is None:
        batch_size = min(local, _CPU_BATCH) if devices[0].platform == "cpu" else local
    chains = _Chains(Mesh(np.array(devices), ("chain",)), batch_size)
    split = lambda k: jax.random.split(k, num_chains)[rows]
    # Placed where a chunk leaves it: the second would be compiled anew otherwise.
    place = NamedSharding(chains.mesh, _CHAIN)
    carry = jax.device_put(_first_carry(method, positions, split(key_init)), place)
    return chains, carry, jax.device_put(split(key_steps), place)


@eqx.filter_jit
def _run_chunk(
    chains: _Chains, method: Method, carry: _Carry, keys: Array, lengths: Int[Array, " slots"]
) -> tuple[_Carry, Params, Stats]:
    arrays, static = eqx.partition(method, eqx.is_array)

    def local_chains(arrays: Method, carry: _Carry, keys: Array, lengths: Array):
        one = partial(_run_chain, eqx.combine(arrays, static), lengths)
        if chains.batch_size == 1:
            return jax.lax.map(lambda x: one(*x), (carry, keys))
        return jax.lax.map(lambda x: one(*x), (carry, keys), batch_size=chains.batch_size)

    everywhere = PartitionSpec()
    specs = (everywhere, _CHAIN, _CHAIN, everywhere)
    sharded = jax.shard_map(
        local_chains, mesh=chains.mesh, in_specs=specs, out_specs=_CHAIN, check_vma=False
    )
    return sharded(arrays, carry, keys, lengths)


@eqx.filter_jit
def _first_carry(method: Method, positions: Params, keys: Array) -> _Carry:
    states = jax.lax.map(lambda x: method.init(*x), (positions, keys))
    # Of the types that a chunk returns, not weak ones: the second would be compiled anew.
    states = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), states)
    return _Carry(states, jnp.zeros(len(keys), jnp.int32))


def _run_chain(
    method: Method, lengths: Int[Array, " slots"], carry: _Carry, key: Key
) -> tuple[_Carry, Params, Stats]:
    shapes = jax.eval_shape(method.step, key, carry.state)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def one_step(_: Any, inner: tuple[_Carry, Stats]) -> tuple[_Carry, Stats]:
        carry, gathered = inner
        state, stats = method.step(jax.random.fold_in(key, carry.num_steps), carry.state)
        return _Carry(state, carry.num_steps + 1), _gather(gathered, stats)

    def one_slot(carry: _Carry, length: Array) -> tuple[_Carry, tuple[Params, Stats]]:
        carry, stats = jax.lax.fori_loop(0, length, one_step, (carry, nothing))
        return carry, (carry.state.position, _finish(stats, length))

    carry, (positions, stats) = jax.lax.scan(one_slot, carry, lengths)
    return carry, positions, stats


def _gather(gathered: Stats, stats: Stats) -> Stats:
    """Over the steps of a slot: divergences are any, acceptance adds up, the rest is the last."""
    combine = {"diverging": jnp.logical_or, "acceptance_rate": jnp.add}
    return {
        name: combine[name](gathered[name], value) if name in combine else value
        for name, value in stats.items()
    }


def _finish(stats: Stats, length: Int[Array, ""]) -> Stats:
    if "acceptance_rate" not in stats:
        return stats
    return {**stats, "acceptance_rate": stats["acceptance_rate"] / jnp.maximum(length, 1)}
