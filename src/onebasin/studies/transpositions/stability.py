"""When training changes the planted NoT, by learning rate, epochs, optimizer and depth.

In each pair, network 1 starts as a permuted copy of network 0 with half the largest number of
transpositions (NoT) in every hidden layer. The two are trained with different orders of the data
and matched at several epochs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from onebasin import _trees
from onebasin.prediction.connectivity import losses_and_errors, midpoint_barrier
from onebasin.run.setup import ProgressCallback
from onebasin.studies.claims import Claim, claim_over_seeds
from onebasin.studies.names import Scale
from onebasin.studies.tables import Columns, Row, where
from onebasin.studies.training import Optimizer, Task, load_task, train
from onebasin.studies.twins import (
    FRACTIONS,
    Judge,
    displaced,
    match_all,
    plant,
    total_transpositions,
)
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.permute import permute
from onebasin.types import Params


class _Protocol(NamedTuple):
    data: str
    num_train: int
    hidden: int
    epochs: tuple[int, ...]
    learning_rates: dict[Optimizer, tuple[float, ...]]
    num_inputs: int
    num_examples: int
    num_seeds: int = 3
    depths: tuple[int, ...] = (1, 2)


_RATES: dict[Optimizer, tuple[float, ...]] = {
    "sgd": (1e-3, 1e-2, 3e-2, 1e-1),
    "adam": (1e-4, 1e-3, 3e-3, 1e-2),
}
PROTOCOLS: dict[Scale, _Protocol] = {
    "smoke": _Protocol("digits", 640, 16, (1, 3), {"sgd": (1e-3, 1e-1)}, 200, 200),
    "small": _Protocol("mnist", 9_984, 128, (1, 3, 10, 30), _RATES, 1_000, 5_000),
    "full": _Protocol("mnist", 59_968, 512, (1, 3, 10, 30, 50), _RATES, 5_000, 10_000),
}
"""The networks that each scale trains, and the epochs at which it measures."""

COLUMNS: Columns = {
    "optimizer": str, "depth": int, "learning_rate": float, "epochs": int, "seed": int,
    "planted": int, "num_units": int,
    # A pair that became NaN in training has no matching. An int column cannot have a missing value.
    **{f"{n}_{by}": float for by in ("weights", "activations") for n in ("excess", "displaced")},
    "undone_midpoint": float, "share_dead": float, "test_error": float, "is_finite": bool,
}  # fmt: skip
"""The columns of the map."""

_PAPER: dict[str, object] = {"optimizer": "sgd", "depth": 1, "learning_rate": 1e-3}


def stability_map(scale: Scale, on_progress: ProgressCallback) -> list[Row]:
    """One row for each pair, learning rate, epoch, optimizer and depth."""
    chosen = PROTOCOLS[scale]
    rows: list[Row] = []
    for depth in chosen.depths:
        task = load_task(chosen.data, (chosen.hidden,) * depth, num_train=chosen.num_train)
        judge = Judge(task, chosen.num_inputs, chosen.num_examples)
        for optimizer in chosen.learning_rates:
            where: Row = {"optimizer": optimizer, "depth": depth}
            rows += _pairs(judge, chosen, optimizer, where, on_progress)
    return rows


def _pairs(
    judge: Judge, chosen: _Protocol, optimizer: Optimizer, where: Row, on_progress: ProgressCallback
) -> Iterator[Row]:
    rates = chosen.learning_rates[optimizer]
    pairs = [_pair(judge.task, seed) for seed in range(chosen.num_seeds)]
    starts = _trees.stack([network for both, _ in pairs for network in both] * len(rates))

    def on_stage(what: str, fraction: float, details: str) -> None:
        on_progress(f"stability: {what}, {optimizer}, depth {where['depth']}", fraction, details)

    trained = train(
        judge.task,
        starts,
        np.repeat(rates, 2 * chosen.num_seeds),
        on_stage,
        optimizer=optimizer,
        num_epochs=max(chosen.epochs),
        key=jax.random.key(2),
    )
    # A copy of the selected epochs, so that the memory of the other epochs is freed.
    looked_at = [epoch - 1 for epoch in chosen.epochs]
    trained = jax.tree.map(lambda leaf: leaf[:, looked_at], trained)
    for group, rate in enumerate(rates):
        for seed, (_, planted) in enumerate(pairs):
            first = 2 * (group * chosen.num_seeds + seed)
            for look, epoch in enumerate(chosen.epochs):
                a, b = (
                    jax.tree.map(lambda leaf, n=n, look=look: leaf[n, look], trained)
                    for n in (first, first + 1)
                )
                which: Row = {"learning_rate": rate, "epochs": epoch, "seed": seed}
                yield {**where, **which, **_judge_pair(judge, planted, a, b)}


def _pair(task: Task, seed: int) -> tuple[tuple[Params, Params], Permutation]:
    key_init, key_plant = jax.random.split(jax.random.key(100 + seed))
    network = _trees.to_host(task.network.init(key_init))
    sizes = task.network.symmetry.sizes
    planted, copy = plant(task, network, {g: size // 2 for g, size in sizes.items()}, key=key_plant)
    return (network, copy), planted


def _judge_pair(judge: Judge, planted: Permutation, a: Params, b: Params) -> Row:
    """Matched minus planted NoT, displaced units, the remaining barrier, and the test error.

    A pair whose weights became infinite or NaN in training has no matching.
    """
    task, count = judge.task, int(total_transpositions(planted))
    row: Row = {"planted": count, "num_units": sum(task.network.symmetry.sizes.values())}
    is_finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((a, b)))
    copies = jax.tree.map(lambda leaf: leaf[None], b)
    for name, matching in judge.matchings.items():
        row[f"excess_{name}"] = row[f"displaced_{name}"] = None
        if is_finite:
            found = match_all(task, matching, a, copies)
            row[f"excess_{name}"] = int(total_transpositions(found)[0]) - count
            together = jax.tree.map(lambda p: p[None], planted)
            row[f"displaced_{name}"] = float(displaced(found, together).mean())
    undone = permute(b, task.network.symmetry, planted.inverse())
    values = judge.along(a, undone)["test", "loss"]
    row["undone_midpoint"] = float(midpoint_barrier(values, FRACTIONS)) if is_finite else None
    test = task.dataset.test
    both = jax.tree.map(lambda x, y: np.stack([x, y]), a, b)
    _, errors = losses_and_errors(task.network, both, test.inputs, test.targets)
    row |= {"share_dead": judge.share_dead(a), "test_error": float(errors.mean())}
    return {**row, "is_finite": is_finite}


def stability_claims(rows: pd.DataFrame) -> list[Claim]:
    """Claims that NoT stays as planted, with the paper's settings and everywhere on the map.

    Another claim says that undoing the permutation leaves no barrier.
    """
    # One pair that became NaN makes the result NaN: the remaining pairs prove nothing.
    left = rows.groupby("seed")["undone_midpoint"].agg(lambda barriers: barriers.max(skipna=False))
    undone = claim_over_seeds(
        "Undoing the planted permutation leaves no barrier anywhere on the map",
        "largest midpoint barrier of test loss that is left, in nats", left, "<=", 0.01,
    )  # fmt: skip
    kept = [
        claim_over_seeds(
            f"NoT stays as planted {settings} (matched by {name})",
            "share of pairs with matched NoT equal to the planted one, over all epochs",
            some.groupby("seed")[f"excess_{name}"].agg(lambda excess: (excess == 0).mean()),
            ">=", 1.0,
        )
        for settings, some in {
            "at the paper's optimizer, rate and depth": where(rows, **_PAPER),
            "at every learning rate, optimizer and depth of the map": rows,
        }.items()
        for name in ("weights", "activations")
    ]  # fmt: skip
    return [*kept, undone]
