"""The studies of the paper by name: how each is measured, and what that depends on."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

from onebasin.run.cache import Key
from onebasin.run.setup import Monitor
from onebasin.studies.claims import Findings
from onebasin.studies.compact.measure import compact
from onebasin.studies.compare.measure import compare
from onebasin.studies.dynamics.measure import dynamics, dynamics_key
from onebasin.studies.names import Scale
from onebasin.studies.pruning.measure import pruning, pruning_key
from onebasin.studies.runs import runs_key
from onebasin.studies.transpositions.measure import transpositions, transpositions_key


class Study(NamedTuple):
    """What a study of a scale depends on, and how it is measured."""

    key: Callable[[Scale], Key]
    measure: Callable[[Scale, Monitor], Findings]


def studies_in(out: Path, again: Collection[str] = ()) -> dict[str, Study]:
    """Every study, in the order they are taken; long ones keep their parts in `out`.

    The parts of those in `again` are made anew. `compare` reads the runs of `compact`, which are
    made once for both.
    """
    runs, cells = out / "compact" / "runs", out / "pruning" / "cells"
    of_runs = partial(compact, runs, again="compact" in again)
    correlations = partial(compare, runs, again="compare" in again and "compact" not in again)
    return {
        "transpositions": Study(transpositions_key, transpositions),
        "dynamics": Study(dynamics_key, dynamics),
        "compact": Study(runs_key, of_runs),
        "compare": Study(runs_key, correlations),
        "pruning": Study(pruning_key, partial(pruning, cells, again="pruning" in again)),
    }
