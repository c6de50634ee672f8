"""The floor: the least that matching takes, whoever does it."""

import lap
import numpy as np

from benchmarks.alignment import plain
from benchmarks.timing import best_seconds
from onebasin.types import Params

_AT_ONCE = 20


def floor_seconds(reference: Params, draw: Params) -> float:
    """Seconds for the products and the assignment of every hidden layer, once.

    Products go into memory that is there. Units of other layers are taken to be where they are.
    """
    return sum(_of_layer(reference, draw, layer) for layer in range(len(reference) - 1))


def _of_layer(reference: Params, draw: Params, layer: int) -> float:
    (ours, ours_next), (theirs, theirs_next) = (
        plain.layers_of(params)[layer : layer + 2] for params in (reference, draw)
    )
    pairs = [
        (ours["kernel"].T, theirs["kernel"]),
        (ours_next["kernel"], theirs_next["kernel"].T),
    ]
    stay = [np.arange(one["bias"].size) for one in plain.layers_of(reference)[:-1]]
    similarity = plain.similarity_of(reference, draw, stay, layer).astype(np.float64)
    cost = similarity.max(axis=1, keepdims=True) - similarity  # solved faster than -similarity
    into = np.empty(cost.shape, np.float32)
    products = sum(
        best_seconds(lambda: [np.matmul(a, b, out=into) for _ in range(_AT_ONCE)])  # noqa: B023
        for a, b in pairs
    )
    solves = best_seconds(lambda: [lap.lapjvh(cost, return_cost=False) for _ in range(_AT_ONCE)])
    return (products + solves) / _AT_ONCE
