"""mlp: fully connected networks of any depth."""

from collections.abc import Callable, Sequence
from functools import cache

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.models.network import Network
from onebasin.symmetry.axes import Axes, Symmetry

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: str = "relu") -> Network:
    """A fully connected network; params are `{"hidden_0": {"kernel", "bias"}, ..., "out": ...}`.

    Kernels are (inputs, outputs) of their layer. Weights begin normal with variance 2 / fan-in
    (relu) or 1 / fan-in (others), biases at zero. Each hidden layer is one group of its symmetry.

    Raises: ValueError for an unknown activation or a size below 1.
    Source of the initialization: He et al. (2015), arXiv 1502.01852, equation 10.
    """
    # One object for each shape: programs of a network that is made again are not compiled again.
    return _mlp((inputs, *hidden, outputs), activation)


@cache
def _mlp(sizes: tuple[int, ...], activation: str) -> Network:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}. Got {activation!r}.")
    if min(sizes) < 1:
        raise ValueError(f"All layer sizes must be at least 1. Got {list(sizes)}.")
    layers = [f"hidden_{index}" for index in range(len(sizes) - 2)]
    gain = 2.0 if activation == "relu" else 1.0

    def init(key: Key) -> Params:
        keys = jax.random.split(key, len(sizes) - 1)
        return {
            name: _dense_init(k, fan_in, fan_out, gain)
            for name, k, fan_in, fan_out in zip(
                [*layers, "out"], keys, sizes[:-1], sizes[1:], strict=True
            )
        }

    def activations(
        params: Params, x: Float[Array, "batch features"]
    ) -> dict[str, Float[Array, "batch units"]]:
        put_out = {}
        for name in layers:
            x = ACTIVATIONS[activation](_dense(params[name], x))
            put_out[name] = x
        return put_out

    def apply(params: Params, x: Float[Array, "batch features"]) -> Float[Array, "batch outputs"]:
        put_out = activations(params, x)
        return _dense(params["out"], put_out[layers[-1]] if layers else x)

    return Network(init, apply, activations, _mlp_symmetry(layers, sizes))


def _dense_init(key: Key, fan_in: int, fan_out: int, gain: float) -> Params:
    kernel = jax.random.normal(key, (fan_in, fan_out)) * jnp.sqrt(gain / fan_in)
    return {"kernel": kernel, "bias": jnp.zeros(fan_out)}


def _dense(params: Params, x: Float[Array, "batch inputs"]) -> Float[Array, "batch units"]:
    return x @ params["kernel"] + params["bias"][None, :]


def _mlp_symmetry(layers: Sequence[str], sizes: Sequence[int]) -> Symmetry:
    groups = [None, *layers, None]
    axes = {
        name: {"kernel": Axes(before, after), "bias": Axes(after)}
        for name, before, after in zip([*layers, "out"], groups[:-1], groups[1:], strict=True)
    }
    return Symmetry(axes, dict(sorted(zip(layers, sizes[1:-1], strict=True))))
