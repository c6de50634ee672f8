"""The one table of representations: what each is called, what it stores, what family it is of.

The console, the report and the studies ask here; names are compared nowhere else.
"""

from typing import Literal, TypeAlias

from onebasin.run.nested import Section

Family: TypeAlias = Literal[
    "hmc", "chain", "gaussian", "low-rank", "network", "kept", "vi", "ensemble"
]


class Representation(Section):
    """What stands for the posterior: all draws, a few of them, networks, or a Gaussian."""

    key: str
    """What it is called here, and the name of its file."""
    family: Family
    """What kind of representation it is."""
    label: str
    """What it is called on the page."""
    meaning: str
    """What it stores."""
    values_per_weight: int
    """How many numbers it stores for each weight."""
    unaligned: str | None = None
    """The key of the same representation of draws that were not aligned."""
    rank: int | None = None
    """The rank of a low-rank Gaussian."""
    is_tempered: bool = False
    """Whether the residual std of a low-rank Gaussian was scaled by its factor."""

    @property
    def key_unaligned(self) -> str:
        """The key of the same representation of draws that were not aligned."""
        assert self.unaligned is not None, self.key
        return self.unaligned

    @property
    def is_reference(self) -> bool:
        """Whether it is HMC itself, which all others are held against."""
        return self.family in ("hmc", "chain")

    @property
    def rivals_kept_draws(self) -> bool:
        """Whether it summarizes draws, so that one could keep a few of them instead."""
        return self.family in ("gaussian", "low-rank", "network", "vi")


DIRECT = Representation(
    key="direct",
    family="gaussian",
    label="direct Gaussian",
    meaning="mean and std of each weight over HMC's draws as they are, not aligned",
    values_per_weight=2,
)
COMPACT = Representation(
    key="compact",
    family="gaussian",
    label="compact Gaussian",
    meaning="mean and std of each weight over HMC's aligned draws",
    values_per_weight=2,
    unaligned="direct",
)
REFINED = Representation(
    key="refined",
    family="gaussian",
    label="refined Gaussian",
    meaning="the compact Gaussian, moved by variational inference that also follows HMC",
    values_per_weight=2,
)
COMPACT_MEAN = Representation(
    key="compact-mean",
    family="network",
    label="compact mean",
    meaning="one network: the mean of HMC's aligned draws",
    values_per_weight=1,
)
COMPACT_ENSEMBLE = Representation(
    key="compact-ensemble",
    family="gaussian",
    label="compact ensemble",
    meaning="mean and std of each weight over aligned ensemble members",
    values_per_weight=2,
    unaligned="direct-ensemble",
)
VI = Representation(
    key="vi",
    family="vi",
    label="variational (VI)",
    meaning="the Gaussian of mean-field variational inference",
    values_per_weight=2,
    unaligned="vi-unaligned",
)

COMPARED = (COMPACT, COMPACT_ENSEMBLE, VI)
"""The Gaussians that are compared weight by weight."""
METHODS = {COMPACT.key: "HMC", COMPACT_ENSEMBLE.key: "ensemble", VI.key: "VI"}
"""What the methods behind compared Gaussians are called, by the keys of these."""


def all_draws(num_draws: int) -> Representation:
    """Every draw of HMC."""
    return Representation(
        key="hmc",
        family="hmc",
        label="HMC, all draws",
        meaning="every draw of every chain: what all others are held against",
        values_per_weight=num_draws,
    )


def one_chain(num_draws: int) -> Representation:
    """The draws of one chain, scored against the other chains."""
    return Representation(
        key="hmc-chain",
        family="chain",
        label="HMC, one chain",
        meaning="the draws of one chain, held against those of the others; mean over chains",
        values_per_weight=num_draws,
    )


def kept_draws(count: int) -> Representation:
    """A few of HMC's draws as they are: the plainest rival of any Gaussian."""
    return Representation(
        key=f"kept-{count}",
        family="kept",
        label=f"{count} kept draw{'' if count == 1 else 's'}",
        meaning="evenly spaced draws of HMC, their predictions averaged; mean over spacings",
        values_per_weight=count,
    )


def members(count: int) -> Representation:
    """The networks of a deep ensemble."""
    return Representation(
        key="ensemble",
        family="ensemble",
        label="ensemble members",
        meaning="the maximum a posteriori networks themselves, their predictions averaged",
        values_per_weight=count,
    )


def low_rank(rank: int, *, is_tempered: bool) -> Representation:
    """Principal components of the aligned draws and the std that they leave."""
    residual = (
        "their residual std shrunk by one factor, fitted on validation inputs"
        if is_tempered
        else "the residual std that they leave"
    )
    return Representation(
        key=f"compact-rank-{rank}{'' if is_tempered else '-whole'}",
        family="low-rank",
        label=f"rank {rank} {'tempered' if is_tempered else 'whole'}",
        meaning=f"the {rank} strongest directions of HMC's aligned draws, and {residual}",
        values_per_weight=rank + 2,
        rank=rank,
        is_tempered=is_tempered,
    )
