"""Draws are permuted to match one reference: matchings, references, the null floor of stds."""

from onebasin.alignment.activation_matching import ActivationMatching, activation_matching
from onebasin.alignment.align import Alignment, align
from onebasin.alignment.bring import bring_to, permute_gaussian
from onebasin.alignment.descent import Match
from onebasin.alignment.gaussian_matching import GaussianMatching, gaussian_matching
from onebasin.alignment.iteration import Brought
from onebasin.alignment.matching import Features, Matching
from onebasin.alignment.mixed_matching import MixedMatching, mixed_matching
from onebasin.alignment.null import null_draws, null_floor, rms
from onebasin.alignment.problem import Listener, Problem, Round, Rule
from onebasin.alignment.reference import (
    Reference,
    Start,
    ToDensest,
    ToFirst,
    ToMean,
    ToNetwork,
    to,
    to_densest,
    to_first,
    to_mean,
)
from onebasin.alignment.significance import (
    Significance,
    aligned_nulls,
    significant_share,
    std_significance,
)
from onebasin.alignment.starts import STARTS, Effort
from onebasin.alignment.transpositions import transpositions_between_chains, transpositions_by_lag
from onebasin.alignment.universe_reference import ToUniverse, to_universe
from onebasin.alignment.weight_matching import WeightMatching, weight_matching

__all__ = [
    "STARTS",
    "ActivationMatching",
    "Alignment",
    "Brought",
    "Effort",
    "Features",
    "GaussianMatching",
    "Listener",
    "Match",
    "Matching",
    "MixedMatching",
    "Problem",
    "Reference",
    "Round",
    "Rule",
    "Significance",
    "Start",
    "ToDensest",
    "ToFirst",
    "ToMean",
    "ToNetwork",
    "ToUniverse",
    "WeightMatching",
    "activation_matching",
    "align",
    "aligned_nulls",
    "bring_to",
    "gaussian_matching",
    "mixed_matching",
    "null_draws",
    "null_floor",
    "permute_gaussian",
    "rms",
    "significant_share",
    "std_significance",
    "to",
    "to_densest",
    "to_first",
    "to_mean",
    "to_universe",
    "transpositions_between_chains",
    "transpositions_by_lag",
    "weight_matching",
]
