"""Networks, and their posteriors as log densities."""

from onebasin.networks.convnet import convnet
from onebasin.networks.likelihood import Likelihood, LikelihoodName, LogLikelihood
from onebasin.networks.lstm import lstm
from onebasin.networks.mlp import mlp
from onebasin.networks.network import Network
from onebasin.networks.normalization import Normalization
from onebasin.networks.posterior import Examples, Posterior, posterior
from onebasin.networks.resnet20 import resnet20
from onebasin.networks.vit import vit

__all__ = [
    "Examples",
    "Likelihood",
    "LikelihoodName",
    "LogLikelihood",
    "Network",
    "Normalization",
    "Posterior",
    "convnet",
    "lstm",
    "mlp",
    "posterior",
    "resnet20",
    "vit",
]
