"""One network in the layouts of several libraries, with the same weights in all of them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees

FEATURES, HIDDEN, CLASSES = 5, (6, 4), 3
SIDE, CHANNELS = 4, (3, 4)
NORMS = ("norm1", "norm2")

DENSE = {
    "hidden1/kernel": (FEATURES, HIDDEN[0]), "hidden1/bias": HIDDEN[:1],
    "hidden2/kernel": HIDDEN, "hidden2/bias": HIDDEN[1:],
    "out/kernel": (HIDDEN[1], CLASSES), "out/bias": (CLASSES,),
}  # fmt: skip
"""The shapes of a perceptron; kernels are (inputs, outputs)."""

CONV = {
    "conv1/kernel": (3, 3, 1, CHANNELS[0]), "conv2/kernel": (3, 3, *CHANNELS),
    "conv2/bias": CHANNELS[1:],
    **{f"norm{at + 1}/{name}": (CHANNELS[at],) for at in (0, 1)
       for name in ("scale", "shift", "mean", "var")},
    "out/kernel": (SIDE, SIDE, CHANNELS[1], CLASSES), "out/bias": (CLASSES,),
}  # fmt: skip
"""Those of a network of convolutions: windows, then (inputs, outputs); pixels, then both."""


class Array(NamedTuple):
    """Where a library keeps an array, in which order of axes and in which shape."""

    path: str
    order: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    def write(self, array: np.ndarray, lead: int = 0) -> np.ndarray:
        """An array as the library lists it, behind leading axes."""
        moved = array.transpose(*range(lead), *(lead + axis for axis in self._order(array, lead)))
        return moved.reshape(*array.shape[:lead], *(self.shape or moved.shape[lead:]))

    def read(self, array: np.ndarray, like: tuple[int, ...], lead: int = 0) -> np.ndarray:
        """The inverse of `write`."""
        order = self._order(np.empty(like), 0)
        moved = array.reshape(*array.shape[:lead], *(like[axis] for axis in order))
        return moved.transpose(*range(lead), *(lead + int(axis) for axis in np.argsort(order)))

    def _order(self, array: np.ndarray, lead: int) -> tuple[int, ...]:
        return self.order or tuple(range(array.ndim - lead))


class Layout(NamedTuple):
    """A library's function and params, and where it keeps each of the arrays above."""

    apply: Callable[..., Any]
    params: Any
    arrays: dict[str, Array]

    def write(self, weights: dict[str, np.ndarray], lead: int = 0) -> Any:
        """Params with these weights."""
        leaves = {at.path: at.write(weights[name], lead) for name, at in self.arrays.items()}
        return _trees.rebuild(leaves, self.params)

    def read(self, params: Any, shapes: dict[str, tuple[int, ...]], lead: int = 0) -> Any:
        """The weights of params."""
        leaves = _trees.named_leaves(params)
        return {
            name: at.read(np.asarray(leaves[at.path]), shapes[name], lead)
            for name, at in self.arrays.items()
        }


