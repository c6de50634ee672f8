"""When a sampling ends: at the most draws, once they have converged, or when its time is spent."""

import json
import time

from onebasin.diagnostics.converged import Checked, Converged
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
        self._values += self._until.values(samples, first_draw)
        if self.is_unchecked:
            self.found = self._until.found(self._values)
