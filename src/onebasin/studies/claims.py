"""The findings of an experiment: tables of all numbers, and claims with computed verdicts."""

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from onebasin.intervals import t_interval
from onebasin.studies.tables import Tables

Direction: TypeAlias = Literal[">", ">=", "<", "<="]
"""The side of the threshold on which, by the claim, the statistic lies."""

Verdict: TypeAlias = Literal["supported", "not supported", "undecided"]


class Claim(NamedTuple):
    """A claim, its statistic with the 95 % interval over seeds, and the verdict."""

    claim: str
    statistic: str
    estimate: float
    interval: tuple[float, float]
    num_seeds: int
    threshold: float
    verdict: Verdict
    direction: Direction


class Findings(NamedTuple):
    """The tables with all numbers of an experiment, and the claims that follow from them."""

    tables: Tables
    claims: list[Claim]


def verdict(interval: tuple[float, float], threshold: float, direction: Direction) -> Verdict:
    """Whether an interval supports a claim.

    It is supported if the whole interval lies on the claimed side of the threshold, and not
    supported if the whole interval lies on the other side. Otherwise it is undecided, also if
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
    """A claim about the mean over seeds of one value for each seed, with Student's 95 % interval.

    If all values are equal, the interval has no width. It then says nothing about other seeds.

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
