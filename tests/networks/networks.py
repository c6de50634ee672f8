"""Every built-in network in several sizes, and random weights at which all of it matters."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from onebasin.networks import Network, convnet, lstm, mlp, resnet20, vit
from onebasin.types import Params


class BuiltIn(NamedTuple):
    """What a network is called, how it is made, and the images it takes."""

    name: str
    make: Callable[[], Network]
    image_shape: tuple[int, int] = (8, 8)

    def __repr__(self) -> str:
        return self.name

    @property
    def network(self) -> Network:
        return self.make()

    @property
    def num_features(self) -> int:
        return self.image_shape[0] * self.image_shape[1]


SMALL, WIDE, ODD = (8, 8), (6, 10), (7, 5)
BUILT_IN = [
    BuiltIn("mlp", lambda: mlp(64, (5, 4), 3, "tanh")),
    BuiltIn("convnet", lambda: convnet(SMALL, 3, width=4)),
    BuiltIn("convnet of one layer", lambda: convnet(WIDE, 2, 3, depth=1, activation="tanh"), WIDE),
    BuiltIn("convnet down to one pixel", lambda: convnet(SMALL, 3, width=2, depth=3)),
    BuiltIn("resnet20 by batch", lambda: resnet20(SMALL, 3, width=4)),
    BuiltIn("resnet20 by layer", lambda: resnet20(SMALL, 3, width=4, norm="layer")),
    BuiltIn("resnet20 of odd images", lambda: resnet20(ODD, 2, width=3), ODD),
    BuiltIn("vit", lambda: vit(SMALL, 3, width=6, heads=2)),
    BuiltIn("vit of one block", lambda: vit(WIDE, 2, width=6, depth=1, heads=3, patch=2), WIDE),
    BuiltIn("vit of large patches", lambda: vit(SMALL, 3, width=4, depth=1, heads=2, patch=4)),
    BuiltIn("lstm", lambda: lstm(SMALL, 3, width=5)),
    BuiltIn("lstm of wide images", lambda: lstm(WIDE, 2, width=3), WIDE),
]


def random_params(network: Network, seed: int, dtype: type = np.float64) -> Params:
    """Normal weights, not too large for deep networks; variances are positive."""
    rng = np.random.default_rng(seed)

    def value(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 4.0
        numbers = rng.standard_normal(leaf.shape) / np.sqrt(fan_in)
        is_positive = path[-1].key in ("var", "scale")
        return (np.abs(numbers) + 0.5 if is_positive else numbers).astype(dtype)

    shapes = jax.eval_shape(network.init, jax.random.key(0))
    return jax.tree_util.tree_map_with_path(value, shapes)


def random_inputs(net: BuiltIn, num_inputs: int = 6, dtype: type = np.float64) -> np.ndarray:
    """Standard normal inputs."""
    rng = np.random.default_rng(7)
    return rng.standard_normal((num_inputs, net.num_features)).astype(dtype)
