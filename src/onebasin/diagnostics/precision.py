"""How many draws the std of every weight needs, told from a pilot."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_positive
from onebasin._collections import without_statistics
from onebasin.diagnostics.effective_size import mean_ess
from onebasin.samples import Samples

_MOST_SHARE = 0.9
_CHUNK_VALUES = 2**22


class DrawsNeeded(NamedTuple):
    """How many draws of each chain are needed, as `draws_needed` finds it.

    `median` draws suffice for half of the weights, `most` for 90 % of them. `median_minutes` and
    `most_minutes` are the times that these draws take. They are None if the time of a draw was not
    given.

    Examples:
        >>> needed = ob.diagnostics.DrawsNeeded(median=800, most=2400)
        >>> needed.median_minutes is None
        True
    """

    median: float
    most: float
    median_minutes: float | None = None
    most_minutes: float | None = None


def draws_needed(
    pilot: Samples, mcse_std: float = 0.1, seconds_per_draw: float | None = None
) -> DrawsNeeded:
    r"""How many draws of each chain give the std of a weight to a relative error.

    The error is the Monte Carlo standard error of the std $s$ of a weight $w$, divided by $s$:

    $$\frac{\mathrm{MCSE}(s)}{s} = \sqrt{\frac{\kappa - 1}{4 S}}$$

    $S$ is the effective sample size of $(w - \bar w)^2$ and $\kappa$ is the kurtosis of $w$, which
    is 3 for a Gaussian. $S$ grows in proportion to the draws. So if a pilot of $n$ draws has the
    error $r$, the weight needs $n (r / \text{mcse\_std})^2$ draws of each chain in as many chains.
    Warm-up draws are not counted.

    The pilot must be aligned: before alignment, a weight also varies because units are permuted.
    Numbers from a pilot with fewer than about 50 effective draws are rough. If chains of the pilot
    have not found all modes, the numbers are too small, and nothing in the pilot shows it. They are
    infinite if weights never moved.

    Args:
        pilot: Aligned draws of each chain.
        mcse_std: The relative Monte Carlo standard error that is wanted, positive. Default: .1.
        seconds_per_draw: The time of one draw of all chains, in seconds and positive. Thinned-away
            draws count. Default: not known, then there are no minutes.

    Raises:
        ValueError: If a number is not positive.

    Examples:
        >>> pilot = ob.Samples({"w": np.random.default_rng(0).standard_normal((4, 500, 30))})
        >>> needed = ob.diagnostics.draws_needed(pilot, mcse_std=0.05)
        >>> 40 < needed.median < 60  # 200 independent draws are needed of a Gaussian, from 4 chains
        True

    Source: Kenney and Keeping (1951), Mathematics of Statistics, part 2, page 141, with $S$ for the
    number of draws, as in `mcse_sd` of the R package posterior. Vehtari et al. (2021), arXiv
    1903.08008, section 3, for effective sample sizes.
    """
    check_positive("mcse_std", mcse_std)
    if seconds_per_draw is not None:
        check_positive("seconds_per_draw", seconds_per_draw)
    flat = _trees.ravel_batch(without_statistics(pilot.params), num_batch_axes=2)
    size = max(1, _CHUNK_VALUES // (flat.shape[0] * flat.shape[1]))
    parts = [_errors(flat[..., first : first + size]) for first in range(0, flat.shape[2], size)]
    draws = pilot.num_draws * (np.concatenate(parts) / mcse_std) ** 2
    median, most = (_ceil(np.quantile(draws, q, method="inverted_cdf")) for q in (0.5, _MOST_SHARE))
    if seconds_per_draw is None:
        return DrawsNeeded(median, most)
    return DrawsNeeded(median, most, median * seconds_per_draw / 60, most * seconds_per_draw / 60)


def _errors(values: Float[np.ndarray, "chain draw weight"]) -> Float[np.ndarray, " weight"]:
    """The Monte Carlo standard error of the std of each weight, divided by the std."""
    squares = (values - values.mean(axis=(0, 1), dtype=np.float64)) ** 2
    variances = squares.mean(axis=(0, 1))
    moves = (values != values[:1, :1]).any(axis=(0, 1))
    kurtosis = (squares**2).mean(axis=(0, 1)) / np.where(moves, variances, 1.0) ** 2
    size = mean_ess(squares)
    excess = np.maximum(kurtosis - 1, 0)  # of a weight with two values it is 0, but for rounding
    return np.where(moves, np.sqrt(excess / (4 * np.where(size > 0, size, 1.0))), np.inf)


def _ceil(number: np.floating) -> float:
    return float(math.ceil(number)) if np.isfinite(number) else math.inf
