"""The rows of the frontier: of what family each representation is, and where on the path it lies.

The table and the figures ask here; names are taken apart nowhere.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

Family: TypeAlias = Literal["hmc", "chain", "kept", "samples", "matching", "refined"]
"""What a row is made of.

All draws, one chain of them, or a few that are kept; the samples relabelled by likelihood; the
samples aligned by another matching; or a refinement.
"""

KEPT = (1, 2, 4, 8)
"""The numbers of kept draws."""
PATH = (0.1, 1.0, 10.0)
"""Pulls of the path from variational inference (0) to the aligned samples (infinity)."""


class Entry(NamedTuple):
    """A representation of the frontier; `pull` is None outside of the path of refinement."""

    name: str
    family: Family
    pull: float | None = None

    @property
    def is_inside_path(self) -> bool:
        """Whether it lies between the two ends of the path."""
        return self.pull is not None and 0 < self.pull < math.inf


def kept(count: int) -> Entry:
    """A few draws as they are."""
    return Entry(f"kept-{count}", "kept")


def pulled(pull: float) -> Entry:
    """Variational inference that is pulled to the aligned samples."""
    return Entry(f"refined-elbo-pull-{pull:g}", "refined", pull)


_SAMPLES = (
    "direct", "compact-without-signs", "compact-mean", "compact-mean-without-signs",
    "compact-tempered", "compact-layer-tempered", "low-rank-2", "low-rank-6", "factor-analysis-2",
    "unit-blocks", "chain-means", "chain-gaussians", "chain-gaussians-whole", "chosen-1",
    "chosen-2", "chosen-4", "chosen-8", "chosen-7-shared-std",
)  # fmt: skip
_MATCHINGS = (
    "compact-by-weights", "compact-by-activations", "compact-by-mixed", "compact-by-fisher",
    "compact-balanced",
)  # fmt: skip
_REFINED = ("refined-predictive", "refined-both", "refined-chains")

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("hmc", "hmc"),
        Entry("hmc-chain", "chain"),
        *map(kept, KEPT),
        Entry("compact", "samples", math.inf),
        *(Entry(name, "samples") for name in _SAMPLES),
        *(Entry(name, "matching") for name in _MATCHINGS),
        Entry("refined-elbo", "refined", 0.0),
        *map(pulled, PATH),
        *(Entry(name, "refined") for name in _REFINED),
    )
}
"""Every row that a table of the frontier can have, by its name."""
