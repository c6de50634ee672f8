"""Claim (a): training does not change the number of transpositions (NoT) planted between twins.

Network 1 starts as a permuted copy of network 0, and the two are trained with different orders of
the data. The permutation is drawn uniformly from all permutations with the planted NoT.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin.data.fingerprint import fingerprint
from onebasin.prediction.connectivity import (
    barrier,
    line,
    losses_and_errors,
    midpoint_barrier,
    weight_distance,
)
from onebasin.run.cache import Key
from onebasin.run.setup import ProgressCallback
from onebasin.studies.claims import Findings
from onebasin.studies.names import Scale
from onebasin.studies.tables import Columns, Row, Rows, tables_of
from onebasin.studies.training import Task, load_task, train
from onebasin.studies.transpositions import stability
from onebasin.studies.transpositions.claims import claims_of
from onebasin.studies.transpositions.stability import stability_claims, stability_map
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
    num_epochs: int
    num_planted: int
    num_inputs: int
    num_examples: int
    num_seeds: int = 3
    learning_rate: float = 1e-3
    num_replanted: int = 16

    @property
    def planted(self) -> list[int]:
        """Evenly spaced counts from one swap to one cycle, and 0 as the control."""
        return [0, *np.linspace(1, self.hidden - 1, self.num_planted).astype(int).tolist()]


PROTOCOLS: dict[Scale, _Protocol] = {
    # With few images there are few steps, so that these must be larger.
    "smoke": _Protocol("digits", 640, 16, 10, 3, 200, 200, learning_rate=0.02),
    # 59,968 is the largest multiple of the batch size 64 within MNIST's 60,000 images.
    "small": _Protocol("mnist", 59_968, 128, 10, 11, 2_000, 10_000),
    "full": _Protocol("mnist", 59_968, 512, 50, 50, 10_000, 59_968),
}
"""The networks that each scale trains, and the permutations that it plants."""

_TWIN = {"seed": int, "planted": int}
TABLES: dict[str, Columns] = {
    "twins": {
        **_TWIN,
        **{f"{n}_{by}": int for by in ("weights", "activations") for n in ("matched", "displaced")},
        **{f"distance_{stage}": float for stage in ("init", "trained", "undone")},
    },
    "barriers": {
        **_TWIN, "stage": str, "part": str, "quantity": str,
        "ends": float, "midpoint": float, "barrier": float,
    },
    "replanted": {**_TWIN, "permutation": int, "midpoint": float},
    "stability": stability.COLUMNS,
}  # fmt: skip
"""The tables: twins, their barriers, barriers of other permutations, and the map of stability."""


def transpositions_key(scale: Scale) -> Key:
    """The key of the study: both protocols and the images of each."""
    twins, map_of_rates = PROTOCOLS[scale], stability.PROTOCOLS[scale]
    loaded = {
        name: load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train).dataset
        for name, chosen in (("twins", twins), ("stability", map_of_rates))
    }
    protocols = {"twins": twins._asdict(), "stability": map_of_rates._asdict()}
    data = {name: fingerprint(dataset) for name, dataset in loaded.items()}
    return Key(arguments={"scale": scale, **protocols}, data=data)


def transpositions(scale: Scale, on_progress: ProgressCallback) -> Findings:
    """Twins of every planted NoT before and after training, and the map of stability."""
    chosen = PROTOCOLS[scale]
    task = load_task(chosen.data, (chosen.hidden,), num_train=chosen.num_train)
    families = [_family(task, chosen, seed) for seed in range(chosen.num_seeds)]
    starts = jax.tree.map(lambda *leaves: np.concatenate(leaves), *[s for s, _ in families])
    num_networks = chosen.num_seeds * (1 + len(chosen.planted))
    trained = train(
        task,
        starts,
        np.full(num_networks, chosen.learning_rate),
        on_progress,
        num_epochs=chosen.num_epochs,
        every=None,
        key=jax.random.key(1),
    )
    rows: Rows = {"twins": [], "barriers": [], "replanted": []}
    judge = Judge(task, chosen.num_inputs, chosen.num_examples)
    for seed, (before, planted) in enumerate(families):
        first = seed * (1 + len(chosen.planted))
        after = jax.tree.map(
            lambda leaf, first=first: leaf[first : first + 1 + len(chosen.planted), 0], trained
        )
        on_progress("evaluating twins", seed / chosen.num_seeds, f"seed {seed}")
        _judge_family(judge, {"seed": seed}, before, after, planted, rows)
        rows["replanted"] += _replanted(judge, chosen.num_replanted, seed, after, planted)
    rows["stability"] = stability_map(scale, on_progress)
    tables = tables_of(rows, TABLES)
    return Findings(tables, [*claims_of(tables), *stability_claims(tables["stability"])])


def _family(task: Task, chosen: _Protocol, seed: int) -> tuple[Params, Permutation]:
    """Network 0 stacked with its permuted copies, and the permutations of the copies."""
    key_init, key_plant = jax.random.split(jax.random.key(seed))
    network = _trees.to_host(task.network.init(key_init))
    keys = jax.random.split(key_plant, len(chosen.planted))
    twins = [
        plant(task, network, {"hidden_0": wanted}, key=key)
        for key, wanted in zip(keys, chosen.planted, strict=True)
    ]
    copies = [copy for _, copy in twins]
    return _trees.stack([network, *copies]), _trees.stack([permutation for permutation, _ in twins])


def _judge_family(
    judge: Judge, seed: Row, before: Params, after: Params, planted: Permutation, rows: Rows
) -> None:
    """Add the rows of every twin: matched NoT, distances and barriers.

    Barriers are measured before training, after training, and after undoing the permutation.
    """
    task = judge.task
    pairs = {"init": _apart(before), "trained": _apart(after)}
    network, twins = pairs["trained"]
    pairs["undone"] = network, permute(twins, task.network.symmetry, planted.inverse())
    matched: dict[str, np.ndarray] = {}
    for name, matching in judge.matchings.items():
        found = match_all(task, matching, network, twins)
        matched[f"matched_{name}"] = total_transpositions(found)
        matched[f"displaced_{name}"] = displaced(found, planted).sum(axis=-1)
    for row, count in enumerate(total_transpositions(planted).tolist()):
        twin = {**seed, "planted": count}
        distances: Row = {}
        for stage, (first, others) in pairs.items():
            second = jax.tree.map(lambda leaf, row=row: leaf[row], others)
            distances[f"distance_{stage}"] = weight_distance(first, second)
            rows["barriers"] += barrier_rows(judge, {**twin, "stage": stage}, first, second)
        counted = {name: int(values[row]) for name, values in matched.items()}
        rows["twins"].append({**twin, **counted, **distances})


def _replanted(
    judge: Judge, num_replanted: int, seed: int, after: Params, planted: Permutation
) -> Iterator[Row]:
    """The midpoint barriers if other permutations with the same NoT had been planted in a twin.

    Training commutes with permutations. So no other copy has to be trained: the permutation of the
    trained twin is undone, and another one is applied. A barrier depends on which units trade
    places and on how many. Its mean over permutations depends only on how many.
    """
    task, (network, twins) = judge.task, _apart(after)
    undone = permute(twins, task.network.symmetry, planted.inverse())
    test = task.dataset.test
    inputs, targets = test.inputs[: judge.num_examples], test.targets[: judge.num_examples]
    both = jax.tree.map(lambda x, y: np.concatenate([x[None], y]), network, undone)
    ends, _ = losses_and_errors(task.network, both, inputs, targets)
    for row, count in enumerate(total_transpositions(planted).tolist()):
        twin = jax.tree.map(lambda leaf, row=row: leaf[row], undone)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(200 + seed), row), num_replanted)
        middles = [
            line(network, plant(task, twin, {"hidden_0": count}, key=key)[1], np.array([0.5]))
            for key in keys
        ]
        together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *middles)
        losses, _ = losses_and_errors(task.network, together, inputs, targets)
        chord = float(ends[[0, row + 1]].mean())
        for permutation, loss in enumerate(losses.tolist()):
            which: Row = {"seed": seed, "planted": count, "permutation": permutation}
            yield {**which, "midpoint": loss - chord}


def _apart(family: Params) -> tuple[Params, Params]:
    """Network 0 and its copies."""
    return jax.tree.map(lambda leaf: leaf[0], family), jax.tree.map(lambda leaf: leaf[1:], family)


def barrier_rows(judge: Judge, which: Row, a: Params, b: Params) -> list[Row]:
    """The barriers between two networks, and the mean of their scores, by part and quantity."""
    return [
        {
            **which,
            "part": part,
            "quantity": quantity,
            "ends": float(values[[0, -1]].mean()),
            "midpoint": float(midpoint_barrier(values, FRACTIONS)),
            "barrier": float(barrier(values, FRACTIONS)),
        }
        for (part, quantity), values in judge.along(a, b).items()
    ]
