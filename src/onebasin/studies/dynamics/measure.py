"""Claim (a) over epochs: the line between two independent trainings, before and after rebasin."""

from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from onebasin import _trees
from onebasin.alignment.weight_matching import weight_matching
from onebasin.data.fingerprint import fingerprint
from onebasin.gaussians.compare import rank_correlation
from onebasin.prediction.connectivity import barrier, line, midpoint_barrier, weight_distance
from onebasin.run.cache import Key
from onebasin.run.setup import ProgressCallback
from onebasin.studies.claims import Claim, Findings, claim_over_seeds
from onebasin.studies.names import Scale
from onebasin.studies.tables import Columns, Row, Rows, tables_of, where
from onebasin.studies.training import Task, load_task, train
from onebasin.studies.twins import FRACTIONS, Judge, match_all, total_transpositions
from onebasin.symmetry.permute import permute
from onebasin.symmetry.random_permutation import random_num_transpositions
from onebasin.types import Params


class _Protocol(NamedTuple):
    data: str
    num_train: int
    hidden: int
    num_epochs: int
    every: int
    num_inputs: int
    num_examples: int
    num_seeds: int = 3
    learning_rate: float = 1e-3


PROTOCOLS: dict[Scale, _Protocol] = {
    # With few images there are few steps, so that these must be larger.
    "smoke": _Protocol("digits", 640, 16, 10, 5, 200, 200, learning_rate=0.02),
    "small": _Protocol("mnist", 59_968, 128, 10, 1, 2_000, 5_000, num_seeds=5),
    "full": _Protocol("mnist", 59_968, 512, 50, 1, 10_000, 59_968),
}
"""The networks that each scale trains, and how often it measures."""

_QUANTITIES = ("train_loss", "train_error", "test_loss", "test_error")
_PLACE = {"seed": int, "epoch": int, "rebasin": str}
TABLES: dict[str, Columns] = {
    "points": {
        **_PLACE, "fraction": float, **dict.fromkeys(_QUANTITIES, float), "transpositions": int,
    },
    "pairs": {
        **_PLACE, "distance": float,
        **{f"{name}{of}": float for name in _QUANTITIES for of in ("", "_midpoint", "_barrier")},
        "transpositions": int, "random_transpositions": float,
    },
}  # fmt: skip
"""The numbers at each place on a line, and the numbers of each whole line."""


def dynamics_key(scale: Scale) -> Key:
    """The key of the study: its protocol and the images."""
    chosen = PROTOCOLS[scale]
    data = load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train).dataset
    arguments = {"scale": scale, "protocol": chosen._asdict()}
    return Key(arguments=arguments, data={data.name: fingerprint(data)})


def dynamics(scale: Scale, on_progress: ProgressCallback) -> Findings:
    """Loss, error, distance and NoT on the line between two networks, at every kept epoch."""
    chosen = PROTOCOLS[scale]
    task = load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train)
    starts, trained = _train(task, chosen, on_progress)
    judge = Judge(task, chosen.num_inputs, chosen.num_examples)
    rows: Rows = {"points": [], "pairs": []}
    epochs = range(0, chosen.num_epochs + 1, chosen.every)
    for seed in range(chosen.num_seeds):
        for kept, epoch in enumerate(epochs):
            on_progress("evaluating lines", kept / len(epochs), f"seed {seed}, epoch {epoch}")
            a, b = (
                jax.tree.map(lambda leaf, n=n, k=kept - 1: leaf[n, k], trained)
                if kept
                else jax.tree.map(lambda leaf, n=n: leaf[n], starts)
                for n in (2 * seed, 2 * seed + 1)
            )
            _judge_pair(judge, {"seed": seed, "epoch": epoch}, a, b, rows)
    baseline, _ = random_num_transpositions(task.network.symmetry)
    for row in rows["pairs"]:
        row["random_transpositions"] = baseline
    tables = tables_of(rows, TABLES)
    return Findings(tables, claims_of(tables["pairs"]))


