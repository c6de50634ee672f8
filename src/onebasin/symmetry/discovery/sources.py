"""Sources: the values that a walk begins with.

A function reads three kinds of arrays. A *param* gets a free label for each of its axes. An *input*
keeps its order, because the network is the same function only if its inputs are not permuted. A
*constant* of the function keeps its order along the axes on which it changes:

    jnp.zeros((4, 3))                      flat, flat: any order is the same
    jnp.arange(3) * jnp.ones((4, 1))       flat, frozen
    jnp.eye(4)                             one free label on both axes: permuting both alike
                                           leaves the array as it is
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin.symmetry.discovery.labels import (
    Factors,
    Flat,
    Label,
    Origin,
    frozen_axis,
    labels_in,
    resolve,
)
from onebasin.symmetry.discovery.values import (
    MAX_CONCRETE_SIZE,
    Value,
    block_keys,
    frozen_value,
    single_block,
)


def constant_value(array: Any) -> Value:
    """The value of an array, or a number, that is part of the function.

    Its numbers are kept if there are at most `MAX_CONCRETE_SIZE`, or if all are 0. Keys of random
    numbers and whatever is no array are frozen.
    """
    shape = np.shape(array)
    is_key = isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    if is_key or not isinstance(array, np.ndarray | np.generic | jax.Array | int | float | complex):
        return given_value(shape, "a constant of the function")
    array = np.asarray(array)
    numbers = _bytes(array)
    block: list[Factors] = []
    for axis, size in enumerate(shape):
        changes = array.size and (numbers != numbers.take([0], axis)).any()
        factors = frozen_axis(size, "a constant of the function") if changes else (Flat(size),)
        block.append(resolve(factors))
    for first, second in combinations(range(len(shape)), 2):
        if (
            labels_in(block[first])
            and shape[first] == shape[second]
            and _is_diagonal(numbers, first, second)
        ):
            block[first] = block[second] = (Label(shape[first]),)
    concrete = array if array.size <= MAX_CONCRETE_SIZE or not array.any() else None
    return single_block(block, shape)._replace(concrete=concrete, source="given")


def _is_diagonal(numbers: np.ndarray, first: int, second: int) -> bool:
    """Whether entries are a if the indices on two axes are equal, and b if they differ."""
    square = np.moveaxis(numbers, (first, second), (0, 1))
    on = np.eye(len(square), dtype=bool)
    return bool((square[on] == square[0, 0]).all() and (square[~on] == square[0, 1]).all())


def _bytes(array: np.ndarray) -> np.ndarray:
    """The bytes of every number along a new last axis.

    Compared as bytes, NaN equals itself, and 0 is not -0.
    """
    return np.frombuffer(array.tobytes(), np.uint8).reshape(*array.shape, array.itemsize)


def param_value(number: int, shape: Sequence[int], cuts: Sequence[set[int]]) -> Value:
    """The value of a param: free labels for every axis of every block.

    `number` counts the leaves of the params. `cuts` are the positions that earlier walks have
    requested, for each axis; every segment gets a label of its own.
    """
    segments = tuple(
        tuple(np.diff([0, *sorted(positions), size]).tolist())
        for size, positions in zip(shape, cuts, strict=True)
    )
    blocks = {}
    for key in block_keys(segments):
        starts = [sum(sizes[:at]) for sizes, at in zip(segments, key, strict=True)]
        sizes = [sizes[at] for sizes, at in zip(segments, key, strict=True)]
        blocks[key] = tuple(
            (Label(size, Origin(number, axis, start, 1)),) if size > 1 else ()
            for axis, (start, size) in enumerate(zip(starts, sizes, strict=True))
        )
    return Value(segments, blocks, source="param")


def given_value(shape: Sequence[int], reason: str) -> Value:
    """The value of an array that does not depend on params and keeps its order."""
    return frozen_value(shape, reason)._replace(source="given")
