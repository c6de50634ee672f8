"""The network of a run: how the config chooses one, and its name in words."""

from collections.abc import Callable
from typing import Any

from onebasin.data import Dataset
from onebasin.networks.convnet import convnet
from onebasin.networks.lstm import lstm
from onebasin.networks.mlp import mlp
from onebasin.networks.network import Network
from onebasin.networks.resnet20 import resnet20
from onebasin.networks.vit import vit
from onebasin.run.named import own_network
from onebasin.run.sections import NetworkConfig

KEYS: dict[str, tuple[str, ...]] = {
    "mlp": ("hidden", "activation"),
    "convnet": ("width", "depth", "activation"),
    "resnet20": ("width", "norm"),
    "vit": ("width", "depth", "heads", "patch"),
    "lstm": ("width",),
    "own": ("function",),
}
"""The keys of the section `network` that each kind of network reads."""

_OF_IMAGES: dict[str, Callable[..., Network]] = {
    "convnet": convnet,
    "resnet20": resnet20,
    "vit": vit,
    "lstm": lstm,
}


def unread_keys(config: NetworkConfig) -> list[str]:
    """Keys that were changed although this kind of network does not read them."""
    defaults = NetworkConfig()
    return [
        name
        for name, value in config
        if name not in ("kind", *KEYS[config.kind]) and value != getattr(defaults, name)
    ]


def network_of(config: NetworkConfig, dataset: Dataset, num_outputs: int) -> Network:
    """The network of a config, for the inputs of a data set.

    Raises: ValueError if a network for images gets data that are no images or do not fit it, or
    the name of a network of the user's names none.
    """
    if config.kind == "own":
        assert config.function is not None
        return own_network(config.function)
    if config.kind == "mlp":
        hidden, activation = config.hidden, config.activation
        return mlp(dataset.num_features, hidden, num_outputs, activation)
    if dataset.image_shape is None:
        raise ValueError(
            f'network.kind must be "mlp" if the data are not images. Got {config.kind!r} for a '
            f"table of {dataset.num_features} features."
        )
    make = _OF_IMAGES[config.kind]
    return make(dataset.image_shape, num_outputs, **_choices(config))


def network_name(config: NetworkConfig, dataset: Dataset, num_outputs: int) -> str:
    """A network in words, such as `64-32-10 relu` or `resnet20 (width 16, norm batch)`."""
    if config.kind == "mlp":
        sizes = [dataset.num_features, *config.hidden, num_outputs]
        return f"{'-'.join(map(str, sizes))} {config.activation}"
    if config.kind == "own":
        return str(config.function)
    words = ", ".join(f"{key} {value}" for key, value in _choices(config).items())
    return f"{config.kind} ({words})"


def _choices(config: NetworkConfig) -> dict[str, Any]:
    return {key: getattr(config, key) for key in KEYS[config.kind]}
