"""The claims about NoT: training keeps it, it raises the barrier, and undoing it removes that."""

import numpy as np
import pandas as pd

from onebasin.gaussians.compare import rank_correlation
from onebasin.studies.claims import Claim, claim_over_seeds
from onebasin.studies.means import means_by
from onebasin.studies.tables import Tables, where


def claims_of(tables: Tables) -> list[Claim]:
    """The claims from the tables of twins, of barriers, and of replanted permutations."""
    found: list[Claim] = []
    for name in ("weights", "activations"):
        by_seed = _by_seed(tables["twins"], f"matched_{name}")
        slopes = [float(np.polyfit(planted, matched, 1)[0]) for planted, matched in by_seed]
        squares = [float(np.corrcoef(planted, matched)[0, 1] ** 2) for planted, matched in by_seed]
        exact = [float(np.mean(planted == matched)) for planted, matched in by_seed]
        found += [
            claim_over_seeds(
                f"Training leaves the planted NoT as it was (matched by {name})",
                "share of twins whose matched NoT equals the planted one", exact, ">=", 1.0,
            ),
            claim_over_seeds(
                f"Matched NoT (by {name}) grows one to one with planted NoT",
                "slope, as its distance from 1", [abs(slope - 1) for slope in slopes], "<=", 0.01,
            ),
            claim_over_seeds(
                f"Planted NoT explains matched NoT (by {name})",
                "R²", squares, ">=", 0.99,
            ),
        ]  # fmt: skip
    return [*found, *_barrier_claims(tables)]


def _barrier_claims(tables: Tables) -> list[Claim]:
    barriers = where(tables["barriers"], part="test", quantity="loss")
    trained, undone = (
        _by_seed(where(barriers, stage=stage), "midpoint") for stage in ("trained", "undone")
    )
    means = means_by(tables["replanted"], ["seed", "planted"], "midpoint")
    ranks = [rank_correlation(*midpoints) for midpoints in trained]
    mean_ranks = [rank_correlation(*midpoints) for midpoints in _by_seed(means, "midpoint")]
    left = [
        after.mean() / before.mean()
        for (_, after), (_, before) in zip(undone, trained, strict=True)
    ]
    return [
        claim_over_seeds(
            "The loss barrier grows with NoT, on average over permutations",
            "Spearman correlation of planted NoT with the midpoint barrier of test loss, "
            "the mean over permutations of that NoT", mean_ranks, ">=", 0.95,
        ),
        claim_over_seeds(
            "The loss barrier of single twins grows with NoT",
            "Spearman correlation of planted NoT with the midpoint barrier of test loss",
            ranks, ">=", 0.95,
        ),
        claim_over_seeds(
            "Undoing the planted permutation removes the barrier",
            "share of the midpoint barrier of test loss that is gone, over all twins",
            [1 - share for share in left], ">=", 0.99,
        ),
    ]  # fmt: skip


def _by_seed(rows: pd.DataFrame, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Planted NoT and another column, for each seed."""
    return [
        (table["planted"].to_numpy(float), table[name].to_numpy(float))
        for _, table in rows.groupby("seed")
    ]
