"""Barriers: by how much the loss rises halfway between members, and between draws.

The text under a field is its row in docs/numbers.md.
"""

from onebasin.prediction.basin import Verdict
from onebasin.run.nested import Interval, Section


class Barrier(Section):
    """The loss (or error) of the halfway network of two networks, minus the mean of the losses (or
    errors) of these two networks. The halfway network has the mean of their weights.
    """

    mean: float
    """The mean barrier over all pairs."""
    interval: Interval | None
    """The 95 % interval of the mean. `null` if there are too few members or chains for one."""
    pairs: tuple[float, ...]
    """The barrier of each pair."""


class Barriers(Section):
    """The barriers of two quantities on the test set."""

    loss: Barrier
    """The barrier of the loss (negative log likelihood), in nats."""
    error: Barrier
    """The barrier of the error: the share of wrong classes, or the RMSE in regression."""


class Connectivity(Section):
    """Barriers between ensemble members."""

    before: Barriers
    """Barriers between members before alignment."""
    after: Barriers
    """Barriers between members after alignment."""
    before_recomputed: Barriers | None = None
    """With BatchNorm: the same as `before`, but with running statistics that are computed again for
    each halfway network."""
    after_recomputed: Barriers | None = None
    """With BatchNorm: the same as `after`, but with running statistics that are computed again for
    each halfway network."""


class Basin(Section):
    """Whether alignment brings draws of different chains into one basin."""

    loss: float
    """The mean test loss (negative log likelihood) of the draws that are paired, in nats."""
    unaligned: Barrier
    """The barriers of the test loss between draws of different chains, before alignment, in
    nats."""
    aligned: Barrier
    """The barriers between the same draws after alignment."""
    matched: Barrier
    """The barriers between the same draws, with the second of each pair aligned to the first."""
    within: Barrier | None
    """The barriers between draws of one chain, half a chain apart, before alignment. `null` if
    chains have one draw."""
    within_aligned: Barrier | None
    """The barriers between the same draws of one chain, after alignment. `null` if chains have one
    draw."""
    share_removed: float | None
    """The share of the mean barrier that alignment removes: 1 - `aligned` / `unaligned`. `null` if
    `unaligned` is at most `tolerance`."""
    tolerance: float
    """The largest mean barrier that counts as none, in nats."""
    verdict: Verdict
    """`one basin` if the whole interval of `aligned` is at most `tolerance`, `not one basin` if
    the whole interval is above it, and otherwise `cannot tell`."""
    words: str
    """These numbers and the verdict as sentences."""
