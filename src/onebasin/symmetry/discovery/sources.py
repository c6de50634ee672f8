"""What a walk begins with: the params of a function, its other inputs, and its constants."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin.symmetry.discovery.labels import (
    Flat,
    Label,
    Origin,
    Run,
    frozen_run,
    labels_in,
    resolve,
)
from onebasin.symmetry.discovery.values import FEW, Value, frozen, keys, whole


def constant(array: Any) -> Value:
    """An array that is part of the function: axes along which nothing changes are flat."""
    shape = np.shape(array)
    is_key = isinstance(array, jax.Array) and jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    if is_key or not isinstance(array, np.ndarray | np.generic | jax.Array | int | float | complex):
        return given(shape, "a constant of the function")
    array = np.asarray(array)
    bits = _bits(array)
    runs: list[Run] = []
    for axis, size in enumerate(shape):
        changes = array.size and (bits != bits.take([0], axis)).any()
        run = frozen_run(size, "a constant of the function") if changes else (Flat(size),)
        runs.append(resolve(run))
    for one, other in combinations(range(len(shape)), 2):
        if labels_in(runs[one]) and shape[one] == shape[other] and _is_diagonal(bits, one, other):
            runs[one] = runs[other] = (Label(shape[one]),)
    known = array if array.size <= FEW or not array.any() else None
    return whole(runs, shape)._replace(known=known, source="given")


def _is_diagonal(bits: np.ndarray, one: int, other: int) -> bool:
    """Whether entries differ by nothing but whether their places on two axes are the same."""
    square = np.moveaxis(bits, (one, other), (0, 1))
    on = np.eye(len(square), dtype=bool)
    return bool((square[on] == square[0, 0]).all() and (square[~on] == square[0, 1]).all())


def _bits(array: np.ndarray) -> np.ndarray:
    """The bytes of every number along a last axis: NaN equals itself there, and 0 is not -0."""
    return np.frombuffer(array.tobytes(), np.uint8).reshape(*array.shape, array.itemsize)


def argument(number: int, shape: Sequence[int], cuts: Sequence[set[int]]) -> Value:
    """An argument whose entries may be permuted; every block that it is cut into on its own."""
    segments = tuple(
        tuple(np.diff([0, *sorted(positions), size]).tolist())
        for size, positions in zip(shape, cuts, strict=True)
    )
    blocks = {}
    for key in keys(segments):
        starts = [sum(sizes[:at]) for sizes, at in zip(segments, key, strict=True)]
        sizes = [sizes[at] for sizes, at in zip(segments, key, strict=True)]
        blocks[key] = tuple(
            (Label(size, Origin(number, axis, start, 1)),) if size > 1 else ()
            for axis, (start, size) in enumerate(zip(starts, sizes, strict=True))
        )
    return Value(segments, blocks, source="param")


def given(shape: Sequence[int], reason: str) -> Value:
    """An array that does not depend on params and whose entries keep their order."""
    return frozen(shape, reason)._replace(source="given")
