"""mlp: what it computes, how it begins, and that its symmetry holds."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.special
import strategies
from hypothesis import given, settings

from onebasin import _trees
from onebasin.networks import mlp
from onebasin.networks.mlp import ACTIVATIONS
from onebasin.symmetry import Symmetry, permute, random_permutation

pytestmark = [pytest.mark.usefixtures("strict_dtypes"), pytest.mark.slow]

WIDTHS = (6, 5, 6, 5)
by_hand = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    # Flax and JAX take the tanh approximation of GELU.
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * scipy.special.expit(x),
}


def largest_change(case: strategies.Case, num_permutations: int, key: jax.Array) -> float:
    """The largest change of any output under random permutations, relative to the outputs."""
    symmetry = case.network.symmetry
    permutation = random_permutation(symmetry, num_permutations, key=key)
    copies = jax.tree.map(
        lambda leaf: np.broadcast_to(leaf, (num_permutations, *leaf.shape)), case.params
    )
    permuted = permute(copies, symmetry, permutation)
    outputs = jax.vmap(case.network.apply, (0, None))(permuted, case.inputs)
    expected = np.asarray(case.network.apply(case.params, case.inputs))
    assert outputs.dtype == case.inputs.dtype
    return np.abs(np.asarray(outputs) - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_permuting_units_leaves_the_function_as_it_is_in_float64(
    depth: int, activation: str, key: jax.Array, float64: None
) -> None:
    network = mlp(3, WIDTHS[:depth], 2, activation)
    case = strategies.make_case(network, seed=depth, dtype=np.float64)
    assert largest_change(case, 20, key) <= 1e-10


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("depth", [1, 4])
def test_permuting_units_leaves_the_function_as_it_is_in_float32(
    depth: int, activation: str, key: jax.Array
) -> None:
    network = mlp(3, WIDTHS[:depth], 2, activation)
    case = strategies.make_case(network, seed=depth, dtype=np.float32)
    assert largest_change(case, 20, key) <= 1e-4


@settings(max_examples=5)
@given(strategies.architectures(), strategies.seeds)
def test_permuting_units_of_any_small_network_leaves_its_function(
    architecture: tuple, seed: int
) -> None:
    with jax.enable_x64(True):
        case = strategies.make_case(mlp(*architecture), seed, dtype=np.float64)
        assert largest_change(case, 1, jax.random.key(seed)) <= 1e-10


def test_moving_units_of_one_layer_alone_does_change_the_function(key: jax.Array) -> None:
    case = strategies.make_case(mlp(3, (6,), 2), seed=0)
    wrong = case.params | {"out": jax.tree.map(lambda leaf: leaf[::-1], case.params["out"])}
    change = case.network.apply(wrong, case.inputs) - case.network.apply(case.params, case.inputs)
    assert np.abs(change).max() > 0.1


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_outputs_are_those_of_the_formula_in_numpy(activation: str, float64: None) -> None:
    case = strategies.make_case(mlp(3, (5, 4), 2, activation), seed=1, dtype=np.float64)
    act, params, x = by_hand[activation], case.params, case.inputs
    expected = {}
    for name in ("hidden_0", "hidden_1"):
        x = expected[name] = act(x @ params[name]["kernel"] + params[name]["bias"])
    found = case.network.activations(params, case.inputs)
    assert list(found) == ["hidden_0", "hidden_1"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12)
    outputs = x @ params["out"]["kernel"] + params["out"]["bias"]
    np.testing.assert_allclose(case.network.apply(params, case.inputs), outputs, rtol=0, atol=1e-12)


def test_a_network_without_hidden_layers_is_affine_and_has_no_symmetry() -> None:
    case = strategies.make_case(mlp(3, (), 2), seed=0)
    assert case.network.symmetry.sizes == {}
    out = case.params["out"]
    np.testing.assert_allclose(
        case.network.apply(case.params, case.inputs),
        case.inputs @ out["kernel"] + out["bias"],
        atol=1e-6,
    )


@pytest.mark.parametrize("depth", [0, 1, 4, 12])
def test_the_symmetry_is_the_one_that_its_axes_declare_for_its_params(depth: int) -> None:
    network = mlp(3, range(2, 2 + depth), 2)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    assert network.symmetry == Symmetry.of(network.symmetry.axes, shapes)
    assert network.symmetry.sizes == {f"hidden_{index}": 2 + index for index in range(depth)}
    put_out = jax.eval_shape(network.activations, shapes, jnp.ones((1, 3)))
    assert {name: leaf.shape[1] for name, leaf in put_out.items()} == network.symmetry.sizes


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_weights_begin_with_zero_biases_and_variance_gain_over_fan_in(
    activation: str, key: jax.Array
) -> None:
    params = mlp(300, (200,), 100, activation).init(key)
    gain = 2.0 if activation == "relu" else 1.0
    for name, fan_in in {"hidden_0": 300, "out": 200}.items():
        assert not params[name]["bias"].any()
        kernel = np.asarray(params[name]["kernel"], np.float64)
        # Of n normal draws the mean square has standard error sqrt(2 / n) and the mean sqrt(1 / n).
        z = oracles.z_bound(1e-4, num_comparisons=4)
        standard = kernel * np.sqrt(fan_in / gain)
        assert abs((standard**2).mean() - 1) < z * np.sqrt(2 / kernel.size)
        assert abs(standard.mean()) < z / np.sqrt(kernel.size)


def test_initial_weights_repeat_for_a_key_and_differ_between_keys_and_layers() -> None:
    network = mlp(4, (4,), 4)
    first, again, other = (network.init(jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = [first["hidden_0"]["kernel"], first["out"]["kernel"], other["out"]["kernel"]]
    assert len({np.asarray(kernel).tobytes() for kernel in kernels}) == 3


def test_networks_can_be_compiled_and_mapped_over_draws(key: jax.Array) -> None:
    network = mlp(3, (4,), 2)
    draws = jax.vmap(network.init)(jax.random.split(key, 5))
    outputs = jax.jit(jax.vmap(network.apply, (0, None)))(draws, jnp.ones((6, 3)))
    assert outputs.shape == (5, 6, 2)
    assert _trees.size(draws) == 5 * (3 * 4 + 4 + 4 * 2 + 2)


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"one of \['gelu', 'relu', 'silu', 'tanh'\]\. Got 'swish'"
    ):
        mlp(1, (2,), 3, activation="swish")


@pytest.mark.parametrize("sizes", [(0, (2,), 3), (1, (2, 0), 3), (1, (2,), -1)])
def test_a_layer_without_units_is_refused(sizes) -> None:
    with pytest.raises(ValueError, match=r"All layer sizes must be at least 1\. Got \["):
        mlp(*sizes)
