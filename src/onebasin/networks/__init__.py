"""Networks, and their posteriors as log densities."""

from onebasin.networks.convnet import convnet
from onebasin.networks.likelihood import Likelihood
from onebasin.networks.lstm import lstm
from onebasin.networks.mlp import mlp
from onebasin.networks.network import Network
from onebasin.networks.normalization import Normalization
from onebasin.networks.own import network
from onebasin.networks.posterior import Examples, Posterior, posterior
from onebasin.networks.resnet20 import resnet20
from onebasin.networks.vit import vit

__all__ = [
    "Examples",
    "Likelihood",
    "Network",
    "Normalization",
    "Posterior",
    "convnet",
    "lstm",
    "mlp",
    "network",
    "posterior",
    "resnet20",
    "vit",
]
