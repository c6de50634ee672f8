"""Convergence diagnostics of weights, predictions and energies, computed by arviz-stats.

arviz-stats takes seconds to import, so functions import it when they run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_positive
from onebasin._collections import without_statistics
from onebasin.samples import Samples

__all__ = ["Converged", "convergence", "sampler_health", "weight_convergence"]

_MAX_QUANTITIES = 200


@dataclass(frozen=True)
class Converged:
    """When draws count as converged: by their worst R-hat and their smallest effective sample size.

    The worst of 200 R-hats is above 1.01 now and then although all chains sample one distribution,
    so 1.02 is asked of it.

    Args:
        rhat: The largest rank-normalized R-hat that is allowed, above 1. Default: 1.02.
        ess: The smallest bulk effective sample size that is allowed, of all chains together and in
            draws, positive. Default: 400.

    Raises:
        ValueError: If a number is out of its range.

    Examples:
        >>> found = {"rhat_max": 1.07, "ess_min": 520.0}
        >>> print(ob.diagnostics.Converged().problem(found))
        the worst R-hat is 1.070 (at most 1.02 is asked)

    Source: Vehtari et al. (2021), arXiv 1903.08008, section 4, who ask for 1.01 and 400 of a single
    quantity.
    """

    rhat: float = 1.02
    ess: float = 400.0

    def __post_init__(self):
        if not 1 < self.rhat < float("inf"):
            raise ValueError(f"rhat must lie in (1, inf). Got {self.rhat}.")
        check_positive("ess", self.ess)

    def problem(self, found: Mapping[str, float | None]) -> str | None:
        """What is wrong with draws, in words. None if they have converged.

        `found` holds what `convergence` found. Draws of which a number is missing have not
        converged.
        """
        rhat, ess = found["rhat_max"], found["ess_min"]
        if rhat is None or ess is None:
            return "R-hat or the effective sample size could not be computed"
        problems = []
        if rhat > self.rhat:
            problems.append(f"the worst R-hat is {rhat:.3f} (at most {self.rhat:g} is asked)")
        if ess < self.ess:
            problems.append(
                f"the smallest effective sample size is {ess:.0f} (at least {self.ess:g} is asked)"
            )
        return " and ".join(problems) or None


def convergence(values: Float[np.ndarray, "chain draw quantities"]) -> dict[str, float | None]:
    """Rank-normalized R-hat and bulk effective sample size (ESS), median and worst of quantities.

    The result has "rhat_median", "rhat_max", "ess_median" and "ess_min". R-hat has no unit and is 1
    if chains agree; ESS is in draws, of all chains together. Of more than 200 quantities, 200 that
    are evenly spaced are taken. Quantities that never vary are left out. A single chain is split
    into two halves.

    All are None if no quantity varies within a chain, or if there are fewer than 4 draws (8 of a
    single chain). One alone is None if it is not finite, as for chains that do not move.

    Examples:
        >>> values = np.random.default_rng(0).standard_normal((4, 500, 3))  # chains that agree
        >>> print(f"{ob.diagnostics.convergence(values)['rhat_max']:.2f}")
        1.00

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3 and 4.
    """
    count = values.shape[-1]
    columns = np.unique(np.linspace(0, count - 1, min(count, _MAX_QUANTITIES)).astype(int))
    values = np.asarray(values[..., columns], np.float64)
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
    """The number, or None if it is not finite, which JSON cannot hold."""
    return float(value) if np.isfinite(value) else None


def weight_convergence(samples: Samples) -> dict[str, float | None]:
    """R-hat and effective sample size of single weights, as `convergence` gives them.

    Running statistics are left out. Before alignment, a weight also varies because units are
    permuted, so these numbers do not say how well chains mix in what the network computes. Neither
    does a good R-hat after alignment say so: see that of predictions too.

    Examples:
        >>> health = ob.diagnostics.weight_convergence(aligned)
        >>> sorted(health)
        ['ess_median', 'ess_min', 'rhat_max', 'rhat_median']

    Source: Vehtari et al. (2021), arXiv 1903.08008, sections 3 and 4.
    """
    return convergence(_trees.ravel_batch(without_statistics(samples.params), num_batch_axes=2))


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
            bfmi = _finite(np.min(array_stats.bfmi(energy, chain_axis=0, draw_axis=1)))
    return {
        "num_divergent": int(np.sum(stats["diverging"])) if "diverging" in stats else None,
        "acceptance_rate": _mean(samples, "acceptance_rate"),
        "step_size": _mean(samples, "step_size"),
        "bfmi_min": bfmi,
    }


def _mean(samples: Samples, name: str) -> float | None:
    """The mean of a statistic of the sampler over all draws; None if it has no such statistic."""
    return float(np.mean(samples.stats[name])) if name in samples.stats else None
