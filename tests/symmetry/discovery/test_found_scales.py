"""Ways to scale units: no network changes under any of them, and those of relu are found."""

import jax
import numpy as np
import pytest
from architecture import Architecture, random_values
from architectures import ARCHITECTURES

from onebasin import _trees
from onebasin.symmetry.discovery.scales import Scaling
from onebasin.symmetry.discovery.walk import scalings_in

pytestmark = pytest.mark.usefixtures("ranks_promote")
NETWORKS = {net.name: net for net in ARCHITECTURES}


def scaled(params, scalings: list[Scaling]):
    """Params after units were scaled at random, in every way that was found at once."""
    rng = np.random.default_rng(0)
    leaves = {name: np.array(leaf) for name, leaf in _trees.named_leaves(params).items()}
    for scaling in scalings:
        (units,) = {spot.units for spot in scaling}
        scales = np.exp(rng.normal(size=units))
        for spot, power in scaling.items():
            entries = np.arange(spot.sizes[spot.axis]) // spot.step % units
            shape = [1] * len(spot.sizes)
            shape[spot.axis] = -1
            block = tuple(slice(a, a + n) for a, n in zip(spot.starts, spot.sizes, strict=True))
            leaves[spot.leaf][block] *= (scales ** float(power))[entries].reshape(shape)
    return _trees.rebuild(leaves, params)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("net", ARCHITECTURES, ids=repr)
def test_no_network_changes_under_what_is_found(net: Architecture) -> None:
    scalings = scalings_in(net.apply, net.params, *net.inputs)
    if not scalings:
        return
    params, inputs = random_values((net.params, net.inputs), seed=5)
    apply = jax.jit(net.apply)
    outputs = lambda params: jax.tree.leaves(apply(params, *inputs))
    before, after = outputs(params), outputs(scaled(params, scalings))
    size = max(np.abs(x).max() for x in before)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * size)


def powers_of(name: str) -> list[dict[str, int]]:
    """The powers of every array, for each way to scale units of a network, in a fixed order."""
    net = NETWORKS[name]
    found = [
        {f"{spot.leaf}:{spot.axis}": power for spot, power in scaling.items()}
        for scaling in scalings_in(net.apply, net.params, *net.inputs)
    ]
    return sorted(found, key=lambda one: sorted(one))


def rank(found: list[dict[str, int]], expected: list[dict[str, int]]) -> list[int]:
    """How many of the first, of the second and of both are independent."""
    names = sorted({name for one in (*found, *expected) for name in one})
    rows = lambda some: np.array([[float(one.get(name, 0)) for name in names] for one in some])
    some = (found, expected, [*found, *expected])
    return [int(np.linalg.matrix_rank(rows(one))) for one in some]


EXPECTED = {
    "mlp": [{"w1:1": 1, "b1:0": 1, "w2:0": -1}, {"w2:1": 1, "b2:0": 1, "w3:0": -1}],
    # In front of a norm by statistics, and behind it.
    "cnn_with_batchnorm": [
        {"k1:3": 1, "n/mean:0": 1, "n/scale:0": -1},
        {"n/scale:0": 1, "n/bias:0": 1, "k2:2": -1},
        {"k2:3": 1, "m/mean:0": 1, "m/scale:0": -1},
        {"m/scale:0": 1, "m/bias:0": 1, "o:0": -1},
    ],
    # The units between two kernels, of which one makes and reads units of one group.
    "depthwise": [{"k1:3": 1, "k2:3": -1}, {"k2:3": 1, "b:0": 1, "o:0": -1}],
    "weight_normalization": [{"v:1": 1}, {"g:0": 1, "o:0": -1}],
    "mlp_of_columns": [],
    "mlp_of_transposed_kernels": [],
    "lstm": [],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_all_ways_to_scale_units_are_found(name: str) -> None:
    found, expected = powers_of(name), EXPECTED[name]
    if not expected:
        assert found == []
    else:
        assert rank(found, expected) == [len(expected)] * 3
