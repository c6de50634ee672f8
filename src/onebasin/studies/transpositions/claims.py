"""What the twins say of NoT: that it stays, what it costs, and that undoing it is free."""

import numpy as np

from onebasin.gaussians.compare import rank_correlation
from onebasin.store.tables import Row
from onebasin.studies.claims import Claim, Tables, claim_over_seeds, number


def claims_of(tables: Tables) -> list[Claim]:
    """The claims of the tables of twins, their barriers, and those of other permutations."""
    seeds = sorted({int(number(row, "seed")) for row in tables["twins"]})
    found: list[Claim] = []
    for name in ("weights", "activations"):
        by_seed = [_columns(tables["twins"], seed, "planted", f"matched_{name}") for seed in seeds]
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
    return [*found, *_barrier_claims(tables, seeds)]


def _barrier_claims(tables: Tables, seeds: list[int]) -> list[Claim]:
    def midpoints(seed: int, stage: str) -> tuple[np.ndarray, np.ndarray]:
        rows = [
            row
            for row in tables["barriers"]
            if (row["stage"], row["part"], row["quantity"]) == (stage, "test", "loss")
        ]
        return _columns(rows, seed, "planted", "midpoint")

    def mean_midpoints(seed: int) -> tuple[np.ndarray, np.ndarray]:
        planted, values = _columns(tables["replanted"], seed, "planted", "midpoint")
        counts = np.unique(planted)
        return counts, np.array([values[planted == count].mean() for count in counts])

    ranks = [rank_correlation(*midpoints(seed, "trained")) for seed in seeds]
    mean_ranks = [rank_correlation(*mean_midpoints(seed)) for seed in seeds]
    left = [midpoints(s, "undone")[1].mean() / midpoints(s, "trained")[1].mean() for s in seeds]
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


def _columns(rows: list[Row], seed: int, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    some = [row for row in rows if row["seed"] == seed]
    first, second = (np.array([number(row, name) for row in some]) for name in (x, y))
    return first, second
