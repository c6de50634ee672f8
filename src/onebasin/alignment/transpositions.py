"""Transpositions between posterior draws: between chains, and within a chain against lag."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from onebasin.alignment.align import align
from onebasin.alignment.matching import Matching
from onebasin.alignment.reference import to
from onebasin.samples import Samples
from onebasin.symmetry.axes import Symmetry
from onebasin.types import Params

_STARTS = 5
_OTHERS = 24


def transpositions_to(
    reference: Params, samples: Samples, symmetry: Symmetry, matching: Matching
) -> Float[np.ndarray, "chain draw"]:
    """The transpositions that bring each draw to a reference draw, summed over groups."""
    permutation = align(samples, symmetry, matching, to(reference)).permutation
    # A nested group counts in every unit that it is nested in.
    each = [
        counts.reshape(*counts.shape[:2], -1).sum(axis=-1)
        for counts in permutation.num_transpositions().values()
    ]
    return np.sum(each, axis=0).astype(np.float64)


def transpositions_between_chains(
    samples: Samples, symmetry: Symmetry, matching: Matching
) -> float | None:
    """The mean number of transpositions between two draws of different chains.

    Draws are matched to each other in pairs. Compare it with `random_num_transpositions`: if both
    are near each other, chains have nothing in common but the symmetry.

    Returns:
        The mean over pairs, or None if there is one chain only.

    Examples:
        >>> between = ob.alignment.transpositions_between_chains
        >>> 0 <= between(samples, symmetry, ob.weight_matching()) <= 7  # of 8 units
        True
    """
    if samples.num_chains < 2:
        return None
    found = []
    for chain in range(samples.num_chains):
        others = samples.select_chains(*(c for c in range(samples.num_chains) if c != chain))
        others = others.thin(max(1, samples.num_draws * others.num_chains // _OTHERS))
        reference = samples.draw(chain, samples.num_draws // 2)
        found.append(transpositions_to(reference, others, symmetry, matching))
    return float(np.mean(found))


def transpositions_by_lag(
    samples: Samples, symmetry: Symmetry, matching: Matching
) -> list[tuple[int, float]]:
    """Pairs of (lag in draws, mean transpositions between draws of a chain that far apart).

    Examples:
        >>> by_lag = ob.alignment.transpositions_by_lag(samples, symmetry, ob.weight_matching())
        >>> [lag for lag, _ in by_lag]
        [1, 2, 4]
    """
    lags = _lags(samples.num_draws)
    if not lags:
        return []
    found = []
    for chain in range(samples.num_chains):
        for start in np.linspace(0, samples.num_draws - 1 - lags[-1], _STARTS).astype(int):
            later = _draws(samples, chain, [int(start) + lag for lag in lags])
            reference = samples.draw(chain, int(start))
            found.append(transpositions_to(reference, later, symmetry, matching)[0])
    return [(lag, float(not_)) for lag, not_ in zip(lags, np.mean(found, axis=0), strict=True)]


def _lags(num_draws: int) -> list[int]:
    """Powers of two up to half the draws."""
    return [2**power for power in range(16) if 2**power <= num_draws // 2]


def _draws(samples: Samples, chain: int, rows: Sequence[int]) -> Samples:
    return Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[chain, rows][None], samples.params))
