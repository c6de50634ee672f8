"""Networks, and their posteriors as log densities."""

from onebasin.networks.convnet import convnet
from onebasin.networks.horseshoe import Horseshoe, horseshoe
from onebasin.networks.likelihood import Likelihood, LikelihoodName, LogLikelihood
from onebasin.networks.lstm import lstm
from onebasin.networks.mlp import mlp
from onebasin.networks.network import Network
from onebasin.networks.normalization import Normalization
from onebasin.networks.own import network
from onebasin.networks.posterior import Examples, Posterior, posterior
from onebasin.networks.prior_of_params import LogDensity, PriorOfParams
from onebasin.networks.priors import Family, Prior, Scale, laplace, normal, student
from onebasin.networks.resnet20 import resnet20
from onebasin.networks.vit import vit

__all__ = [
    "Examples",
    "Family",
    "Horseshoe",
    "Likelihood",
    "LikelihoodName",
    "LogDensity",
    "LogLikelihood",
    "Network",
    "Normalization",
    "Posterior",
    "Prior",
    "PriorOfParams",
    "Scale",
    "convnet",
    "horseshoe",
    "laplace",
    "lstm",
    "mlp",
    "network",
    "normal",
    "posterior",
    "resnet20",
    "student",
    "vit",
]
