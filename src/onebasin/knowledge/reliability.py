"""Reliability: whether half of the draws says the same of each weight as the other half."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.alignment.null import exchanged_axes
from onebasin.gaussians.compare import rank_correlation
from onebasin.symmetry import Symmetry
from onebasin.types import Params

ALL = "all arrays"
"""The name under which all weights together stand beside the single arrays."""


class Moments(NamedTuple):
    """The mean and the std of each weight over some draws."""

    mean: Params
    std: Params


def split_half(first: Moments, second: Moments, symmetry: Symmetry) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation, over the weights of an array, between two halves of the draws.

    Both halves must be aligned together. The result has, for each array and for "all arrays", the
    correlation of

    - "mean" and "std";
    - "std_between_units": the std less its mean over the units of its position, for instance over
      all hidden units that read one input. It says whether the units of a layer have stds of their
      own. It is NaN for an array without units that may move.

    Aligned noise repeats its means too, because alignment makes it alike: compare with the same
    correlations of `aligned_nulls`.

    Source: Spearman (1910), Correlation calculated from faulty data, for split halves. Without the
    correction for the length, so that it is about half of the draws.
    """
    kinds: dict[str, Callable[[Moments], Mapping[str, Float[np.ndarray, " weights"]]]] = {
        "mean": lambda half: _flat(_trees.named_leaves(half.mean)),
        "std": lambda half: _flat(_trees.named_leaves(half.std)),
        "std_between_units": lambda half: _between_units(half.std, symmetry),
    }
    found: dict[str, dict[str, float]] = {name: {} for name in _trees.named_leaves(first.mean)}
    found[ALL] = {}
    for kind, values_of in kinds.items():
        one, other = values_of(first), values_of(second)
        for name in found:
            if name == ALL:
                pair = [np.concatenate([*half.values(), np.zeros(0)]) for half in (one, other)]
            else:
                pair = [half.get(name, np.zeros(0)) for half in (one, other)]
            found[name][kind] = rank_correlation(*pair) if len(pair[0]) > 1 else float("nan")
    return found


def _flat(leaves: Mapping[str, np.ndarray]) -> dict[str, Float[np.ndarray, " weights"]]:
    return {name: np.asarray(leaf, np.float64).reshape(-1) for name, leaf in leaves.items()}


def _between_units(std: Params, symmetry: Symmetry) -> dict[str, Float[np.ndarray, " weights"]]:
    """Each std less the mean of its position, for the arrays that have units that may move."""
    found: dict[str, list[np.ndarray]] = {}
    for name, piece in _trees.named_leaves(symmetry.unfold(std)).items():
        axes = exchanged_axes(symmetry, name)
        if axes:
            piece = np.asarray(piece, np.float64)
            centered = piece - piece.mean(axis=axes, keepdims=True)
            found.setdefault(symmetry.pieces[name].leaf, []).append(centered.reshape(-1))
    return {leaf: np.concatenate(parts) for leaf, parts in found.items()}
