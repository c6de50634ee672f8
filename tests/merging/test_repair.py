"""Repair: the pre-activations of merged networks, against NumPy in float64."""

from collections.abc import Callable
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import onebasin as ob

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(1.0, 2.0, size=(50, 6))
SHARES = [0.25, 0.75]


def random_params(shapes: dict, seed: int) -> dict:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def merged_in_float64(apply: Callable, shapes: dict, x: np.ndarray = X) -> ob.merging.Merged:
    given = [random_params(shapes, seed) for seed in range(2)]
    with jax.enable_x64(True):
        symmetry = ob.find_symmetry(apply, given[0], x)
        return ob.merge(given, symmetry, weights=SHARES, inputs=x, repair=True)


def wanted(pre_activations: Callable, merged: ob.merging.Merged, axes: tuple) -> list:
    """For every layer the mean and the std of its units that a repaired network must have."""
    own = [pre_activations(parent) for parent in merged.parents]
    return [
        [np.average([f(z, axes) for z in layer], axis=0, weights=SHARES) for f in (np.mean, np.std)]
        for layer in zip(*own, strict=True)
    ]


def dense(params: dict, x: jax.Array) -> jax.Array:
    hidden = jax.nn.gelu(x @ params["w"] + params["b"][None])
    hidden = jnp.tanh((params["v"] @ hidden.T).T + params["c"][None])
    return hidden @ params["out"]


DENSE = {"w": (6, 5), "b": (5,), "v": (4, 5), "c": (4,), "out": (4, 3)}


def dense_pre_activations(params: dict) -> list[np.ndarray]:
    with jax.enable_x64(True):
        first = X @ params["w"] + params["b"]
        return [first, np.asarray(jax.nn.gelu(first)) @ params["v"].T + params["c"]]


def test_means_and_stds_are_the_weighted_means_of_those_of_the_parents() -> None:
    merged = merged_in_float64(dense, DENSE)
    found = dense_pre_activations(merged.params)
    for (mean, std), z in zip(wanted(dense_pre_activations, merged, (0,)), found, strict=True):
        np.testing.assert_allclose(z.mean(0), mean, rtol=1e-10)
        np.testing.assert_allclose(z.std(0), std, rtol=1e-10)
    mean_out = np.average([p["out"] for p in merged.parents], axis=0, weights=SHARES)
    np.testing.assert_allclose(merged.params["out"], mean_out)


def test_units_without_a_bias_get_the_std_alone() -> None:
    apply = lambda p, x: jnp.tanh(x @ p["w"]) @ p["out"]
    merged = merged_in_float64(apply, {"w": (6, 5), "out": (5, 3)})
    pre_activations = lambda params: [X @ params["w"]]
    ((_, std),) = wanted(pre_activations, merged, (0,))
    np.testing.assert_allclose(pre_activations(merged.params)[0].std(0), std, rtol=1e-10)


def test_a_channel_is_a_unit_over_all_of_its_pixels() -> None:
    images = np.random.default_rng(1).normal(size=(20, 1, 5, 5))

    def convolve(params: dict, x: jax.Array) -> jax.Array:
        z = jax.lax.conv_general_dilated(x, params["k"], (1, 1), "SAME")
        return z + params["b"][None, :, None, None]

    def apply(params: dict, x: jax.Array) -> jax.Array:
        return jax.nn.relu(convolve(params, x)).mean((2, 3)) @ params["out"]

    def pre_activations(params: dict) -> list[np.ndarray]:
        with jax.enable_x64(True):
            return [np.asarray(convolve(params, images))]

    shapes = {"k": (4, 1, 3, 3), "b": (4,), "out": (4, 3)}
    merged = merged_in_float64(apply, shapes, images)
    ((mean, std),) = wanted(pre_activations, merged, (0, 2, 3))
    (z,) = pre_activations(merged.params)
    np.testing.assert_allclose(z.mean((0, 2, 3)), mean, rtol=1e-10)
    np.testing.assert_allclose(z.std((0, 2, 3)), std, rtol=1e-10)


def test_a_unit_that_never_changes_is_left_alone() -> None:
    network = ob.mlp(6, (5,), 3)
    given = [network.init(jax.random.key(seed)) for seed in range(2)]
    given = [{**p, "hidden_0": jax.tree.map(jnp.zeros_like, p["hidden_0"])} for p in given]
    merged = ob.merge(given, network, inputs=X.astype("float32"), repair=True)
    assert not np.any(merged.params["hidden_0"]["kernel"])


def loop(params: dict, x: jax.Array) -> jax.Array:
    step = lambda h, _: (jnp.tanh(h @ params["w"] + x @ params["u"]), None)
    return jax.lax.scan(step, jnp.zeros((len(x), 4), x.dtype), length=3)[0] @ params["out"]


def tied(params: dict, x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ params["w"]) @ params["w"].T


def test_modules_of_pytorch_are_repaired_in_their_own_layers() -> None:
    torch = pytest.importorskip("torch")
    if find_spec("torchax") is None:
        pytest.skip("needs torchax")
    nn = torch.nn
    layers = nn.Linear(6, 5), nn.ReLU(), nn.Unflatten(0, (10, 5)), nn.Linear(5, 4), nn.Tanh()
    module = nn.Sequential(*layers, nn.Flatten(0, 1), nn.Linear(4, 3)).eval()
    x = X.astype("float32")
    apply, params = ob.from_torch(module, x)
    rng = np.random.default_rng(2)
    draw = lambda leaf: rng.normal(size=leaf.shape).astype("float32")
    given = [jax.tree.map(draw, params) for _ in range(2)]
    symmetry = ob.find_symmetry(apply, params, x)
    merged = ob.merge(given, symmetry, weights=SHARES, inputs=x, repair=True)

    def pre_activations(params: dict) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        keep = lambda part, inputs, output: found.append(output.numpy().reshape(50, -1))
        hooks = [layers[place].register_forward_hook(keep) for place in (0, 3)]
        with torch.no_grad():
            ob.adapters.to_torch(params, module)(torch.tensor(x))
        for hook in hooks:
            hook.remove()
        return found

    found = pre_activations(merged.params)
    for (mean, std), z in zip(wanted(pre_activations, merged, (0,)), found, strict=True):
        np.testing.assert_allclose(z.mean(0), mean, atol=1e-4)
        np.testing.assert_allclose(z.std(0), std, rtol=1e-4)


@pytest.mark.parametrize(
    ("apply", "shapes"),
    [(loop, {"w": (4, 4), "u": (6, 4), "out": (4, 3)}), (tied, {"w": (6, 4)})],
)
def test_networks_without_a_layer_to_repair_are_refused(apply, shapes) -> None:
    with pytest.raises(ValueError, match=r"repair=True needs a layer .* Leave repair out"):
        merged_in_float64(apply, shapes)
