"""Networks that say that their units may be scaled are those whose units may be."""

import jax
import pytest

from onebasin.networks import Network, convnet, lstm, mlp, resnet20, vit
from onebasin.symmetry.scalings import scalings_of

IMAGE = (4, 4)
NETWORKS = {
    "mlp": mlp(16, (4, 3), 3),
    "mlp with tanh": mlp(16, (4,), 3, "tanh"),
    "mlp with gelu": mlp(16, (4,), 3, "gelu"),
    "mlp with silu": mlp(16, (4,), 3, "silu"),
    "convnet": convnet(IMAGE, 3, 2),
    "convnet with gelu": convnet(IMAGE, 3, 2, activation="gelu"),
    "vit": vit(IMAGE, 3, 4, 1),
    "lstm": lstm(IMAGE, 3, 3),
}


DEEP = {norm: resnet20(IMAGE, 3, 2, norm) for norm in ("batch", "layer")}


@pytest.mark.parametrize(
    "network",
    [
        *(pytest.param(network, id=name) for name, network in NETWORKS.items()),
        *(
            pytest.param(n, id=f"resnet20 by {norm}", marks=pytest.mark.long)
            for norm, n in DEEP.items()
        ),
    ],
)
def test_a_homogeneous_network_is_one_whose_units_may_all_be_scaled(network: Network) -> None:
    params = jax.eval_shape(network.init, jax.random.key(0))
    try:
        may_be_scaled = all(scalings_of(network.symmetry, params).values())
    except ValueError:
        may_be_scaled = False
    assert network.is_homogeneous == may_be_scaled
