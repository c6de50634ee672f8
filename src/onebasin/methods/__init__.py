"""How draws are made: HMC and other methods, and `sample`, which runs every method."""

from onebasin.methods.adjusted_mclmc import AdjustedMCLMCState, adjusted_mclmc
from onebasin.methods.ensemble import EnsembleState, deep_ensemble
from onebasin.methods.hmc import hmc
from onebasin.methods.mclmc import MCLMCState, mclmc
from onebasin.methods.method import Init, Method, State, Step, StochasticLogDensity, inits
from onebasin.methods.nuts import nuts
from onebasin.methods.reductions import Reduction, Reductions
from onebasin.methods.sample import Progress, sample, set_cpu_devices
from onebasin.methods.vi import DrawsObjective, VIState, mean_field_vi, mean_logdensity, refine
from onebasin.methods.warm_up import HMCState

__all__ = [
    "AdjustedMCLMCState",
    "DrawsObjective",
    "EnsembleState",
    "HMCState",
    "Init",
    "MCLMCState",
    "Method",
    "Progress",
    "Reduction",
    "Reductions",
    "State",
    "Step",
    "StochasticLogDensity",
    "VIState",
    "adjusted_mclmc",
    "deep_ensemble",
    "hmc",
    "inits",
    "mclmc",
    "mean_field_vi",
    "mean_logdensity",
    "nuts",
    "refine",
    "sample",
    "set_cpu_devices",
]
