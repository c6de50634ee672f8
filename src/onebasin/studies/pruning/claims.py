"""From pruning curves to paired comparisons of scores, and to claims."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from onebasin.intervals import t_interval
from onebasin.studies.claims import Claim, claim_over_seeds, verdict
from onebasin.studies.tables import Columns, Row, distinct, table_of

FEW = (0.2, 0.1, 0.05, 0.02)
"""The shares of weights over which accuracy is averaged to get a single number."""


class Pair(NamedTuple):
    """A score, its baseline on the same networks, and the networks that both prune."""

    score: str
    baseline: str
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
"""Every comparison of the table. The comparisons in CLAIMED become claims."""

CLAIMED = {
    Pair("std", "std misaligned"): "HMC's std prunes better aligned than misaligned",
    Pair("std", "random"): "HMC's aligned std prunes better than random order",
    Pair("std", "std averaged"): "HMC's aligned std prunes better than its averages over units",
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


PLACE: Columns = {"data": str, "num_inputs": int, "width": int}
"""The columns that identify the network of a row."""
CURVES: Columns = {
    **PLACE, "seed": int, "networks": str, "score": str,
    "keep": float, "accuracy": float, "nll": float,
}  # fmt: skip
"""The columns of every curve. `keep` is the share of weights that are kept."""
COMPARISONS: Columns = {
    **PLACE, "score": str, "baseline": str, "networks": str, "keep": str,
    "difference": float, "low": float, "high": float, "num_seeds": int, "verdict": str,
}  # fmt: skip
"""The columns of every comparison. If `keep` is "few", the row is the mean over FEW."""


def comparisons(curves: pd.DataFrame) -> pd.DataFrame:
    """Differences in accuracy, score minus baseline, at every share and on average over FEW."""
    by_pair = _differences(curves, PAIRS)
    rows = [
        _row(place, pair, str(keep), values.to_numpy())
        for place in sorted(distinct(curves, *PLACE))
        for pair, differences in by_pair.items()
        for keep, values in differences.loc[place].items()
    ]
    return table_of(rows, COMPARISONS)


def claims_of(curves: pd.DataFrame) -> list[Claim]:
    """The claims for each data set. The value of a seed is the mean over widths and FEW."""
    claims: list[Claim] = []
    differences = _differences(curves, CLAIMED)
    for data, num_inputs in sorted(distinct(curves, "data", "num_inputs")):
        for pair, words in CLAIMED.items():
            table = differences[pair].loc[data, num_inputs]
            by_width = table["few"].unstack("seed")
            widths = ", ".join(str(width) for width in by_width.index)
            claims.append(
                claim_over_seeds(
                    f"{words} ({data}, {num_inputs} inputs)",
                    f"accuracy by {pair.score} minus accuracy by {pair.baseline}, with 2 to 20 % "
                    f"of the weights kept, mean over widths {widths}",
                    by_width.mean(axis=0),
                    ">",
                    0.0,
                )
            )
    return claims


def _differences(curves: pd.DataFrame, pairs: Iterable[Pair]) -> dict[Pair, pd.DataFrame]:
    """Score minus baseline for each place and seed.

    Columns are the shares, the largest first, and then the mean over FEW.
    """
    keys = ["networks", "score", *PLACE, "seed"]
    accuracies = curves.pivot(index=keys, columns="keep", values="accuracy").iloc[:, ::-1]
    differences: dict[Pair, pd.DataFrame] = {}
    for pair in pairs:
        ours, theirs = (accuracies.loc[pair.networks, name] for name in (pair.score, pair.baseline))
        differences[pair] = (ours - theirs).assign(few=lambda shares: shares[[*FEW]].mean(axis=1))
    return differences


def _row(place: tuple[Any, ...], pair: Pair, keep: str, values: np.ndarray) -> Row:
    low, high = (float(bound) for bound in t_interval(values))
    return {
        **dict(zip(PLACE, place, strict=True)),
        **pair._asdict(),
        "keep": keep,
        "difference": values.mean(),
        "low": low,
        "high": high,
        "num_seeds": len(values),
        "verdict": verdict((low, high), 0.0, ">"),
    }
