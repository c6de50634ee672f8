"""What a sampler of the comparison gives: draws, what they cost, and how long they took."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import onebasin as ob
from onebasin.methods import Method, Progress
from onebasin.methods.reductions import Stats
from onebasin.types import Key, LogDensity, Params


class Drawn(NamedTuple):
    """Draws, the gradients of all chains (warm-up counted), and the seconds they would take.

    `seconds` leaves compiling out: they are the gradients times the time for one, which is
    measured after the first chunk. `health` holds acceptance rate, step size and divergences.
    """

    samples: ob.Samples
    num_gradients: float
    seconds: float
    health: dict[str, float]


_NUM_CHUNKS = 20

Sampler = Callable[[LogDensity, Params, Key], Drawn]
"""From a log density, starts of chains and a key to draws."""


def draw(method: Method, positions: Params, num_draws: int, *, thin: int = 1, key: Key) -> Drawn:
    """Draws of a method of ours, whose statistics count gradients as `n_steps`."""
    told: list[tuple[float, Progress]] = []
    samples = ob.sample(
        method,
        positions,
        num_draws,
        thin=thin,
        num_chunks=_NUM_CHUNKS,
        progress=lambda progress: told.append((time.perf_counter(), progress)),
        key=key,
    )
    num_chains = samples.num_chains
    warmup = sum(p.stats["n_steps"] for _, p in told if p.phase == "warmup")
    draws = float(np.mean(np.sum(samples.stats["n_steps"], axis=1)))
    # Chunks are timed from the end of the first on. The last one may be shorter.
    times, chunks = zip(*[(t, p) for t, p in told if p.phase == "draws"][:-1], strict=True)
    timed = sum(p.stats["n_steps"] for p in chunks[1:]) * -(-num_draws // _NUM_CHUNKS)
    seconds = times[-1] - times[0]
    return Drawn(
        samples,
        num_chains * (warmup + draws),
        seconds / timed * (warmup + draws),
        health_of(samples.stats),
    )


def health_of(stats: Stats) -> dict[str, float]:
    """The means of what is known of a sampler's health."""
    names = ("acceptance_rate", "step_size", "diverging", "n_steps")
    return {name: float(np.mean(stats[name])) for name in names if name in stats}
