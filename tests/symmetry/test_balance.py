"""balance: the function stays, the norms become equal, and doing it twice changes nothing."""

import itertools

import jax
import numpy as np
import pytest
import strategies
from hypothesis import given, settings, strategies as st

from onebasin.models.mlp import mlp
from onebasin.symmetry.axes import Axes, Symmetry
from onebasin.symmetry.balance import balance

NETWORKS = {depth: mlp(3, (5, 4, 6)[:depth], 2, "relu") for depth in (1, 2, 3)}
every_depth = pytest.mark.parametrize("network", NETWORKS.values(), ids=map(str, NETWORKS))


def forward(params, x: np.ndarray) -> np.ndarray:
    """A relu network in NumPy, in float64."""
    *hidden, out = (params[name] for name in sorted(params))
    for layer in hidden:
        x = np.maximum(x @ layer["kernel"] + layer["bias"], 0)
    return x @ out["kernel"] + out["bias"]


def norms(params) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each layer's units: of incoming weights with bias, and of outgoing ones."""
    layers = [params[name] for name in sorted(params)]
    return [
        (
            np.sqrt((a["kernel"] ** 2).sum(axis=0) + a["bias"] ** 2),
            np.sqrt((b["kernel"] ** 2).sum(axis=1)),
        )
        for a, b in itertools.pairwise(layers)
    ]


@every_depth
@settings(max_examples=8)
@given(seed=strategies.seeds, spread=st.floats(0.1, 3.0))
def test_the_function_stays_and_the_norms_become_equal(network, seed, spread) -> None:
    case = strategies.make_case(network, seed, dtype=np.float64)
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: x * np.exp(spread * rng.standard_normal()), case.params)
    balanced = balance(network.symmetry, params)
    before, after = forward(params, case.inputs), forward(balanced, case.inputs)
    np.testing.assert_allclose(after, before, rtol=1e-10, atol=1e-10 * np.abs(before).max())
    for incoming, outgoing in norms(balanced):
        np.testing.assert_allclose(incoming, outgoing, rtol=1e-9)
    np.testing.assert_array_equal(balanced["out"]["bias"], params["out"]["bias"])


@every_depth
def test_balancing_twice_is_balancing_once(network) -> None:
    params = strategies.make_case(network, 0, dtype=np.float64).params
    once = balance(network.symmetry, params)
    twice = balance(network.symmetry, once)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), twice, once)


def test_draws_are_balanced_one_by_one() -> None:
    network = NETWORKS[2]
    samples = strategies.random_samples(network, 0, 2, 3, np.float64)
    together = balance(network.symmetry, samples.params, num_batch_axes=2)
    for chain, draw in np.ndindex(2, 3):
        alone = balance(network.symmetry, samples.draw(chain, draw))
        there = jax.tree.map(lambda leaf, at=(chain, draw): leaf[at], together)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), there, alone)


@pytest.mark.parametrize("side", ["hidden_0", "out"])
def test_a_dead_unit_stays(side: str) -> None:
    params = strategies.make_case(NETWORKS[1], 0, dtype=np.float64).params
    if side == "hidden_0":
        params["hidden_0"]["kernel"][:, 2] = 0
        params["hidden_0"]["bias"][2] = 0
    else:
        params["out"]["kernel"][2] = 0
    balanced = balance(NETWORKS[1].symmetry, params)
    for found, given_ in zip(norms(balanced)[0], norms(params)[0], strict=True):
        assert found[2] == given_[2]
    assert not np.allclose(balanced["hidden_0"]["kernel"], params["hidden_0"]["kernel"])


def test_the_precision_and_the_given_params_stay() -> None:
    params = strategies.make_case(NETWORKS[1], 0).params
    before = jax.tree.map(np.copy, params)
    balanced = balance(NETWORKS[1].symmetry, params)
    assert {leaf.dtype for leaf in jax.tree.leaves(balanced)} == {np.dtype(np.float32)}
    jax.tree.map(np.testing.assert_array_equal, params, before)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"w": Axes(None, "h")}, r"needs incoming arrays .*Got \['w'\] and \[\] for 'h'"),
        ({"w": Axes("h", None)}, r"Got \[\] and \['w'\] for 'h'"),
        ({"w": Axes("h", "h")}, r"one axis of each array\. Got two of w for 'h'"),
    ],
)
def test_a_group_that_cannot_be_balanced_is_refused(axes, message) -> None:
    params = {"w": np.ones((3, 3))}
    with pytest.raises(ValueError, match=message):
        balance(Symmetry.of(axes, params), params)
