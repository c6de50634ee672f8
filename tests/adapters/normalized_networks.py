"""Two networks with BatchNorm in the layouts of several libraries, with the same weights in all."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import same_networks as nets
from same_networks import CHANNELS, CLASSES, FEATURES, HIDDEN, NORMS, SIDE, Array, Layout

import onebasin as ob
from onebasin import _trees

NORMED = nets.DENSE | {
    f"{norm}/{name}": (size,)
    for norm, size in zip(NORMS, HIDDEN, strict=True)
    for name in ("scale", "shift", "mean", "var")
}
"""The shapes of a perceptron whose hidden layers are normalized."""

LAYERS = tuple(zip(("hidden1", "hidden2"), NORMS, HIDDEN, strict=True))


def plain_dense() -> Layout:
    """Plain JAX."""

    def apply(p: Any, x: Any) -> Any:
        for layer, norm, _ in LAYERS:
            x, n = x @ p[layer]["kernel"] + p[layer]["bias"], p[norm]
            x = jax.nn.relu((x - n["mean"]) / jnp.sqrt(n["var"] + 1e-5) * n["scale"] + n["shift"])
        return x @ p["out"]["kernel"] + p["out"]["bias"]

    return nets.in_collections(apply, NORMED)


def torch_dense() -> Layout:
    """PyTorch."""
    import torch
    from torch import nn

    first, second = HIDDEN
    module = nn.Sequential(
        nn.Linear(FEATURES, first), nn.BatchNorm1d(first), nn.ReLU(),
        nn.Linear(first, second), nn.BatchNorm1d(second), nn.ReLU(), nn.Linear(second, CLASSES),
    )  # fmt: skip
    arrays = {}
    for at, layer in ((0, "hidden1"), (3, "hidden2"), (6, "out")):
        arrays |= {
            f"{layer}/kernel": Array(f"weights/{at}.weight", (1, 0)),
            f"{layer}/bias": Array(f"weights/{at}.bias"),
        }
    for at, norm in ((1, "norm1"), (4, "norm2")):
        arrays |= {
            f"{norm}/scale": Array(f"weights/{at}.weight"),
            f"{norm}/shift": Array(f"weights/{at}.bias"),
            f"{norm}/mean": Array(f"statistics/{at}.running_mean"),
            f"{norm}/var": Array(f"statistics/{at}.running_var"),
        }
    return Layout(*ob.from_torch(module.eval(), torch.zeros(2, FEATURES)), arrays)


def equinox_dense() -> Layout:
    """Equinox, in the mode that keeps what is not yet divided by how much of it counts."""
    import equinox as eqx

    class Perceptron(eqx.Module):
        layers: list[eqx.nn.Linear]
        norms: list[eqx.nn.BatchNorm]

        def __init__(self) -> None:
            sizes = pairwise((FEATURES, *HIDDEN, CLASSES))
            self.layers = [eqx.nn.Linear(*size, key=jax.random.key(0)) for size in sizes]
            self.norms = [eqx.nn.BatchNorm(size, "batch", mode="batch") for size in HIDDEN]

        def __call__(self, x: Any, state: Any) -> Any:
            for layer, norm in zip(self.layers, self.norms, strict=False):
                x, state = norm(layer(x), state)
                x = jax.nn.relu(x)
            return self.layers[-1](x), state

    module, state = eqx.nn.make_with_state(Perceptron)()
    apply, params = ob.from_equinox(eqx.nn.inference_mode(module), state)
    kept = sorted(name for name in _trees.named_leaves(params) if name.startswith("statistics/"))
    arrays = {}
    for at, layer in enumerate(("hidden1", "hidden2", "out")):
        arrays |= {
            f"{layer}/kernel": Array(f"weights/module/layers/{at}/weight", (1, 0)),
            f"{layer}/bias": Array(f"weights/module/layers/{at}/bias"),
        }
    for at, norm in enumerate(NORMS):
        arrays |= {
            f"{norm}/scale": Array(f"weights/module/norms/{at}/weight"),
            f"{norm}/shift": Array(f"weights/module/norms/{at}/bias"),
            f"{norm}/mean": Array(kept[2 * at]),
            f"{norm}/var": Array(kept[2 * at + 1]),
        }
    return Layout(apply, params, arrays)


def linen_dense() -> Layout:
    """Flax Linen."""
    from flax import linen as nn

    class Perceptron(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for layer, norm, size in LAYERS:
                x = nn.Dense(size, name=layer)(x)
                x = nn.relu(nn.BatchNorm(use_running_average=True, name=norm)(x))
            return nn.Dense(CLASSES, name="out")(x)

    variables = Perceptron().init(jax.random.key(0), np.zeros((1, FEATURES), np.float32))
    names = {"scale": "params/{}/scale", "shift": "params/{}/bias"}
    kept = {"mean": "batch_stats/{}/mean", "var": "batch_stats/{}/var"}
    arrays = {name: Array(f"weights/params/{name}") for name in nets.DENSE}
    return Layout(*ob.from_flax(Perceptron(), variables), arrays | _norms(names, kept))


def nnx_dense() -> Layout:
    """Flax NNX."""
    from flax import nnx

    class Perceptron(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.hidden1 = nnx.Linear(FEATURES, HIDDEN[0], rngs=rngs)
            self.hidden2 = nnx.Linear(*HIDDEN, rngs=rngs)
            self.norm1 = nnx.BatchNorm(HIDDEN[0], rngs=rngs)
            self.norm2 = nnx.BatchNorm(HIDDEN[1], rngs=rngs)
            self.out = nnx.Linear(HIDDEN[1], CLASSES, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = jax.nn.relu(self.norm1(self.hidden1(x)))
            return self.out(jax.nn.relu(self.norm2(self.hidden2(x))))

    arrays = {name: Array(f"weights/{name}") for name in nets.DENSE}
    return _of_nnx(Perceptron(nnx.Rngs(0)), arrays)


def nnx_conv() -> Layout:
    """The same for convolutions."""
    from flax import nnx

    class ConvNet(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.conv1 = nnx.Conv(1, CHANNELS[0], (3, 3), use_bias=False, rngs=rngs)
            self.conv2 = nnx.Conv(*CHANNELS, (3, 3), rngs=rngs)
            self.norm1 = nnx.BatchNorm(CHANNELS[0], rngs=rngs)
            self.norm2 = nnx.BatchNorm(CHANNELS[1], rngs=rngs)
            self.out = nnx.Linear(CHANNELS[1] * SIDE**2, CLASSES, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = jax.nn.relu(self.norm1(self.conv1(x.reshape(-1, SIDE, SIDE, 1))))
            x = jax.nn.relu(self.norm2(self.conv2(x)))
            return self.out(x.reshape(len(x), -1))

    arrays = {n: Array(f"weights/{n}") for n in nets.CONV if not n.startswith("norm")}
    arrays["out/kernel"] = Array("weights/out/kernel", None, (CHANNELS[1] * SIDE**2, CLASSES))
    return _of_nnx(ConvNet(nnx.Rngs(0)), arrays)


def _of_nnx(module: Any, arrays: dict[str, Array]) -> Layout:
    module.eval()
    names = {"scale": "{}/scale", "shift": "{}/bias"}
    return Layout(
        *ob.from_flax(module), arrays | _norms(names, {"mean": "{}/mean", "var": "{}/var"})
    )


def haiku_dense() -> Layout:
    """Haiku keeps the arrays of norms with the axes that they are broadcast along."""
    import haiku as hk

    def perceptron(x: Any) -> Any:
        for layer, norm, size in LAYERS:
            x = hk.BatchNorm(True, True, 0.9, name=norm)(hk.Linear(size, name=layer)(x), False)
            x = jax.nn.relu(x)
        return hk.Linear(CLASSES, name="out")(x)

    names = {"kernel": "w", "bias": "b"}
    arrays = {}
    for name in nets.DENSE:
        layer, leaf = name.split("/")
        arrays[name] = Array(f"weights/params/{layer}/{names[leaf]}")
    return _of_haiku(perceptron, FEATURES, arrays, 1, HIDDEN)


def haiku_conv() -> Layout:
    """The same for convolutions."""
    import haiku as hk

    def convnet(x: Any) -> Any:
        x = x.reshape(-1, SIDE, SIDE, 1)
        for at, (size, norm) in enumerate(zip(CHANNELS, NORMS, strict=True)):
            x = hk.Conv2D(size, 3, with_bias=at > 0, name=f"conv{at + 1}")(x)
            x = jax.nn.relu(hk.BatchNorm(True, True, 0.9, name=norm)(x, False))
        return hk.Linear(CLASSES, name="out")(x.reshape(len(x), -1))

    flat = (CHANNELS[1] * SIDE**2, CLASSES)
    arrays = {f"conv{at}/kernel": Array(f"weights/params/conv{at}/w") for at in (1, 2)}
    arrays |= {
        "conv2/bias": Array("weights/params/conv2/b"),
        "out/kernel": Array("weights/params/out/w", None, flat),
        "out/bias": Array("weights/params/out/b"),
    }
    return _of_haiku(convnet, SIDE**2, arrays, 3, CHANNELS)


def _of_haiku(
    function: Callable[..., Any],
    features: int,
    arrays: dict[str, Array],
    num_axes: int,
    sizes: tuple[int, ...],
) -> Layout:
    import haiku as hk

    transformed = hk.transform_with_state(function)
    # What evaluation alone would not make is made by one call as in training.
    with hk.intercept_methods(_as_in_training):
        made = transformed.init(jax.random.key(0), np.zeros((2, features), np.float32))
    for norm, size in zip(NORMS, sizes, strict=True):
        shape = (*[1] * num_axes, size)
        arrays |= {
            f"{norm}/scale": Array(f"weights/params/{norm}/scale", None, shape),
            f"{norm}/shift": Array(f"weights/params/{norm}/offset", None, shape),
            f"{norm}/mean": Array(f"statistics/state/{norm}/~/mean_ema/average", None, shape),
            f"{norm}/var": Array(f"statistics/state/{norm}/~/var_ema/average", None, shape),
        }
    return Layout(*ob.from_haiku(transformed, *made), arrays)


def _as_in_training(call: Any, args: Any, keywords: Any, context: Any) -> Any:
    import haiku as hk

    is_norm = isinstance(context.module, hk.BatchNorm) and context.method_name == "__call__"
    return call(args[0], True) if is_norm else call(*args, **keywords)


def _norms(names: dict[str, str], kept: dict[str, str]) -> dict[str, Array]:
    return {
        f"{norm}/{leaf}": Array(f"{collection}/{path.format(norm)}")
        for norm in NORMS
        for collection, paths in (("weights", names), ("statistics", kept))
        for leaf, path in paths.items()
    }


NETWORKS: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, Callable[[], Layout]]]] = {
    "a normalized perceptron": (
        NORMED,
        {
            "plain": plain_dense, "torch": torch_dense, "equinox": equinox_dense,
            "linen": linen_dense, "nnx": nnx_dense, "haiku": haiku_dense,
        },
    ),
    "convolutions": (
        nets.CONV,
        {
            "plain": nets.plain_conv, "torch": nets.torch_conv, "equinox": nets.equinox_conv,
            "linen": nets.flax_conv, "nnx": nnx_conv, "haiku": haiku_conv,
        },
    ),
}  # fmt: skip
"""The shapes of a network, and its layouts by library."""
