"""The health of a sampler, from the statistics of its draws. arviz-stats is imported late."""

import numpy as np

from onebasin.diagnostics.converged import finite
from onebasin.samples import Samples


def sampler_health(samples: Samples) -> dict[str, float | int | None]:
    r"""The health of a sampler, from the statistics of its draws.

    - "num_divergent": the number of divergent draws, in all chains.
    - "acceptance_rate": the mean acceptance rate, in [0, 1].
    - "step_size": the mean step size.
    - "bfmi_min": the lowest energy Bayesian fraction of missing information (E-BFMI) of a chain,
      $\sum_n (E_n - E_{n-1})^2 / \sum_n (E_n - \bar E)^2$ over its energies $E_n$. Below .3 the
      momenta explore the energies badly.

    What the sampler does not record is None, and so is the E-BFMI of fewer than 4 draws.

    Examples:
        >>> health = ob.diagnostics.sampler_health(samples)
        >>> 0 <= health["acceptance_rate"] <= 1
        True

    Source: Betancourt (2016), arXiv 1604.00695, for the E-BFMI.
    """
    stats = samples.stats
    bfmi = None
    from arviz_stats.base.array import array_stats

    if "energy" in stats and samples.num_draws > 3:
        energy = np.asarray(stats["energy"], np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            bfmi = finite(np.min(array_stats.bfmi(energy, chain_axis=0, draw_axis=1)))
    return {
        "num_divergent": int(np.sum(stats["diverging"])) if "diverging" in stats else None,
        "acceptance_rate": _mean(samples, "acceptance_rate"),
        "step_size": _mean(samples, "step_size"),
        "bfmi_min": bfmi,
    }


def _mean(samples: Samples, name: str) -> float | None:
    """The mean of a statistic of the sampler over all draws; None if it has no such statistic."""
    return float(np.mean(samples.stats[name])) if name in samples.stats else None
