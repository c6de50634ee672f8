"""balance: the function stays, the norms become equal, and doing it twice changes nothing."""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import strategies
from hypothesis import given, settings, strategies as st

from onebasin.networks import mlp, posterior
from onebasin.symmetry import Symmetry, balance, find_symmetry
from onebasin.symmetry.axes import Axes
from onebasin.symmetry.scalings import scalings_of

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
    ("axes", "roles", "message"),
    [
        (Axes(None, "h"), ("reads", "makes"), r"needs incoming .*Got \['w'\] and \[\] for 'h'"),
        (Axes("h", None), ("reads", "makes"), r"Got \[\] and \['w'\] for 'h'"),
        (Axes("h", "h"), ("reads", "makes"), r"one axis of each array\. Got two of w for 'h'"),
        (Axes("h", "h"), None, r"one axis of each array\. Got two of w for 'h'"),
        (
            Axes(None, "h"),
            None,
            r"needs the role of axis 1 of 'w': whether it makes units or reads",
        ),
    ],
)
def test_a_group_that_cannot_be_balanced_is_refused(axes, roles, message) -> None:
    params = {"w": np.ones((3, 3))}
    symmetry = Symmetry.of({"w": axes}, params, roles=roles and {"w": roles})
    with pytest.raises(ValueError, match=message):
        balance(symmetry, params)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu"])
def test_units_whose_activation_has_no_scale_are_refused(activation: str) -> None:
    network = mlp(3, (5, 4), 2, activation)
    with pytest.raises(ValueError, match=r"Got 'hidden_0', whose units cannot"):
        balance(network.symmetry, strategies.make_case(network, 0).params)


def test_scales_are_balanced_by_roles_that_are_said_where_there_is_no_function() -> None:
    params = strategies.make_case(NETWORKS[1], 0, dtype=np.float64).params
    kernels = {name: params[name]["kernel"].T for name in ("hidden_0", "out")}
    transposed = {"b": params["hidden_0"]["bias"], "v": kernels["out"], "w": kernels["hidden_0"]}
    axes = {"b": Axes("h"), "v": Axes(None, "h"), "w": Axes("h", None)}
    roles = {"b": ("makes",), "v": ("makes", "reads"), "w": ("makes", "reads")}
    found = balance(Symmetry.of(axes, transposed, roles=roles), transposed)
    expected = balance(NETWORKS[1].symmetry, params)
    np.testing.assert_allclose(found["w"].T, expected["hidden_0"]["kernel"], rtol=1e-12)
    np.testing.assert_allclose(found["v"].T, expected["out"]["kernel"], rtol=1e-12)
    np.testing.assert_allclose(found["b"], expected["hidden_0"]["bias"], rtol=1e-12)


RELU = jax.nn.relu
VECTORS = dict.fromkeys(("b", "mean", "scale", "shift", "var"), (5,))


def outputs_first(p, x):
    return RELU(x @ p["w"].T + p["b"]) @ p["o"].T


def batchnorm(p, x):
    h = (x @ p["w"].T + p["b"] - p["mean"]) / jnp.sqrt(p["var"] + 1e-5)
    return RELU(h * p["scale"] + p["shift"]) @ p["o"].T


def leaky_and_squared(p, x):
    return jnp.square(jax.nn.leaky_relu(x @ p["w"].T + p["b"])) @ p["o"].T


def residual(p, x):
    h = x @ p["w"].T
    return (h + RELU(h @ p["k"].T + p["b"]) @ p["u"].T) @ p["o"].T


def one_kernel_for_each_channel(p, x):
    conv = lambda h, k, groups: jax.lax.conv_general_dilated(
        h, k, (1, 1), "SAME", feature_group_count=groups
    )
    h = RELU(conv(x.reshape(-1, 1, 3, 1), p["k"], 1) + p["b"][:, None, None])
    h = RELU(conv(h, p["d"], 5) + p["mean"][:, None, None])
    return h.reshape(len(h), -1) @ p["o"].T


@pytest.mark.parametrize(
    ("apply", "shapes"),
    [
        (outputs_first, {"w": (5, 3), "b": (5,), "o": (2, 5)}),
        (batchnorm, {"w": (5, 3), "o": (2, 5), **VECTORS}),
        (leaky_and_squared, {"w": (5, 3), "b": (5,), "o": (2, 5)}),
        (residual, {"w": (5, 3), "k": (4, 5), "b": (4,), "u": (5, 4), "o": (2, 5)}),
        (one_kernel_for_each_channel,
         {"k": (5, 1, 3, 1), "b": (5,), "d": (5, 1, 3, 1), "mean": (5,), "o": (2, 15)}),
    ],
)  # fmt: skip
def test_any_function_stays_and_its_weights_have_the_least_norm(apply, shapes) -> None:
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    params |= {"var": np.abs(params["var"]) + 1} if "var" in params else {}
    inputs = rng.normal(size=(4, 3)).astype(np.float32)
    params = jax.tree.map(np.float32, params)
    with jax.numpy_rank_promotion("allow"):
        symmetry = find_symmetry(apply, params, inputs)
        balanced = balance(symmetry, params)
        before, after = apply(params, inputs), apply(balanced, inputs)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-5 * np.abs(before).max())
    norm = lambda tree: sum(
        float(np.square(leaf, dtype=np.float64).sum()) for leaf in tree.values()
    )
    assert norm(balanced) < 0.99 * norm(params)
    for group, scalings in scalings_of(symmetry, params).items():
        for powers in scalings:
            nearby = dict(symmetry.unfold(balanced))
            for place, power in powers.items():
                shape = [1] * nearby[place.leaf].ndim
                shape[place.axis] = -1
                scales = np.full(symmetry.sizes[group], 1.01**power)
                nearby[place.leaf] = nearby[place.leaf] * scales.reshape(shape)
            assert norm(nearby) > norm(balanced)


def test_the_noise_of_a_regression_changes_nothing() -> None:
    data = SimpleNamespace(inputs=np.ones((4, 3), np.float32), targets=np.ones(4, np.float32))
    problem = posterior(mlp(3, (5, 4), 1), data, likelihood="gaussian")
    network = strategies.make_case(problem.network, 0).params
    params = {"likelihood": {"log_noise_std": np.float32(0.3)}, "weights": network}
    balanced = balance(problem.symmetry, params)
    expected = balance(problem.network.symmetry, network)
    jax.tree.map(np.testing.assert_array_equal, balanced["weights"], expected)
    assert balanced["likelihood"]["log_noise_std"] == np.float32(0.3)
