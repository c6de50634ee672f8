"""sample: the one driver of every method, which ends by number, by convergence or by time."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from onebasin.diagnostics import Converged
from onebasin.methods.checks import check_checkable, check_moved, check_sampling
from onebasin.methods.chunks import Carry, Plan, Program, start
from onebasin.methods.ending import Ending
from onebasin.methods.fingerprint import fingerprint, lower_first_step
from onebasin.methods.keeping import Keeper, keeper
from onebasin.methods.method import Method
from onebasin.methods.progress import Progress
from onebasin.methods.sizes import Sizes, check_room
from onebasin.samples import Samples
from onebasin.types import Key, Params

__all__ = ["Progress", "sample", "set_cpu_devices"]


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
    until: Converged | None = None,
    budget: float | None = None,
) -> Samples:
    """Draws of a method, by one chain from each starting position, with their statistics.

    The warm-up comes first, then draws. Chains are sharded over all devices. Draws depend on the
    key alone, not on the number of chunks, and on the number of devices, chains and chains at once
    only by rounding.

    With a `store`, the draws of each chunk and the state of the chains are on the disk before the
    next chunk begins. After a crash, the same call goes on from there, and its draws are those of a
    call that was never cut off, bit for bit on the same machine. Ctrl-C ends the current chunk
    first; a second one does not wait. A larger `num_draws` goes on with a finished store.

    With `until`, `num_draws` is the most draws. Draws are checked at `until.least_draws` of each
    chain, at twice as many and so on, and at `num_draws`. Sampling ends at the first check that is
    passed; the draws are those of a call without `until`, up to there. `samples.convergence` is
    what the last check found: `until.problem(samples.convergence)` is None if the draws have
    converged. A store keeps what the check found, so the same call ends at the same draw.

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
            call with the same arguments began it. Memory does not grow with `num_draws` then.
            Default: draws are kept in memory.
        dims: Names for the axes of leaves in the store, as `SampleWriter` takes them.
            `ob.store.dims_of(symmetry)` names those of hidden units. Default: paths and numbers.
        until: When draws have converged, such as `ob.diagnostics.Converged(quantities=...)`.
            Default: `num_draws` are drawn, and not checked.
        budget: The most seconds of wall clock, those of the compilation among them, positive.
            Sampling ends after the chunk in which they are spent, converged or not; with `until`,
            the draws are checked then. The calls that fill a store have one budget together: the
            same call with a larger one goes on, bit for bit. Default: no limit.

    Returns:
        The draws on the host, in the order in which they came, the statistics that `method` names,
        the last state of every chain, and with `until` what the last check found. Draws in a store
        stay there and are read when they are used, as from `load_samples`.

    Raises:
        TypeError: If the method or the key is something else.
        ValueError: If a count is below 1, positions are not finite or disagree in their chains, or
            the method reduces a statistic that it does not give; if `dims` do not fit the
            positions; if `until` has nothing to check;
            or if no chain has moved in the warm-up, or in the first 50 steps of all chains together
            if they are more.
        StoreError: If the store holds draws of other arguments, or more than `num_draws`, or is
            damaged, or cannot hold the dtype of a leaf; if another process draws into it; or if
            the disk has no room for all draws.
        TimeoutError: If the budget is spent before the first draw.
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
    begin = time.perf_counter()
    counts = {"num_draws": num_draws, "thin": thin, "num_chunks": num_chunks}
    stored = None if store is None else dims or {}
    check_sampling(method, positions, key, until, budget, stored, **counts, batch_size=batch_size)
    is_simple = store is None and until is None
    first_step = None if is_simple else lower_first_step(method, positions, key)
    if until is not None and first_step is not None:
        check_checkable(until, first_step.out_info[1])
    sampling: dict[str, str] = {}
    if store is not None and first_step is not None:
        sampling = fingerprint(method, positions, thin, key, first_step)
    with keeper(store, dims, sampling, num_draws) as kept:
        plan = Plan.of(method, positions, num_draws, thin, num_chunks, until, kept.chunk_length)
        ending = Ending(until, budget, plan.lengths, begin)
        program, starts = start(method, key, positions, batch_size)
        run = _Run(program, plan, ending, kept, starts, progress, on_chunk, transform)
        carry = run.resumed()
        if store is not None and first_step is not None and not ending.is_reached:
            sizes = Sizes.of(method, first_step, program.chains.num_chains)
            length = kept.chunk_length if ending.num_draws else plan.first_length
            check_room(Path(store), sizes, num_draws - ending.num_draws, length)
        carry = carry if ending.is_reached else run.to_the_end(carry)
        return run.samples(carry)


@dataclass
class _Run:
    """One call of `sample`: what it runs, where its draws go, and who listens."""

    program: Program
    plan: Plan
    ending: Ending
    kept: Keeper
    starts: Carry
    progress: Callable[[Progress], None] | None
    on_chunk: Callable[[Samples], None] | None
    transform: Callable[[Samples], Samples] | None
    begin: float = 0.0
    resumed_steps: int = 0

    def resumed(self) -> Carry:
        """The carry from which the run goes on, whose draws count for its end."""
        carry, ending = self.kept.resumed(self.starts), self.ending
        self.resumed_steps = int(carry.num_steps[0])
        ending.resume(self.kept.record, self.plan.num_draws_after(self.resumed_steps))
        if ending.is_unchecked or (ending.num_draws and not ending.is_reached):
            ending.see_stored(self.kept.stored(self.starts))
        return carry

    def to_the_end(self, carry: Carry) -> Carry:
        """Compile, and run chunk after chunk until the sampling ends; the last carry."""
        done, has_moved = self.resumed_steps, False
        self._tell("compiling", done, {})
        on_devices = self.program.chains.place(carry)
        self.program.compile(on_devices, self.plan.num_slots)
        self.begin = time.perf_counter()
        for phase, lengths in self.plan.chunks(done):
            on_devices, params, stats = self.program.run(on_devices, lengths)
            carry, samples = self.program.chains.on_host(on_devices), None
            done += int(np.sum(lengths))
            if not has_moved and done >= self.plan.num_warmup:
                first, now = self.starts.state.position, carry.state.position
                has_moved = check_moved(first, now, done, stats)
            if phase == "draws":
                samples = Samples(params, stats, carry.state)
                samples = samples if self.transform is None else self.transform(samples)
            self.ending.see(samples)
            self.kept.keep(samples, carry, self.ending.record)
            if self.on_chunk is not None and samples is not None:
                self.on_chunk(samples)
            means = {name: float(np.mean(values)) for name, values in stats.items()}
            self._tell(phase, done, means)
            if self.ending.found is not None:
                self._tell("check", done, self.ending.found)
            if self.ending.is_reached:
                break
        return carry

    def samples(self, carry: Carry) -> Samples:
        """All draws, `carry` being the last."""
        if self.ending.num_draws == 0:
            raise TimeoutError(
                "The budget must suffice for the warm-up and a chunk of draws. It was spent after "
                f"{int(carry.num_steps[0])} of {self.plan.num_warmup} steps of the warm-up. Raise "
                "budget; with a store, the sampling goes on."
            )
        return dataclasses.replace(self.kept.all_draws(carry), convergence=self.ending.found)

    def _tell(self, phase: str, done: int, stats: Mapping[str, float | None]) -> None:
        if self.progress is not None:
            known = {name: value for name, value in stats.items() if value is not None}
            seconds = 0.0 if phase == "compiling" else time.perf_counter() - self.begin
            total, resumed = self.plan.total, self.resumed_steps
            self.progress(Progress(phase, done, total, seconds, known, resumed))
