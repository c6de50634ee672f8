"""What an experiment finds: tables of every number, and claims with verdicts computed from them."""

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from onebasin.intervals import t_interval
from onebasin.studies.tables import Tables

Direction: TypeAlias = Literal[">", ">=", "<", "<="]
"""On which side of its threshold a claim says that a statistic lies."""

Verdict: TypeAlias = Literal["supported", "not supported", "undecided"]


class Claim(NamedTuple):
    """A claim, the statistic that tests it with its 95 % interval over seeds, and the verdict."""

    claim: str
    statistic: str
    estimate: float
    interval: tuple[float, float]
    num_seeds: int
    threshold: float
    verdict: Verdict
    direction: Direction


class Findings(NamedTuple):
    """Every number of an experiment, and what follows from them."""

    tables: Tables
    claims: list[Claim]


def verdict(interval: tuple[float, float], threshold: float, direction: Direction) -> Verdict:
    """Supported where the whole interval lies on the claimed side of the threshold.

    Not supported where it lies on the other side; undecided where it lies on both, or where
    there is no interval (a single seed).
    """
    low, high = interval
    if not (math.isfinite(low) and math.isfinite(high)):
        return "undecided"
    holds = {
        ">": lambda x: x > threshold,
        ">=": lambda x: x >= threshold,
        "<": lambda x: x < threshold,
        "<=": lambda x: x <= threshold,
    }[direction]
    if holds(low) and holds(high):
        return "supported"
    return "undecided" if holds(low) or holds(high) else "not supported"


def claim_over_seeds(
    claim: str,
    statistic: str,
    values: ArrayLike,
    direction: Direction,
    threshold: float,
) -> Claim:
    """A claim on the mean over seeds of one value a seed, with Student's 95 % interval.

    Equal values make an interval of no width, which says nothing of the seeds not tried.

    Source: Student's interval as in `t_interval`.
    """
    values = np.asarray(values, np.float64)
    low, high = (float(bound) for bound in t_interval(values))
    return Claim(
        claim,
        statistic,
        float(values.mean()),
        (low, high),
        len(values),
        threshold,
        verdict((low, high), threshold, direction),
        direction,
    )
