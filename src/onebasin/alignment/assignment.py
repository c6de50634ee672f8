"""Linear assignment of units, exact and batched: the only place that knows the solver.

Ties are broken toward the units staying where they are, so that dead units (zero rows) and
with them the number of transpositions are well defined.
"""

import lap
import numpy as np
from jaxtyping import Float, Int

from onebasin.types import Array

# Far below any difference that float32 weights can make, far above the solver's rounding.
_TIE_BONUS = 1e-10


def assign(similarity: Float[Array, "batch units units"]) -> Int[np.ndarray, "batch units"]:
    r"""The permutations that maximize $\sum_i S_{i, p(i)}$, one for each matrix of the batch.

    Row $i$ of `similarity` is unit $i$ of the reference, column $j$ is unit $j$ of the sample.
    Among optima that differ by no more than rounding, units stay where they are.

    Raises: ValueError if a similarity is NaN or infinite. The solver itself would not notice.
    """
    similarity = np.asarray(similarity)
    largest = np.abs(similarity).max(axis=(1, 2), initial=0.0)
    if not np.isfinite(largest).all():
        raise ValueError(
            "Similarities must be finite. Got NaN or infinity: look for divergent draws or "
            "overflowing activations in the samples."
        )
    num_units = similarity.shape[-1]
    assigned = np.empty(similarity.shape[:-1], np.int64)
    cost = np.empty((num_units, num_units))
    diagonal = np.arange(num_units)
    for row, one, scale in zip(assigned, similarity, largest, strict=True):
        np.negative(one, out=cost)
        cost[diagonal, diagonal] -= _TIE_BONUS * (float(scale) or 1.0)
        row[:] = lap.lapjvr(cost, return_cost=False)[1] if num_units > 1 else 0
    return assigned
