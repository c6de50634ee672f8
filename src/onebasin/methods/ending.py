"""When a sampling ends: at the most draws, once they have converged, or when its time is spent."""

import json
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from onebasin.diagnostics.converged import (
    MAX_QUANTITIES,
    Converged,
    convergence,
    evenly_spaced,
)
from onebasin.samples import Samples


class Ending:
    """Decides after each chunk of draws whether a sampling ends there.

    What it decides by is its `record`, which is committed with the draws: the time of the sampling
    so far, and what the last check found. So a sampling that goes on from a store ends at the same
    draw as one that was never cut off.

    Args:
        until: When draws have converged. None: they are not checked.
        budget: The most seconds of the sampling, in all calls together. None: no limit.
        lengths: The numbers of draws of each chain at which draws are checked. The last is that of
            the most draws.
        begin: When this call began, by `time.perf_counter`.
    """

    def __init__(
        self,
        until: Converged | None,
        budget: float | None,
        lengths: tuple[int, ...],
        begin: float,
    ) -> None:
        self._until, self._budget, self._lengths, self._begin = until, budget, lengths, begin
        self.num_draws = 0
        self.found: dict[str, float | None] | None = None
        """What the check of all draws so far found. None if they were not checked."""
        self._seconds = self._seconds_before = 0.0
        self._values: list[Checked] = []

    def resume(self, record: str | None, num_draws: int) -> None:
        """Go on after so many draws, with the record that was committed with them."""
        known = json.loads(record) if record else {}
        self.num_draws = num_draws
        self._seconds = self._seconds_before = known.get("seconds", 0.0)
        if self._until is not None and known.get("num_draws") == num_draws:
            self.found = known["found"]

    @property
    def record(self) -> str:
        """What it decides by, in JSON. Numbers are read back as they were."""
        known = {"seconds": self._seconds, "num_draws": self.num_draws, "found": self.found}
        return json.dumps(known)

    @property
    def is_unchecked(self) -> bool:
        """Whether the draws so far must be checked and were not."""
        is_due = self.num_draws in self._lengths or (self.is_spent and self.num_draws > 0)
        return self._until is not None and is_due and self.found is None

    @property
    def is_spent(self) -> bool:
        """Whether the time is spent."""
        return self._budget is not None and self._seconds >= self._budget

    @property
    def is_reached(self) -> bool:
        """Whether the sampling ends at the draws so far."""
        if self.num_draws >= self._lengths[-1] or self.is_spent:
            return True
        if self._until is None or self.found is None or self.num_draws not in self._lengths:
            return False
        return self._until.problem(self.found) is None

    def see_stored(self, stored: Samples) -> None:
        """Take the draws that a store held before, and check them if a check is due."""
        self._see(stored, 0)

    def see(self, samples: Samples | None) -> None:
        """Take the time and the draws of a chunk, if it has any; check draws if a check is due."""
        self._seconds = self._seconds_before + time.perf_counter() - self._begin
        if samples is None:
            return
        first, self.found = self.num_draws, None
        self.num_draws += samples.num_draws
        self._see(samples, first)

    def _see(self, samples: Samples, first_draw: int) -> None:
        if self._until is None:
            return
        self._values += checked(self._until, samples, first_draw)
        if self.is_unchecked:
            self.found = found_in(self._values)


class Checked(NamedTuple):
    """What is checked of some draws. `lp` is their log density, if it comes beside quantities."""

    quantities: Float[np.ndarray, "chain draw quantity"]
    lp: Float[np.ndarray, "chain draw 1"] | None = None


def checked(until: Converged, samples: Samples, first_draw: int = 0) -> list[Checked]:
    """What is checked of draws of which the first is draw `first_draw`, in blocks of draws.

    Raises: ValueError if `quantities` gives an array of another shape than (chain, draw, quantity).
    """
    ends = range(until.block - first_draw % until.block, samples.num_draws, until.block)
    cuts = [0, *ends, samples.num_draws]
    return [_of_block(until, _between(samples, first, end)) for first, end in pairwise(cuts)]


def _of_block(until: Converged, block: Samples) -> Checked:
    lp = np.asarray(block.stats["lp"], np.float64)[..., None] if "lp" in block.stats else None
    if until.quantities is None:
        assert lp is not None  # `sample` has refused to check nothing
        return Checked(lp)
    values = np.asarray(until.quantities(block))
    shape = (block.num_chains, block.num_draws)
    if values.ndim != 3 or values.shape[:2] != shape:
        raise ValueError(
            f"quantities must give an array (chain, draw, quantity), here {shape} and one more "
            f"axis. Got {values.shape}. Reshape what it returns."
        )
    return Checked(np.asarray(evenly_spaced(values, MAX_QUANTITIES), np.float64), lp)


def _between(samples: Samples, first: int, end: int) -> Samples:
    take = lambda leaf: leaf[:, first:end]
    return Samples(jax.tree.map(take, samples.params), jax.tree.map(take, samples.stats))


def found_in(blocks: Sequence[Checked]) -> dict[str, float | None]:
    """What a check of blocks of draws finds, for `Converged.problem`."""
    found = convergence(np.concatenate([block.quantities for block in blocks], axis=1))
    lps = [block.lp for block in blocks if block.lp is not None]
    if lps:
        found["rhat_lp"] = convergence(np.concatenate(lps, axis=1))["rhat_max"]
    return found
