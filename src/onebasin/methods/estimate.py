"""What a sampling will take: time, disk and memory, told before it starts."""

from typing import NamedTuple

from onebasin.diagnostics import Converged
from onebasin.methods.checks import check_sampling
from onebasin.methods.chunks import Plan, start
from onebasin.methods.fingerprint import lower_first_step
from onebasin.methods.method import Method
from onebasin.methods.sizes import Sizes
from onebasin.types import Key, Params

_ENOUGH_SECONDS = 0.2


class Estimate(NamedTuple):
    """What a sampling will take, as `estimate` finds it.

    `seconds` are those of all steps of all chains, the compilation left out. `disk_bytes` is the
    size of a store of all draws. `memory_bytes` is the size of all draws in memory.

    Examples:
        >>> found = ob.methods.Estimate(5400.0, disk_bytes=3 * 10**9, memory_bytes=3 * 10**9)
        >>> print(f"{found.seconds / 60:.0f} minutes, {found.disk_bytes / 1e9:.1f} GB")
        90 minutes, 3.0 GB
    """

    seconds: float
    disk_bytes: int
    memory_bytes: int


def estimate(
    method: Method,
    positions: Params,
    num_draws: int,
    *,
    key: Key,
    thin: int = 1,
    num_chunks: int = 20,
    batch_size: int | None = None,
    until: Converged | None = None,
) -> Estimate:
    """What `sample` with the same arguments will take: time, disk and memory.

    It compiles the program and times its first steps for a fifth of a second, or one step if that
    takes longer. Their draws are thrown away. `sample` does not compile the program again. If later
    steps take longer than the first, as they may with `nuts`, so does the sampling. The time of
    writing to a disk is not counted.

    Args:
        method: The method that draws.
        positions: The starts of the chains.
        num_draws: The number of draws that each chain keeps, 1 or more. With `until`, the most.
        key: The random key. The draws of `sample` with this key do not change.
        thin: The number of steps between kept draws, 1 or more. Default: 1.
        num_chunks: The approximate number of parts in which the work is done. Default: 20.
        batch_size: The number of chains of a device that are vectorized. Default: as in `sample`.
        until: When draws have converged. What is told is of the most draws. Default: None.

    Raises:
        TypeError: If the method or the key is something else.
        ValueError: If a count is below 1, or positions are not finite or disagree in their chains.

    Examples:
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> found = ob.methods.estimate(method, positions, num_draws=1000, key=key)
        >>> print(f"{found.memory_bytes / 1e6:.1f} MB")  # of 610 weights and their statistics
        4.9 MB
    """
    counts = {"num_draws": num_draws, "thin": thin, "num_chunks": num_chunks}
    check_sampling(method, positions, key, until, None, None, **counts, batch_size=batch_size)
    plan = Plan.of(method, positions, num_draws, thin, num_chunks, until)
    program, carry = start(method, key, positions, batch_size)
    carry = program.chains.place(carry)
    program.compile(carry, plan.num_slots)
    num_steps, seconds = 1, program.time(carry, plan.num_slots, 1)
    while seconds < _ENOUGH_SECONDS and num_steps < plan.total:
        num_steps = min(4 * num_steps, plan.total)
        seconds = program.time(carry, plan.num_slots, num_steps)
    sizes = Sizes.of(method, lower_first_step(method, positions, key), program.chains.num_chains)
    return Estimate(
        seconds / num_steps * plan.total,
        sizes.on_disk(num_draws, plan.first_length),
        num_draws * sizes.draw,
    )
