"""The studies with claims by name: how each is measured, and what its numbers depend on."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

from onebasin.run.cache import Key
from onebasin.run.setup import ProgressCallback
from onebasin.studies.claims import Findings
from onebasin.studies.compact import measure as compact
from onebasin.studies.compare import measure as compare
from onebasin.studies.dynamics import measure as dynamics
from onebasin.studies.knowledge import measure as knowledge
from onebasin.studies.names import Scale
from onebasin.studies.pruning import measure as pruning
from onebasin.studies.runs import runs_key
from onebasin.studies.tables import Columns
from onebasin.studies.transpositions import measure as transpositions

TABLES: dict[str, dict[str, Columns]] = {
    "transpositions": transpositions.TABLES,
    "dynamics": dynamics.TABLES,
    "compact": compact.TABLES,
    "compare": compare.TABLES,
    "pruning": pruning.TABLES,
    "knowledge": knowledge.TABLES,
}
"""The tables of each study with their columns."""


class Study(NamedTuple):
    """A study: `key` has everything that its numbers depend on, and `measure` computes them."""

    key: Callable[[Scale], Key]
    measure: Callable[[Scale, ProgressCallback], Findings]


def studies_in(out: Path, again: Collection[str] = ()) -> dict[str, Study]:
    """Every study, in the order in which they are run. Long studies store their parts in `out`.

    For a study in `again` the parts are computed again. `compare` reads the runs of `compact`, so
    the runs are made only once for both studies.
    """
    runs, cells = out / "compact" / "runs", out / "pruning" / "cells"
    of_runs = partial(compact.compact, runs, again="compact" in again)
    correlations = partial(
        compare.compare, runs, again="compare" in again and "compact" not in again
    )
    of_cells = partial(pruning.pruning, cells, again="pruning" in again)
    of_posteriors = partial(
        knowledge.knowledge, out / "knowledge" / "cells", again="knowledge" in again
    )
    return {
        "transpositions": Study(transpositions.transpositions_key, transpositions.transpositions),
        "dynamics": Study(dynamics.dynamics_key, dynamics.dynamics),
        "compact": Study(runs_key, of_runs),
        "compare": Study(runs_key, correlations),
        "pruning": Study(pruning.pruning_key, of_cells),
        "knowledge": Study(knowledge.knowledge_key, of_posteriors),
    }
