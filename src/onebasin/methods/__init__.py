"""How draws are made: HMC and other methods, and `sample`, which runs every method."""

from onebasin.methods.adjusted_mclmc import AdjustedMCLMCState, adjusted_mclmc
from onebasin.methods.ensemble import EnsembleState, deep_ensemble
from onebasin.methods.estimate import Estimate, estimate
from onebasin.methods.hmc import hmc
from onebasin.methods.laplace import LaplaceState, laplace, last_layer_laplace
from onebasin.methods.mclmc import MCLMCState, mclmc
from onebasin.methods.method import Init, Method, State, Step, StochasticLogDensity, inits
from onebasin.methods.nuts import nuts
from onebasin.methods.progress import Progress
from onebasin.methods.reductions import Reduction, Reductions
from onebasin.methods.sample import sample, set_cpu_devices
from onebasin.methods.sghmc import sghmc
from onebasin.methods.sgld import StochasticGradientState, sgld
from onebasin.methods.step_sizes import (
    Schedule,
    cyclical_step_size,
    cyclical_temperature,
    polynomial_decay,
)
from onebasin.methods.swag import SWAGState, swag
from onebasin.methods.vi import DrawsObjective, VIState, mean_field_vi, mean_logdensity, refine
from onebasin.methods.warm_up import HMCState

__all__ = [
    "AdjustedMCLMCState",
    "DrawsObjective",
    "EnsembleState",
    "Estimate",
    "HMCState",
    "Init",
    "LaplaceState",
    "MCLMCState",
    "Method",
    "Progress",
    "Reduction",
    "Reductions",
    "SWAGState",
    "Schedule",
    "State",
    "Step",
    "StochasticGradientState",
    "StochasticLogDensity",
    "VIState",
    "adjusted_mclmc",
    "cyclical_step_size",
    "cyclical_temperature",
    "deep_ensemble",
    "estimate",
    "hmc",
    "inits",
    "laplace",
    "last_layer_laplace",
    "mclmc",
    "mean_field_vi",
    "mean_logdensity",
    "nuts",
    "polynomial_decay",
    "refine",
    "sample",
    "set_cpu_devices",
    "sghmc",
    "sgld",
    "swag",
]
