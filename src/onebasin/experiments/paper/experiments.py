"""The experiments by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from onebasin.experiments.paper.compact import compact
from onebasin.experiments.paper.compare import compare
from onebasin.experiments.paper.dynamics import dynamics
from onebasin.experiments.paper.findings import Findings, Scale
from onebasin.experiments.paper.prune import prune
from onebasin.experiments.paper.transpositions import transpositions
from onebasin.experiments.setup import Monitor

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
