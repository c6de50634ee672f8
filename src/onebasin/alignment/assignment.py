"""Linear assignment of units, exact and batched: the only place that knows the solver.

Ties are broken toward the units staying where they are, so that dead units (zero rows) and
with them the number of transpositions are well defined.
"""

import lap
import numpy as np
from jaxtyping import Float, Int

from onebasin._scratch import Scratch
from onebasin.types import Array

_scratch = Scratch()

# Below any difference that float32 can make, above the solver's rounding.
_TIE_BONUS = 2.0**-44
_ROUNDING = 8 * float(np.finfo(np.float64).eps)


def assign(similarity: Float[Array, "batch units units"]) -> Int[np.ndarray, "batch units"]:
    r"""The permutations that maximize $\sum_i S_{i, p(i)}$, one for each matrix of the batch.

    Row $i$ of `similarity` is unit $i$ of the reference, column $j$ is unit $j$ of the sample.
    Among optima that differ by no more than rounding, units stay where they are.

    Raises: ValueError if a similarity is NaN or infinite. The solver itself would not notice.
    """
    similarity = np.asarray(similarity)
    if not similarity.size:
        return np.zeros(similarity.shape[:-1], np.int64)
    best, scales = similarity.max(axis=-1), _scales(similarity)
    every = np.arange(similarity.shape[-1])
    stays = np.einsum("bii->bi", similarity) >= best - _ROUNDING * np.abs(best, dtype=np.float64)
    assigned = np.where(stays, every, similarity.argmax(axis=-1))
    # Where units want different partners, each gets the best.
    is_open = (np.sort(assigned, axis=-1) != every).any(axis=-1)
    for row in np.flatnonzero(is_open):
        assigned[row] = _solved(similarity[row], best[row], float(scales[row]))
    return assigned


def _scales(similarity: Float[np.ndarray, "batch units units"]) -> Float[np.ndarray, " batch"]:
    """The size of the largest similarity, up to the number of units; 1 if all are 0.

    Raises: ValueError if one of them is NaN or infinite.
    """
    flat = similarity.reshape(len(similarity), -1)
    with np.errstate(all="ignore"):
        scales = np.sqrt(np.vecdot(flat, flat), dtype=np.float64)
    for row in np.flatnonzero(~((scales > 0) & (scales < np.inf))):
        # Its squares are too large or too small for their precision.
        scales[row] = np.abs(flat[row]).max()
    if not (scales < np.inf).all():
        raise ValueError(
            "Similarities must be finite. Got NaN or infinity: look for divergent draws or "
            "overflowing activations in the samples."
        )
    return np.where(scales > 0, scales, 1.0)


def _solved(
    similarity: Float[np.ndarray, "units units"], best: Float[np.ndarray, " units"], scale: float
) -> Int[np.ndarray, " units"]:
    """The assignment of one matrix, of which the best of each row and the scale are known."""
    cost = _scratch.array("cost", similarity.shape, np.float64)
    units = _least(cost, similarity, best, _TIE_BONUS * scale)
    if similarity.dtype != np.float64:
        return units
    # Here a difference may be as small as the bonus.
    exact = _least(cost, similarity, best, 0.0)
    rounding = 16 * np.finfo(np.float64).eps * len(units) * float(np.abs(similarity).max())
    return exact if _total(similarity, exact) > _total(similarity, units) + rounding else units


def _least(
    cost: Float[np.ndarray, "units units"],
    similarity: Float[np.ndarray, "units units"],
    best: Float[np.ndarray, " units"],
    bonus: float,
) -> Int[np.ndarray, " units"]:
    """The assignment of the least cost, where a unit that stays costs less by the bonus.

    Costs beside the best of each row take up to a fifth of the time that plain similarities take.
    """
    np.copyto(cost, similarity)
    np.subtract(best.astype(np.float64)[:, None], cost, out=cost)
    np.einsum("ii->i", cost)[:] -= bonus
    return lap.lapjvh(cost, return_cost=False)[1]


def _total(similarity: np.ndarray, units: np.ndarray) -> float:
    return float(np.take_along_axis(similarity, units[:, None], axis=1).sum())