def _train(task: Task, chosen: _Protocol, on_progress: ProgressCallback) -> tuple[Params, Params]:
    """Two independent starts for each seed, and the networks after every kept epoch."""
    keys = jax.random.split(jax.random.key(3), 2 * chosen.num_seeds)
    starts = _trees.stack([task.network.init(key) for key in keys])
    trained = train(
        task,
        starts,
        np.full(len(keys), chosen.learning_rate),
        on_progress,
        num_epochs=chosen.num_epochs,
        every=chosen.every,
        key=jax.random.key(4),
    )
    return starts, trained


def _judge_pair(judge: Judge, which: Row, a: Params, b: Params, rows: Rows) -> None:
    task = judge.task
    others = {"before": b}
    for name, matching in judge.matchings.items():
        found = match_all(task, matching, a, jax.tree.map(lambda leaf: leaf[None], b))
        others[name] = permute(b, task.network.symmetry, found[0])
    for rebasin, other in others.items():
        here: Row = {**which, "rebasin": rebasin}
        values = judge.along(a, other)
        points = line(a, other, FRACTIONS)
        counts = total_transpositions(match_all(task, weight_matching(), a, points))
        pair: Row = {**here, "distance": weight_distance(a, other)}
        for (part, quantity), along in values.items():
            pair[f"{part}_{quantity}"] = float(along[[0, -1]].mean())
            pair[f"{part}_{quantity}_midpoint"] = float(midpoint_barrier(along, FRACTIONS))
            pair[f"{part}_{quantity}_barrier"] = float(barrier(along, FRACTIONS))
        rows["pairs"].append({**pair, "transpositions": int(counts[-1])})
        for place, fraction in enumerate(FRACTIONS.tolist()):
            point: Row = {**here, "fraction": round(fraction, 6)}
            for (part, quantity), along in values.items():
                point[f"{part}_{quantity}"] = float(along[place])
            rows["points"].append({**point, "transpositions": int(counts[place])})


def claims_of(pairs: pd.DataFrame) -> list[Claim]:
    """Claims about rebasin at the last epoch, and about the remaining barrier over epochs."""
    last = pairs["epoch"].to_numpy().max()
    before, after = (
        where(pairs, epoch=last, rebasin=name).set_index("seed") for name in ("before", "weights")
    )
    gap = (before["transpositions"] - before["random_transpositions"]).abs()
    # If the barrier was 0 from the start, the share that is gone is not defined.
    gone = 1 - after["test_loss_barrier"] / before["test_loss_barrier"].replace(0, np.nan)
    trained = where(pairs, rebasin="weights").query("epoch != 0")
    trend = [
        rank_correlation(table["epoch"].to_numpy(float), table["test_loss_barrier"].to_numpy())
        for _, table in trained.groupby("seed")
    ]
    return [
        claim_over_seeds(
            f"Independent networks after {last} epochs differ by as many transpositions as chance",
            "distance of NoT from n - H(n), in transpositions", gap, "<=", 5.0,
        ),
        claim_over_seeds(
            f"Rebasin (by weights) lowers the loss barrier after {last} epochs",
            "share of the barrier of test loss that is gone",
            gone, ">", 0.0,
        ),
        claim_over_seeds(
            f"Rebasin (by weights) removes the loss barrier after {last} epochs",
            "share of the barrier of test loss that is gone",
            gone, ">=", 0.99,
        ),
        claim_over_seeds(
            f"Rebasin (by weights) brings networks nearer after {last} epochs",
            "distance after over distance before", after["distance"] / before["distance"], "<", 1.0,
        ),
        claim_over_seeds(
            "Longer training leaves a smaller barrier after rebasin (by weights)",
            "Spearman correlation of the barrier of test loss with epochs, from the first on",
            trend, "<", 0.0,
        ),
    ]  # fmt: skip
