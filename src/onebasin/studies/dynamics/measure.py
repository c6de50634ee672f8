"""Claim (a) over epochs: the line between two independent trainings, before and after rebasin."""

from typing import NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin._types import Params
from onebasin.alignment.weight_matching import weight_matching
from onebasin.data.fingerprint import fingerprint
from onebasin.gaussians.compare import rank_correlation
from onebasin.prediction.connectivity import barrier, line, midpoint_barrier, weight_distance
from onebasin.run.cache import Key
from onebasin.run.setup import Monitor
from onebasin.store.tables import Row
from onebasin.studies.claims import (
    Claim,
    Findings,
    Tables,
    claim_over_seeds,
    number,
)
from onebasin.studies.names import Scale
from onebasin.studies.training import Task, load_task, train
from onebasin.studies.twins import FRACTIONS, Judge, match_all, total_transpositions
from onebasin.symmetry.permutation import permute
from onebasin.symmetry.random_permutation import random_num_transpositions


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
    # Few images need larger steps to get anywhere.
    "smoke": _Protocol("digits", 640, 16, 10, 5, 200, 200, learning_rate=0.02),
    "small": _Protocol("mnist", 59_968, 128, 10, 1, 2_000, 5_000, num_seeds=5),
    "full": _Protocol("mnist", 59_968, 512, 50, 1, 10_000, 59_968),
}
"""What each scale trains, and how often it looks."""


def dynamics_key(scale: Scale) -> Key:
    """What the study depends on: its protocol and the images."""
    chosen = PROTOCOLS[scale]
    data = load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train).dataset
    arguments = {"scale": scale, "protocol": chosen._asdict()}
    return Key(arguments=arguments, data={data.name: fingerprint(data)})


def dynamics(scale: Scale, monitor: Monitor) -> Findings:
    """Loss, error, distance and NoT on the line between two networks, at every kept epoch."""
    chosen = PROTOCOLS[scale]
    task = load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train)
    starts, trained = _train(task, chosen, monitor)
    judge = Judge(task, chosen.num_inputs, chosen.num_examples)
    tables: Tables = {"points": [], "pairs": []}
    epochs = range(0, chosen.num_epochs + 1, chosen.every)
    for seed in range(chosen.num_seeds):
        for kept, epoch in enumerate(epochs):
            monitor("walking lines", kept / len(epochs), f"seed {seed}, epoch {epoch}")
            a, b = (
                jax.tree.map(lambda leaf, n=n, k=kept - 1: leaf[n, k], trained)
                if kept
                else jax.tree.map(lambda leaf, n=n: leaf[n], starts)
                for n in (2 * seed, 2 * seed + 1)
            )
            _judge_pair(judge, {"seed": seed, "epoch": epoch}, a, b, tables)
    baseline, _ = random_num_transpositions(task.network.symmetry)
    for row in tables["pairs"]:
        row["random_transpositions"] = baseline
    return Findings(tables, claims_of(tables["pairs"]))


def _train(task: Task, chosen: _Protocol, monitor: Monitor) -> tuple[Params, Params]:
    """Two independent starts a seed, and the networks after every kept epoch."""
    keys = jax.random.split(jax.random.key(3), 2 * chosen.num_seeds)
    starts = _trees.stack([task.network.init(key) for key in keys])
    trained = train(
        task,
        jax.random.key(4),
        starts,
        np.full(len(keys), chosen.learning_rate),
        monitor,
        num_epochs=chosen.num_epochs,
        every=chosen.every,
    )
    return starts, trained


def _judge_pair(judge: Judge, which: Row, a: Params, b: Params, tables: Tables) -> None:
    task = judge.task
    others = {"before": b}
    for name, matching in judge.matchings.items():
        found = match_all(task, matching, a, jax.tree.map(lambda leaf: leaf[None], b))
        single = {group: p[0] for group, p in found.items()}
        others[name] = permute(task.network.symmetry, single, b)
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
        tables["pairs"].append({**pair, "transpositions": int(counts[-1])})
        for place, fraction in enumerate(FRACTIONS.tolist()):
            point: Row = {**here, "fraction": round(fraction, 6)}
            for (part, quantity), along in values.items():
                point[f"{part}_{quantity}"] = float(along[place])
            tables["points"].append({**point, "transpositions": int(counts[place])})


def claims_of(pairs: list[Row]) -> list[Claim]:
    """What the last epoch says of rebasin, and the epochs of the barrier that is left."""
    last = max(int(row["epoch"] or 0) for row in pairs)
    before, after = (_at(pairs, last, name) for name in ("before", "weights"))
    gap = [abs(number(r, "transpositions") - number(r, "random_transpositions")) for r in before]
    gone = 1 - _ratios(after, before, "test_loss_barrier")
    trend = [
        rank_correlation(*_over_epochs(pairs, number(row, "seed"), "test_loss_barrier"))
        for row in after
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
            "distance after over distance before", _ratios(after, before, "distance"), "<", 1.0,
        ),
        claim_over_seeds(
            "Longer training leaves a smaller barrier after rebasin (by weights)",
            "Spearman correlation of the barrier of test loss with epochs, from the first on",
            trend, "<", 0.0,
        ),
    ]  # fmt: skip


def _ratios(after: list[Row], before: list[Row], name: str) -> np.ndarray:
    """A column after rebasin over the same before, seed by seed; NaN where it was 0."""
    above, below = (np.array([number(row, name) for row in rows]) for rows in (after, before))
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below != 0)


def _at(pairs: list[Row], epoch: int, rebasin: str) -> list[Row]:
    return [row for row in pairs if (row["epoch"], row["rebasin"]) == (epoch, rebasin)]


def _over_epochs(pairs: list[Row], seed: float, name: str) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        row
        for row in pairs
        if row["seed"] == seed and row["rebasin"] == "weights" and row["epoch"] != 0
    ]
    epochs, values = (np.array([number(r, column) for r in rows]) for column in ("epoch", name))
    return epochs, values
