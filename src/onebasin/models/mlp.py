"""mlp: fully connected networks of any depth."""

from collections.abc import Sequence
from functools import cache

import jax
from jaxtyping import Float

from onebasin._types import Array, Key, Params
from onebasin.models.layers import (
    ACTIVATIONS,
    HOMOGENEOUS,
    ODD,
    check_activation,
    dense,
    dense_init,
    gain_of,
)
from onebasin.models.network import Network, claimed_of
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: str = "relu") -> Network:
    """A fully connected network; params are `{"hidden_0": {"kernel", "bias"}, ..., "out": ...}`.

    Kernels are (inputs, outputs) of their layer. Weights begin normal with variance 2 / fan-in
    (relu) or 1 / fan-in (others), biases at zero. Each hidden layer is one group of its symmetry;
    behind tanh, which is odd, its units may change sign as well.

    Raises: ValueError for an unknown activation or a size below 1.
    Source of the initialization: He et al. (2015), arXiv 1502.01852, equation 10.
    """
    # One object for each shape: programs of a network that is made again are not compiled again.
    return _mlp((inputs, *hidden, outputs), activation)


@cache
def _mlp(sizes: tuple[int, ...], activation: str) -> Network:
    check_activation(activation)
    if min(sizes) < 1:
        raise ValueError(f"All layer sizes must be at least 1. Got {list(sizes)}.")
    layers = [f"hidden_{index}" for index in range(len(sizes) - 2)]
    gain = gain_of(activation)

    def init(key: Key) -> Params:
        keys = jax.random.split(key, len(sizes) - 1)
        return {
            name: dense_init(k, fan_in, fan_out, gain)
            for name, k, fan_in, fan_out in zip(
                [*layers, "out"], keys, sizes[:-1], sizes[1:], strict=True
            )
        }

    def activations(
        params: Params, x: Float[Array, "batch features"]
    ) -> dict[str, Float[Array, "batch units"]]:
        put_out = {}
        for name in layers:
            x = ACTIVATIONS[activation](dense(params[name], x))
            put_out[name] = x
        return put_out

    def apply(params: Params, x: Float[Array, "batch features"]) -> Float[Array, "batch outputs"]:
        put_out = activations(params, x)
        return dense(params["out"], put_out[layers[-1]] if layers else x)

    symmetry = _mlp_symmetry(layers, sizes)
    if activation in ODD:
        symmetry = symmetry.with_signs(_mlp_signs(layers))
    symmetry = claimed_of(symmetry, apply, sizes[0])
    return Network(init, apply, activations, symmetry, is_homogeneous=activation in HOMOGENEOUS)


def _mlp_symmetry(layers: Sequence[str], sizes: Sequence[int]) -> Symmetry:
    groups = [None, *layers, None]
    axes = {
        name: {"kernel": Axes(before, after), "bias": Axes(after)}
        for name, before, after in zip([*layers, "out"], groups[:-1], groups[1:], strict=True)
    }
    return Symmetry(axes, dict(sorted(zip(layers, sizes[1:-1], strict=True))))


def _mlp_signs(layers: Sequence[str]) -> list[Sign]:
    """What flips with a unit of each hidden layer: all that comes in and all that goes out."""
    return [
        Sign(one, (Place(f"{one}/kernel", 1), Place(f"{one}/bias", 0), Place(f"{after}/kernel", 0)))
        for one, after in zip(layers, [*layers[1:], "out"], strict=True)
    ]
