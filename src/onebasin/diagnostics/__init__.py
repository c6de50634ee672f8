"""Whether draws have converged, how healthy their sampler is, and how many draws are needed."""

from onebasin.diagnostics.converged import Converged, convergence, weight_convergence
from onebasin.diagnostics.health import sampler_health
from onebasin.diagnostics.precision import DrawsNeeded, draws_needed

__all__ = [
    "Converged",
    "DrawsNeeded",
    "convergence",
    "draws_needed",
    "sampler_health",
    "weight_convergence",
]
