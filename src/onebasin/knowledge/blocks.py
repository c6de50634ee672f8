"""Statistics of every weight, computed by blocks of weights: only one block is in memory."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from onebasin import _trees
from onebasin._stored_array import indexed_as_numpy
from onebasin._threads import map_in_threads
from onebasin.diagnostics import per_weight
from onebasin.knowledge.reliability import Moments
from onebasin.samples import Samples
from onebasin.types import Params

_BLOCK_VALUES = 2**21


class Statistics(NamedTuple):
    """Trees like the params: each statistic by its name, and the moments of two halves of draws."""

    by_name: dict[str, Params]
    first_half: Moments
    second_half: Moments


class _Block(NamedTuple):
    """The entries of a leaf from `first` on, along its first axis behind (chain, draw)."""

    leaf: str
    first: int
    last: int


def statistics_of(
    samples: Samples, progress: Callable[[int, int], None] | None = None
) -> Statistics:
    """`per_weight` of all weights. The halves of the draws are the first and the other chains.

    The halves of a single chain are its first and its last draws. `progress` is called with the
    number of blocks that are done, and their total.
    """
    leaves = {name: indexed_as_numpy(x) for name, x in _trees.named_leaves(samples.params).items()}
    blocks = [block for name, leaf in leaves.items() for block in _blocks(name, leaf.shape)]

    def one(block: _Block) -> dict[str, np.ndarray]:
        leaf = leaves[block.leaf]
        values = np.asarray(leaf[:, :, block.first : block.last] if leaf.ndim > 2 else leaf[...])
        flat = values.reshape(*values.shape[:2], -1)
        first, second = _halves(flat)
        columns = per_weight(flat)._asdict()
        for name, half in {"first": first, "second": second}.items():
            columns[f"{name} mean"] = half.mean(axis=(0, 1), dtype=np.float64)
            columns[f"{name} std"] = half.std(axis=(0, 1), ddof=1, dtype=np.float64)
        return columns

    parts: dict[str, list[dict[str, np.ndarray]]] = {}
    for done, (block, part) in enumerate(zip(blocks, map_in_threads(one, blocks), strict=True), 1):
        parts.setdefault(block.leaf, []).append(part)
        if progress is not None:
            progress(done, len(blocks))
    whole = lambda column: jax.tree.unflatten(
        jax.tree.structure(samples.params),
        [
            np.concatenate([part[column] for part in parts[name]]).reshape(leaf.shape[2:])
            for name, leaf in leaves.items()
        ],
    )
    names = next(iter(parts.values()))[0]
    trees: dict[str, Any] = {name: whole(name) for name in names}
    halves = [Moments(trees.pop(f"{h} mean"), trees.pop(f"{h} std")) for h in ("first", "second")]
    return Statistics(trees, *halves)


def _blocks(name: str, shape: tuple[int, ...]) -> Iterator[_Block]:
    if len(shape) == 2:
        yield _Block(name, 0, 1)
        return
    a_row = math.prod(shape[:2]) * math.prod(shape[3:])
    length = max(1, _BLOCK_VALUES // max(1, a_row))
    for first in range(0, shape[2], length):
        yield _Block(name, first, min(first + length, shape[2]))


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    num_chains, num_draws = values.shape[:2]
    if num_chains > 1:
        return values[: num_chains // 2], values[num_chains // 2 :]
    return values[:, : num_draws // 2], values[:, num_draws // 2 :]
