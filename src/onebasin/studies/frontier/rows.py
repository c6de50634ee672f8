"""The rows of the frontier: the family of each representation, and its place on the path.

The table and the figures read the families here. No module parses names.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

Family: TypeAlias = Literal["hmc", "chain", "kept", "samples", "matching", "refined"]
"""The kind of a row.

`hmc` is all draws, `chain` one chain, and `kept` a few kept draws. `samples` is made of the samples
relabelled by likelihood, or not aligned. `matching` is made of the samples aligned by another
matching. `refined` is a refinement.
"""

KEPT = (1, 2, 4, 8)
"""The numbers of kept draws."""
PATH = (0.1, 1.0, 10.0)
"""The pulls between the ends of the path: variational inference (0) and the samples (infinity)."""


class Entry(NamedTuple):
    """A representation of the frontier. `pull` is None if it is not on the path of refinement."""

    name: str
    family: Family
    pull: float | None = None

    @property
    def is_inside_path(self) -> bool:
        """Whether it lies between the two ends of the path."""
        return self.pull is not None and 0 < self.pull < math.inf


def kept(count: int) -> Entry:
    """A few draws, unchanged."""
    return Entry(f"kept-{count}", "kept")


def pulled(pull: float) -> Entry:
    """Variational inference with a pull to the Gaussian of the aligned samples."""
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
