r"""Normal scores of ranks, from which R-hat and effective sample sizes are computed.

The normal score of a draw with rank $r$ among all $S$ draws of its weight is
$\Phi^{-1}((r - 3/8) / (S + 1/4))$. Equal draws share their mean rank.

Source: Vehtari et al. (2021), arXiv 1903.08008, equation 14.
"""

from functools import cache
from typing import Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from onebasin.diagnostics.rows import flat


def normal_scores(
    split: Float[np.ndarray, "weight half draw"],
) -> Float[np.ndarray, "weight half draw"]:
    """The normal scores of draws."""
    draws = flat(split)
    places = _order(draws)
    return _scores(draws.take(places), places).reshape(split.shape)


def folded_scores(
    split: Float[np.ndarray, "weight half draw"],
) -> tuple[Float[np.ndarray, "weight half draw"], Float[np.ndarray, "weight half draw"]]:
    """The normal scores of draws, and those of their distances from the median."""
    draws = flat(split)
    places = _order(draws)
    draws = draws.take(places)
    middle = draws.shape[1] // 2  # halves have an even number of draws
    median = (draws[:, middle - 1 : middle] + draws[:, middle : middle + 1]) / 2
    distances = np.abs(draws - median)
    # Distances of sorted draws fall and then rise. A stable sort merges two such runs.
    order = _order(distances, kind="stable")
    near, far = _scores(draws, places), _scores(distances.take(order), places.take(order))
    return near.reshape(split.shape), far.reshape(split.shape)


def _order(
    draws: Float[np.ndarray, "weight draws"], kind: Literal["stable"] | None = None
) -> Int[np.ndarray, "weight draws"]:
    """The places of the sorted draws of each weight, counted through all weights."""
    return draws.argsort(axis=1, kind=kind) + draws.shape[1] * np.arange(len(draws))[:, None]


def _scores(
    draws: Float[np.ndarray, "weight draws"], places: Int[np.ndarray, "weight draws"]
) -> Float[np.ndarray, " all_draws"]:
    """The normal scores of sorted draws, at the places that the draws come from."""
    is_first = np.ones(draws.shape, bool)  # of the draws that equal it
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
