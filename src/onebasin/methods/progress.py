"""Progress: what `sample` says of itself after every chunk of steps."""

import math
from typing import NamedTuple


class Progress(NamedTuple):
    """How far sampling has come.

    `phase` is "compiling", "warmup", "draws" or "check". `num_steps` of `total_steps` steps of each
    chain are done, those of the warm-up and thinned-away draws among them, in `seconds`, the time
    of the compilation left out. `resumed_steps` of the steps were done by earlier calls, whose
    store this one goes on with.

    "compiling" comes before the program is compiled. "warmup" and "draws" come after each chunk of
    steps; `stats` are the statistics of the chunk by name, reduced as the method says and averaged
    over its chains and draws. "check" comes after a check of convergence, and `stats` are what
    `ob.diagnostics.convergence` found of all draws, such as `rhat_max` and `ess_min`, without the
    numbers that could not be computed. `total_steps` are those of the most draws.

    Examples:
        >>> def listen(progress):
        ...     print(progress.phase, progress.num_steps, "of", progress.total_steps)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> drawn = ob.sample(method, positions, 10, num_chunks=2, progress=listen, key=key)
        compiling 0 of 20
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
        """Steps of each chain in a second, compilation left out."""
        num_steps = self.num_steps - self.resumed_steps
        return num_steps / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """The time left at the present rate, in seconds. With `until`, it may be less."""
        rate = self.steps_per_second
        return (self.total_steps - self.num_steps) / rate if rate > 0 else math.inf
