"""The experiments by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from onebasin.run.setup import Monitor
from onebasin.studies.claims import Findings, Scale
from onebasin.studies.compact.measure import compact
from onebasin.studies.compare.measure import compare
from onebasin.studies.dynamics.measure import dynamics
from onebasin.studies.pruning.measure import prune
from onebasin.studies.transpositions.measure import transpositions

Experiment = Callable[[Scale, Monitor], Findings]


def experiments_in(out: Path) -> dict[str, Experiment]:
    """Every experiment, in the order they are taken; long ones keep their parts in `out`."""
    runs = out / "compact" / "runs"
    return {
        "transpositions": transpositions,
        "dynamics": dynamics,
        "compact": partial(compact, runs),
        "compare": partial(compare, runs),
        "prune": partial(prune, out / "prune" / "cells"),
    }