def weights_of(shapes: dict[str, tuple[int, ...]], seed: int, *lead: int) -> Any:
    """Random weights, no two of one size, and variances above 1."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(size=(*lead, *shape)) for name, shape in shapes.items()}
    return {
        name: (1 + np.abs(x) if name.endswith("var") else x).astype(np.float32)
        for name, x in drawn.items()
    }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Arrays by name, to within 1e-5 of the largest entry of each."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        size = np.abs(array).max()
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * size, err_msg=name)


def assert_same_function(
    layout: Layout, plain: Layout, shapes: dict[str, tuple[int, ...]], inputs: np.ndarray
) -> None:
    """Outputs of the same weights in two layouts, to within 1e-5 of the largest."""
    weights = weights_of(shapes, 0)
    found, expected = (
        {"outputs": np.asarray(one.apply(one.write(weights), inputs))} for one in (layout, plain)
    )
    assert_same(found, expected)


def plain_dense() -> Layout:
    """The built-in perceptron has other names for the layers, in the same order."""
    import onebasin as ob

    network = ob.mlp(FEATURES, HIDDEN, CLASSES)
    names = dict(zip(("hidden1", "hidden2", "out"), ("hidden_0", "hidden_1", "out"), strict=True))
    arrays = {
        name: Array(f"{names[layer]}/{leaf}")
        for name, (layer, leaf) in ((name, name.split("/")) for name in DENSE)
    }
    return Layout(network.apply, network.init(jax.random.key(0)), arrays)


def plain_conv() -> Layout:
    """Plain JAX, channels last."""

    def norm(p: Any, x: Any) -> Any:
        return (x - p["mean"]) / jnp.sqrt(p["var"] + 1e-5) * p["scale"] + p["shift"]

    def conv(kernel: Any, x: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)

    def apply(p: Any, x: Any) -> Any:
        x = x.reshape(-1, SIDE, SIDE, 1)
        x = jax.nn.relu(norm(p["norm1"], conv(p["conv1"]["kernel"], x)))
        x = conv(p["conv2"]["kernel"], x) + p["conv2"]["bias"]
        x = jax.nn.relu(norm(p["norm2"], x))
        return jnp.tensordot(x, p["out"]["kernel"], 3) + p["out"]["bias"]

    return in_collections(apply, CONV)


def in_collections(apply: Callable[..., Any], shapes: dict[str, tuple[int, ...]]) -> Layout:
    """A plain function of nested dicts as one of params whose statistics are apart."""
    paths = {
        name: f"{'statistics' if name.endswith(('mean', 'var')) else 'weights'}/{name}"
        for name in shapes
    }
    params = {paths[name]: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    together = lambda p: _trees.merge(p["weights"], p["statistics"])
    return Layout(
        lambda p, x: apply(together(p), x),
        _trees.nest(params),
        {name: Array(path) for name, path in paths.items()},
    )


def torch_dense() -> Layout:
    """PyTorch lists outputs first."""
    from torch import nn

    sizes = pairwise((FEATURES, *HIDDEN, CLASSES))
    parts = [part for size in sizes for part in (nn.Linear(*size), nn.ReLU())]
    module = nn.Sequential(*parts[:-1])
    arrays = {}
    for at, layer in zip("024", ("hidden1", "hidden2", "out"), strict=True):
        arrays |= {
            f"{layer}/kernel": Array(f"{at}.weight", (1, 0)),
            f"{layer}/bias": Array(f"{at}.bias"),
        }
    return _of_torch(module, FEATURES, arrays)


def _of_torch(module: Any, features: int, arrays: dict[str, Array]) -> Layout:
    import torch

    import onebasin as ob

    apply, params = ob.from_torch(module.eval(), torch.zeros(2, features))
    return Layout(apply, params, arrays)


def torch_conv() -> Layout:
    """PyTorch lists channels before pixels, and statistics beside scales."""
    from torch import nn

    class ConvNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, CHANNELS[0], 3, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(CHANNELS[0])
            self.conv2 = nn.Conv2d(*CHANNELS, 3, padding=1)
            self.norm2 = nn.BatchNorm2d(CHANNELS[1])
            self.out = nn.Linear(CHANNELS[1] * SIDE**2, CLASSES)

        def forward(self, x: Any) -> Any:
            x = self.norm1(self.conv1(x.reshape(-1, 1, SIDE, SIDE))).relu()
            return self.out(self.norm2(self.conv2(x)).relu().flatten(1))

    kernel = lambda at: Array(f"weights/conv{at}.weight", (3, 2, 0, 1))
    arrays = {f"conv{at}/kernel": kernel(at) for at in (1, 2)}
    for n in NORMS:
        arrays |= {
            f"{n}/scale": Array(f"weights/{n}.weight"),
            f"{n}/shift": Array(f"weights/{n}.bias"),
            f"{n}/mean": Array(f"statistics/{n}.running_mean"),
            f"{n}/var": Array(f"statistics/{n}.running_var"),
        }
    arrays |= {"conv2/bias": Array("weights/conv2.bias"), "out/bias": Array("weights/out.bias")}
    flat = (CLASSES, CHANNELS[1] * SIDE**2)
    arrays["out/kernel"] = Array("weights/out.weight", (3, 2, 0, 1), flat)
    return _of_torch(ConvNet(), SIDE**2, arrays)


def equinox_dense() -> Layout:
    """Equinox lists outputs first as well."""
    import equinox as eqx

    import onebasin as ob

    class Perceptron(eqx.Module):
        layers: list[eqx.nn.Linear]

        def __call__(self, x: Any) -> Any:
            *hidden, out = self.layers
            for layer in hidden:
                x = jax.nn.relu(layer(x))
            return out(x)

    sizes = pairwise((FEATURES, *HIDDEN, CLASSES))
    layers = [eqx.nn.Linear(*size, key=jax.random.key(0)) for size in sizes]
    arrays = {}
    for at, layer in enumerate(("hidden1", "hidden2", "out")):
        arrays |= {
            f"{layer}/kernel": Array(f"layers/{at}/weight", (1, 0)),
            f"{layer}/bias": Array(f"layers/{at}/bias"),
        }
    return Layout(*ob.from_equinox(Perceptron(layers)), arrays)


def equinox_conv() -> Layout:
    """Equinox keeps statistics in a state without names, and biases of channels as images."""
    import equinox as eqx

    import onebasin as ob

    class ConvNet(eqx.Module):
        conv1: eqx.nn.Conv2d
        norm1: eqx.nn.BatchNorm
        conv2: eqx.nn.Conv2d
        norm2: eqx.nn.BatchNorm
        out: eqx.nn.Linear

        def __init__(self) -> None:
            key = jax.random.key(0)
            conv = lambda *sizes, **more: eqx.nn.Conv2d(*sizes, 3, padding=1, key=key, **more)
            self.conv1 = conv(1, CHANNELS[0], use_bias=False)
            self.norm1 = eqx.nn.BatchNorm(CHANNELS[0], "batch", mode="ema")
            self.conv2 = conv(*CHANNELS)
            self.norm2 = eqx.nn.BatchNorm(CHANNELS[1], "batch", mode="ema")
            self.out = eqx.nn.Linear(CHANNELS[1] * SIDE**2, CLASSES, key=key)

        def __call__(self, x: Any, state: Any) -> Any:
            x, state = self.norm1(self.conv1(x.reshape(1, SIDE, SIDE)), state)
            x, state = self.norm2(self.conv2(jax.nn.relu(x)), state)
            return self.out(jax.nn.relu(x).ravel()), state

    module, state = eqx.nn.make_with_state(ConvNet)()
    apply, params = ob.from_equinox(eqx.nn.inference_mode(module), state)
    kept = sorted(name for name in _trees.named_leaves(params) if name.startswith("statistics/"))
    arrays = {
        f"conv{at}/kernel": Array(f"weights/module/conv{at}/weight", (3, 2, 0, 1)) for at in (1, 2)
    }
    for at, norm in enumerate(NORMS):
        mean, var = kept[2 * at : 2 * at + 2]
        arrays |= {
            f"{norm}/scale": Array(f"weights/module/{norm}/weight"),
            f"{norm}/shift": Array(f"weights/module/{norm}/bias"),
            f"{norm}/mean": Array(mean),
            f"{norm}/var": Array(var),
        }
    arrays["conv2/bias"] = Array("weights/module/conv2/bias", None, (CHANNELS[1], 1, 1))
    arrays["out/bias"] = Array("weights/module/out/bias")
    flat = (CLASSES, CHANNELS[1] * SIDE**2)
    arrays["out/kernel"] = Array("weights/module/out/weight", (3, 2, 0, 1), flat)
    return Layout(apply, params, arrays)


def flax_dense() -> Layout:
    """Flax lists inputs first."""
    from flax import linen as nn

    import onebasin as ob

    class Perceptron(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for at, size in enumerate(HIDDEN):
                x = nn.relu(nn.Dense(size, name=f"hidden{at + 1}")(x))
            return nn.Dense(CLASSES, name="out")(x)

    module = Perceptron()
    variables = module.init(jax.random.key(0), np.zeros((1, FEATURES), np.float32))
    arrays = {name: Array(f"params/{name}") for name in DENSE}
    return Layout(*ob.from_flax(module, variables), arrays)


def flax_conv() -> Layout:
    """Flax lists channels last, and keeps statistics in a collection of their own."""
    from flax import linen as nn

    import onebasin as ob

    class ConvNet(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = x.reshape(-1, SIDE, SIDE, 1)
            for at, (size, norm) in enumerate(zip(CHANNELS, NORMS, strict=True)):
                x = nn.Conv(size, (3, 3), use_bias=at > 0, name=f"conv{at + 1}")(x)
                x = nn.relu(nn.BatchNorm(use_running_average=True, name=norm)(x))
            return nn.Dense(CLASSES, name="out")(x.reshape(len(x), -1))

    module = ConvNet()
    variables = module.init(jax.random.key(0), np.zeros((1, SIDE**2), np.float32))
    arrays = {name: Array(f"weights/params/{name}") for name in CONV if not name.startswith("norm")}
    for norm in NORMS:
        arrays |= {
            f"{norm}/scale": Array(f"weights/params/{norm}/scale"),
            f"{norm}/shift": Array(f"weights/params/{norm}/bias"),
            f"{norm}/mean": Array(f"statistics/batch_stats/{norm}/mean"),
            f"{norm}/var": Array(f"statistics/batch_stats/{norm}/var"),
        }
    arrays["out/kernel"] = Array(
        "weights/params/out/kernel", None, (CHANNELS[1] * SIDE**2, CLASSES)
    )
    return Layout(*ob.from_flax(module, variables), arrays)


NETWORKS: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, Callable[[], Layout]]]] = {
    "a perceptron": (
        DENSE,
        {"plain": plain_dense, "torch": torch_dense, "equinox": equinox_dense, "flax": flax_dense},
    ),
    "convolutions": (
        CONV,
        {"plain": plain_conv, "torch": torch_conv, "equinox": equinox_conv, "flax": flax_conv},
    ),
}
"""The shapes of a network, and its layouts by library."""
