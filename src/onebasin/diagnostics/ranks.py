"""Normal scores of ranks, which effective sample sizes and R-hat are computed of.

The normal score of a draw with rank $r$ among all $S$ draws of its weight is
$\\Phi^{-1}((r - 3/8) / (S + 1/4))$. Equal draws share their mean rank.

Source: Vehtari et al. (2021), arXiv 1903.08008, equation 14.
"""

from functools import cache

import numpy as np
import scipy.special
from jaxtyping import Float, Int


def normal_scores(
    split: Float[np.ndarray, "weight half draw"],
) -> Float[np.ndarray, "weight half draw"]:
    """The normal scores of draws."""
    return _scores(*_sorted(split)).reshape(split.shape)


def folded_scores(
    split: Float[np.ndarray, "weight half draw"],
) -> tuple[Float[np.ndarray, "weight half draw"], Float[np.ndarray, "weight half draw"]]:
    """The normal scores of draws, and those of their distances from the median."""
    draws, places = _sorted(split)
    middle = draws.shape[1] // 2  # the number of draws in halves is even
    median = (draws[:, middle - 1 : middle] + draws[:, middle : middle + 1]) / 2
    distances = np.abs(draws - median)
    # Distances of sorted draws fall and then rise. A stable sort merges two such runs.
    order = distances.argsort(axis=1, kind="stable")
    distances, far_places = (np.take_along_axis(x, order, axis=1) for x in (distances, places))
    both = _scores(draws, places), _scores(distances, far_places)
    return both[0].reshape(split.shape), both[1].reshape(split.shape)


def _sorted(
    split: Float[np.ndarray, "weight half draw"],
) -> tuple[Float[np.ndarray, "weight draws"], Int[np.ndarray, "weight draws"]]:
    """The draws of each weight, sorted, and where each comes from in the array of all weights."""
    flat = split.reshape(len(split), -1)
    places = flat.argsort(axis=1) + flat.shape[1] * np.arange(len(flat))[:, None]
    return flat.ravel()[places], places


def _scores(
    draws: Float[np.ndarray, "weight draws"], places: Int[np.ndarray, "weight draws"]
) -> Float[np.ndarray, " all_draws"]:
    """The normal scores of sorted draws, at the places that the draws come from."""
    is_first = np.ones(draws.shape, bool)  # of draws that are equal
    np.not_equal(draws[:, 1:], draws[:, :-1], out=is_first[:, 1:])
    first = np.broadcast_to(np.arange(draws.shape[1]), draws.shape)[is_first]
    counts = np.diff(np.flatnonzero(is_first), append=draws.size)
    scores = np.empty(draws.size)
    scores[places.ravel()] = np.repeat(_table(draws.shape[1])[2 * first + counts - 1], counts)
    return scores


@cache
def _table(num_draws: int) -> Float[np.ndarray, " half_rank"]:
    """The normal scores of the ranks 1, 1.5, 2, ..., `num_draws`."""
    ranks = 1 + np.arange(2 * num_draws - 1) / 2
    return scipy.special.ndtri((ranks - 3 / 8) / (num_draws + 1 / 4))
