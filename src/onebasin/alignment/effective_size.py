"""The effective sample size of every weight for its std."""

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.diagnostics.effective_size import mean_ess, square_ess
from onebasin.samples import Samples
from onebasin.types import Params

LEAST_ESS = 50
"""The smallest effective sample size at which the std of a weight is compared with its floor."""
_CHUNK_VALUES = 2**22


def std_ess(samples: Samples) -> Params:
    """The effective sample size of each weight for its std.

    It is the smaller of two effective sample sizes, that of the weight and that of its squared
    deviation from its mean, and at most the number of draws. A weight that never moves has 0,
    because nothing shows how its chains mix. Pass aligned samples: without alignment an entry
    belongs to another unit in every chain.

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3.1 and 4.3.
    """
    flat = _trees.ravel_batch(samples.params, 2)
    size = max(1, _CHUNK_VALUES // (flat.shape[0] * flat.shape[1]))
    parts = [_std_ess(flat[..., first : first + size]) for first in range(0, flat.shape[2], size)]
    like = samples.draw(0, 0)
    return _trees.unravel_batch(np.concatenate(parts), like)


def _std_ess(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    least = np.minimum(mean_ess(values), square_ess(values))
    return np.minimum(least, values.shape[0] * values.shape[1])
