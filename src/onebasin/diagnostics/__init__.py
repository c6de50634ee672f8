"""Whether draws have converged, how healthy their sampler is, and how many draws are needed."""

from onebasin.diagnostics.converged import Converged, convergence, weight_convergence
from onebasin.diagnostics.effective_size import bulk_ess, mean_ess, square_ess, tail_ess
from onebasin.diagnostics.health import sampler_health
from onebasin.diagnostics.kurtosis import excess_kurtosis
from onebasin.diagnostics.monte_carlo import (
    MonteCarloIntervals,
    mcse_intervals,
    mcse_mean,
    mcse_std,
)
from onebasin.diagnostics.precision import DrawsNeeded, draws_needed
from onebasin.diagnostics.rhat import r_hat
from onebasin.diagnostics.weight_statistics import WeightStatistics, per_weight

__all__ = [
    "Converged",
    "DrawsNeeded",
    "MonteCarloIntervals",
    "WeightStatistics",
    "bulk_ess",
    "convergence",
    "draws_needed",
    "excess_kurtosis",
    "mcse_intervals",
    "mcse_mean",
    "mcse_std",
    "mean_ess",
    "per_weight",
    "r_hat",
    "sampler_health",
    "square_ess",
    "tail_ess",
    "weight_convergence",
]
