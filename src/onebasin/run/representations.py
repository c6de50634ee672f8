"""The table of representations: the name of each, its family, and the numbers that it stores.

The console, the report and the studies read this table. No other module compares names.
"""

from typing import Literal, TypeAlias

from onebasin.run.kinds import MethodName, title_of
from onebasin.run.nested import Section

Family: TypeAlias = Literal[
    "draws", "chain", "gaussian", "low-rank", "network", "kept", "vi", "ensemble"
]


class Representation(Section):
    """An approximation of the posterior: all draws, a few draws, networks, or a Gaussian."""

    key: str
    """The name of the representation in this file and in the folder `compact`."""
    family: Family
    """The kind of representation."""
    label: str
    """The name of the representation in `report.html`."""
    meaning: str
    """What the representation stores, in words."""
    values_per_weight: int
    """How many numbers the representation stores for each weight."""
    unaligned: str | None = None
    """The key of the same representation without alignment; `null` if there is none."""
    rank: int | None = None
    """The rank of a low-rank Gaussian; `null` for all other representations."""
    is_tempered: bool = False
    """Whether the residual std of a low-rank Gaussian was multiplied by
    `low_rank[].residual_scale`."""

    @property
    def key_unaligned(self) -> str:
        """The key of the same representation of draws that were not aligned."""
        assert self.unaligned is not None, self.key
        return self.unaligned

    @property
    def is_reference(self) -> bool:
        """Whether this is the sampler itself, with which all others are compared."""
        return self.family in ("draws", "chain")

    @property
    def has_baseline(self) -> bool:
        """Whether it summarizes draws, so that a few kept draws are its baseline."""
        return self.family in ("gaussian", "low-rank", "network", "vi")


DIRECT = Representation(
    key="direct",
    family="gaussian",
    label="direct Gaussian",
    meaning="mean and std of each weight over the draws before alignment",
    values_per_weight=2,
)
COMPACT = Representation(
    key="compact",
    family="gaussian",
    label="compact Gaussian",
    meaning="mean and std of each weight over the draws after alignment",
    values_per_weight=2,
    unaligned="direct",
)
REFINED = Representation(
    key="refined",
    family="gaussian",
    label="refined Gaussian",
    meaning="the Gaussian that variational inference ends with if it starts at the compact "
    "Gaussian and is also rewarded for predicting as the draws do",
    values_per_weight=2,
)
COMPACT_MEAN = Representation(
    key="compact-mean",
    family="network",
    label="compact mean",
    meaning="one network: the mean of the aligned draws",
    values_per_weight=1,
)
COMPACT_ENSEMBLE = Representation(
    key="compact-ensemble",
    family="gaussian",
    label="compact ensemble",
    meaning="mean and std of each weight over the aligned members of the ensemble",
    values_per_weight=2,
    unaligned="direct-ensemble",
)
VI = Representation(
    key="vi",
    family="vi",
    label="variational (VI)",
    meaning="the Gaussian of mean-field variational inference, aligned to the reference of the "
    "draws",
    values_per_weight=2,
    unaligned="vi-unaligned",
)

COMPARED = (COMPACT, COMPACT_ENSEMBLE, VI)
"""The Gaussians that are compared weight by weight."""


def method_names(kind: MethodName) -> dict[str, str]:
    """The methods that the compared Gaussians come from, by the keys of the Gaussians."""
    return {COMPACT.key: title_of(kind), COMPACT_ENSEMBLE.key: "ensemble", VI.key: "VI"}


def all_draws(kind: MethodName, num_draws: int) -> Representation:
    """Every draw of the sampler."""
    title = title_of(kind)
    return Representation(
        key=kind,
        family="draws",
        label=f"{title}, all draws",
        meaning=f"all draws of all {title} chains; the predictions that all others are compared "
        "with",
        values_per_weight=num_draws,
    )


def one_chain(kind: MethodName, num_draws: int) -> Representation:
    """The draws of one chain, scored against the other chains."""
    title = title_of(kind)
    return Representation(
        key=f"{kind}-chain",
        family="chain",
        label=f"{title}, one chain",
        meaning=f"the draws of one {title} chain, compared with the draws of all other chains; "
        "scores are means over the choice of this chain",
        values_per_weight=num_draws,
    )


def kept_draws(count: int) -> Representation:
    """A few draws of the sampler, unchanged: the baseline of every Gaussian."""
    return Representation(
        key=f"kept-{count}",
        family="kept",
        label=f"{count} kept draw{'' if count == 1 else 's'}",
        meaning="evenly spaced draws; scores are means over several choices of the first draw",
        values_per_weight=count,
    )


def members(count: int) -> Representation:
    """The networks of a deep ensemble."""
    return Representation(
        key="ensemble",
        family="ensemble",
        label="ensemble members",
        meaning="the maximum a posteriori networks; their predictions are averaged",
        values_per_weight=count,
    )


def low_rank(rank: int, *, is_tempered: bool) -> Representation:
    """Principal components of the aligned draws, and the std that these leave unexplained."""
    factor = " times one factor that is fitted on validation inputs" if is_tempered else ""
    return Representation(
        key=f"compact-rank-{rank}{'' if is_tempered else '-whole'}",
        family="low-rank",
        label=f"rank {rank} {'tempered' if is_tempered else 'whole'}",
        meaning=f"mean and {rank} leading principal components of the aligned draws, and the "
        f"residual std of each weight{factor}",
        values_per_weight=rank + 2,
        rank=rank,
        is_tempered=is_tempered,
    )
