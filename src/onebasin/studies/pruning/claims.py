"""From pruning curves to paired comparisons of scores, and to claims."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from onebasin.intervals import t_interval
from onebasin.store.tables import Row
from onebasin.studies.claims import Claim, claim_over_seeds, verdict

FEW = (0.2, 0.1, 0.05, 0.02)
"""The shares over which accuracy is averaged where one number is wanted."""


class Pair(NamedTuple):
    """A score, the rival it is held against on the same networks, and which networks these are."""

    score: str
    rival: str
    networks: str = "members"


PAIRS = (
    Pair("std", "std misaligned"),
    Pair("std", "random"),
    Pair("std", "std averaged"),
    Pair("std dark first", "random dark first"),
    Pair("std dark first", "std misaligned dark first"),
    Pair("std", "magnitude"),
    Pair("std", "magnitude", "starts"),
    Pair("std averaged", "random"),
    Pair("std vi", "random"),
    Pair("std vi", "std"),
    Pair("std vi", "magnitude"),
    Pair("std layer-wise", "magnitude"),
    Pair("signal-to-noise", "signal-to-noise misaligned"),
    Pair("signal-to-noise", "signal-to-noise averaged"),
    Pair("signal-to-noise", "magnitude"),
    Pair("signal-to-noise", "magnitude", "starts"),
    Pair("signal-to-noise", "fisher"),
    Pair("signal-to-noise vi", "magnitude"),
    Pair("posterior fisher", "posterior fisher misaligned"),
    Pair("posterior fisher", "posterior fisher averaged"),
    Pair("posterior fisher", "magnitude"),
    Pair("posterior fisher", "magnitude", "starts"),
    Pair("posterior fisher", "fisher"),
    Pair("posterior fisher", "fisher", "starts"),
    Pair("fisher", "magnitude"),
    Pair("fisher staged", "fisher"),
    Pair("fisher staged", "magnitude"),
    Pair("posterior fisher staged", "magnitude"),
    Pair("posterior fisher staged", "fisher staged"),
    Pair("conditional", "magnitude"),
    Pair("conditional", "fisher staged"),
    Pair("conditional", "magnitude conditional"),
    Pair("magnitude conditional", "magnitude"),
    Pair("std", "magnitude", "HMC mean"),
    Pair("signal-to-noise", "magnitude", "HMC mean"),
    Pair("fisher", "magnitude", "HMC mean"),
    Pair("std", "magnitude", "VI mean"),
    Pair("signal-to-noise", "magnitude", "VI mean"),
    Pair("signal-to-noise", "fisher", "VI mean"),
)
"""Every comparison of the table; those in CLAIMED become claims."""

CLAIMED = {
    Pair("std", "std misaligned"): "HMC's std prunes better aligned than misaligned",
    Pair("std", "random"): "HMC's aligned std prunes better than random order",
    Pair("std", "std averaged"): "HMC's aligned std knows more than its averages over units",
    Pair("std", "magnitude"): "HMC's aligned std prunes better than magnitude",
    Pair("signal-to-noise", "magnitude"): "|weight| / aligned std prunes better than magnitude",
    Pair("posterior fisher", "magnitude"): (
        "The posterior-expected loss increase prunes better than magnitude"
    ),
    Pair("posterior fisher", "posterior fisher misaligned"): (
        "The posterior-expected loss increase needs alignment"
    ),
    Pair("posterior fisher", "fisher"): (
        "The posterior-expected loss increase prunes better than the network's own"
    ),
    Pair("posterior fisher staged", "magnitude"): (
        "The posterior-expected loss increase, measured anew in stages, beats magnitude"
    ),
    Pair("posterior fisher staged", "fisher staged"): (
        "In stages, the posterior-expected loss increase beats the network's own"
    ),
    Pair("fisher staged", "magnitude"): (
        "The network's own loss increase, measured anew in stages, beats magnitude"
    ),
    Pair("conditional", "magnitude"): (
        "Conditioning a unit-wise Laplace posterior on what leaves beats magnitude"
    ),
    Pair("conditional", "magnitude conditional"): (
        "When the rest is conditioned, signal-to-noise is a better order than magnitude"
    ),
}


class _Place(NamedTuple):
    data: str
    num_inputs: int
    width: int


_Table = dict[tuple[_Place, str, str], dict[tuple[int, float], float]]
"""Accuracies by place, networks and score; then by seed and share."""


def comparisons(curves: Sequence[Row]) -> list[Row]:
    """Differences in accuracy, score minus rival, at every share and on average over FEW."""
    table = _accuracies(curves)
    rows: list[Row] = []
    for place in _places(table):
        for pair in PAIRS:
            found = _differences(table, place, pair)
            keeps = sorted({keep for _, keep in found}, reverse=True)
            for name, some in [(str(keep), (keep,)) for keep in keeps] + [("few", FEW)]:
                rows.append(_row(place, pair, name, _over_seeds(found, some)))
    return rows


def claims_of(curves: Sequence[Row]) -> list[Claim]:
    """For each data set, on average over its widths and FEW: one value a seed."""
    table = _accuracies(curves)
    places = _places(table)
    claims: list[Claim] = []
    for data, num_inputs in sorted({(place.data, place.num_inputs) for place in places}):
        here = [place for place in places if (place.data, place.num_inputs) == (data, num_inputs)]
        widths = ", ".join(str(place.width) for place in here)
        for pair, words in CLAIMED.items():
            by_width = [_over_seeds(_differences(table, place, pair), FEW) for place in here]
            claims.append(
                claim_over_seeds(
                    f"{words} ({data}, {num_inputs} inputs)",
                    f"accuracy by {pair.score} less that by {pair.rival}, with 2 to 20 % of the "
                    f"weights kept, mean over widths {widths}",
                    np.mean(by_width, axis=0),
                    ">",
                    0.0,
                )
            )
    return claims


def _accuracies(curves: Sequence[Row]) -> _Table:
    table: _Table = {}
    for row in curves:
        place = _Place(str(row["data"]), int(row["num_inputs"] or 0), int(row["width"] or 0))
        points = table.setdefault((place, str(row["networks"]), str(row["score"])), {})
        points[int(row["seed"] or 0), float(row["keep"] or 0)] = float(row["accuracy"] or 0)
    return table


def _places(table: _Table) -> list[_Place]:
    return sorted({place for place, _, _ in table})


def _differences(table: _Table, place: _Place, pair: Pair) -> dict[tuple[int, float], float]:
    """Score minus rival for each seed and share."""
    ours, theirs = (table[place, pair.networks, name] for name in (pair.score, pair.rival))
    return {key: accuracy - theirs[key] for key, accuracy in ours.items()}


def _over_seeds(found: dict[tuple[int, float], float], keeps: Sequence[float]) -> list[float]:
    """One value a seed: the mean over some shares."""
    seeds = sorted({seed for seed, _ in found})
    return [float(np.mean([found[seed, keep] for keep in keeps])) for seed in seeds]


def _row(place: _Place, pair: Pair, keep: str, values: Sequence[float]) -> Row:
    low, high = (float(bound) for bound in t_interval(np.array(values)))
    return {
        **place._asdict(),
        **pair._asdict(),
        "keep": keep,
        "difference": float(np.mean(values)),
        "low": low,
        "high": high,
        "num_seeds": len(values),
        "verdict": verdict((low, high), 0.0, ">"),
    }
