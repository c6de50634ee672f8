r"""Signs: which of them makes units most similar, for every pair of units at once.

Where a unit may flip, its similarity to another is the larger of $S$ and $-S$, which is $|S|$.
Units may have several signs that touch different arrays: then each gets what is best with the
others as they are, in turns; that is exact where no array takes two of them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from onebasin.types import Array

Parts: TypeAlias = Mapping[tuple[str, ...], np.ndarray]
"""Similarities of units of the target with units of a draw, by the signs that they take."""

_MOST_TURNS = 10


class Signed(NamedTuple):
    """The similarity of all pairs of units, each under its best signs, and what these are."""

    similarity: Float[np.ndarray, "*batch units units"]
    signs: dict[str, Int[np.ndarray, "*batch units units"]]

    def at(self, units: Int[Array, "*batch units"]) -> dict[str, Int[np.ndarray, "*batch units"]]:
        """The signs of matched pairs."""
        return {name: _matched(signs, units) for name, signs in self.signs.items()}


def best_signs(parts: Parts) -> Signed:
    """Every pair of units under the signs that make it most similar; ties do not flip."""
    names = sorted({name for own in parts for name in own})
    shape = np.shape(next(iter(parts.values())))
    signs = {name: np.ones(shape, np.int8) for name in names}
    takes_two = any(len(own) > 1 for own in parts)
    for _ in range(_MOST_TURNS if takes_two else 1):
        before = dict(signs)
        for name in names:
            others = {own: part for own, part in parts.items() if name in own}
            pull = _total(others, signs) * signs[name]
            signs[name] = np.where(pull < 0, -1, 1).astype(np.int8)
        if all((before[name] == signs[name]).all() for name in names):
            break
    return Signed(_total(parts, signs), signs)


def _total(parts: Parts, signs: Mapping[str, np.ndarray]) -> np.ndarray:
    if len(parts) == 1 and () in parts:
        return parts[()]
    return np.asarray(sum(part * _product(own, signs) for own, part in parts.items()))


def _product(own: Sequence[str], signs: Mapping[str, Array]) -> np.ndarray | int:
    return math.prod((np.asarray(signs[name]) for name in own), start=1)  # type: ignore[arg-type]


def _matched(pairs: np.ndarray, units: Int[Array, "*batch units"]) -> np.ndarray:
    return np.take_along_axis(pairs, np.asarray(units)[..., None], axis=-1)[..., 0]
