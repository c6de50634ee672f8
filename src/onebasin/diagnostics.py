"""Convergence diagnostics of weights, predictions and energies, by arviz-stats.

arviz-stats takes seconds to import, so it is imported where it is used.
"""

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.samples import Samples

_MAX_QUANTITIES = 200


def convergence(values: Float[np.ndarray, "chain draw quantities"]) -> dict[str, float | None]:
    """Rank-normalized R-hat and bulk effective sample size over (at most 200) quantities.

    The median and the worst are given. One chain is split in two. None where no quantity varies
    within a chain or there are fewer than 4 draws (8 of one chain).

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3 and 4.
    """
    count = values.shape[-1]
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MAX_QUANTITIES)).astype(int))
    values = np.asarray(values[..., chosen], np.float64)
    values = values[..., (np.ptp(values, axis=1) > 0).any(axis=0)]
    if len(values) == 1:
        half = values.shape[1] // 2
        values = values[0, : 2 * half].reshape(2, half, -1)
    if values.shape[1] < 4 or values.shape[-1] == 0:
        return dict.fromkeys(("rhat_median", "rhat_max", "ess_median", "ess_min"))
    from arviz_stats.base.array import array_stats

    with np.errstate(divide="ignore", invalid="ignore"):
        rhat = array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank")
        ess = array_stats.ess(values, chain_axis=0, draw_axis=1, method="bulk")
    return {
        "rhat_median": _finite(np.median(rhat)),
        "rhat_max": _finite(np.max(rhat)),
        "ess_median": _finite(np.median(ess)),
        "ess_min": _finite(np.min(ess)),
    }


def _finite(value: np.floating) -> float | None:
    """JSON has no infinity, and draws that are stuck make one."""
    return float(value) if np.isfinite(value) else None


def weight_convergence(samples: Samples) -> dict[str, float | None]:
    """R-hat and effective sample size of (at most 200) single weights.

    Before alignment they say how chains wander between copies, not how they mix in function.
    """
    return convergence(_trees.ravel_batch(without_statistics(samples.params), num_batch_axes=2))


def sampler_health(samples: Samples) -> dict[str, float | int | None]:
    """Divergences, mean acceptance and the lowest E-BFMI of the chains, where known.

    An E-BFMI below .3 says that momenta explore energies badly (Betancourt 2016,
    arXiv 1604.00695).
    """
    stats = samples.stats
    bfmi = None
    from arviz_stats.base.array import array_stats

    if "energy" in stats and samples.num_draws > 3:
        energy = np.asarray(stats["energy"], np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            bfmi = _finite(np.min(array_stats.bfmi(energy, chain_axis=0, draw_axis=1)))
    return {
        "num_divergent": int(np.sum(stats["diverging"])) if "diverging" in stats else None,
        "acceptance_rate": _mean(samples, "acceptance_rate"),
        "step_size": _mean(samples, "step_size"),
        "bfmi_min": bfmi,
    }


def _mean(samples: Samples, name: str) -> float | None:
    return float(np.mean(samples.stats[name])) if name in samples.stats else None
