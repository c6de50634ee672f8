"""What draws and Gaussians predict, how good it is, and how far apart predictions are."""

from onebasin.prediction.basin import BasinCheck, MeanBarrier, basin_check
from onebasin.prediction.categorical import CategoricalPredictive
from onebasin.prediction.connectivity import barrier, line, midpoint_barrier, weight_distance
from onebasin.prediction.counts import CountPredictive
from onebasin.prediction.density import DensityPredictive
from onebasin.prediction.evaluate import evaluate
from onebasin.prediction.kept_draws import chosen_draws
from onebasin.prediction.match import mixed_inputs, predictive_match
from onebasin.prediction.predict import predict
from onebasin.prediction.predictive import Predictive
from onebasin.prediction.regression import MixturePredictive
from onebasin.prediction.tempering import Gaussian, fit_temperature, fit_temperatures, temper

__all__ = [
    "BasinCheck",
    "CategoricalPredictive",
    "CountPredictive",
    "DensityPredictive",
    "Gaussian",
    "MeanBarrier",
    "MixturePredictive",
    "Predictive",
    "barrier",
    "basin_check",
    "chosen_draws",
    "evaluate",
    "fit_temperature",
    "fit_temperatures",
    "line",
    "midpoint_barrier",
    "mixed_inputs",
    "predict",
    "predictive_match",
    "temper",
    "weight_distance",
]
