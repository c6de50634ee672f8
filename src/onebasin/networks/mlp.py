"""mlp: fully connected networks of any depth."""

from collections.abc import Sequence
from functools import lru_cache

import jax
from jaxtyping import Float

from onebasin._frozen_partial import FrozenPartial
from onebasin.networks.layers import (
    ACTIVATIONS,
    HOMOGENEOUS,
    ODD,
    check_activation,
    dense,
    dense_init,
    gain_of,
)
from onebasin.networks.network import Network, claimed_of
from onebasin.symmetry.axes import Axes, Place, Sign, Symmetry
from onebasin.types import Array, Key, Params


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: str = "relu") -> Network:
    r"""A fully connected network of any depth.

    Layer $l$ computes $x_{l+1} = f(x_l W_l + b_l)$ with the activation $f$, the last layer without
    it. Params are `{"hidden_0": {"kernel": W, "bias": b}, ..., "out": {"kernel", "bias"}}`, with
    kernels of shape (inputs of the layer, units). Weights begin normal with variance 2 / fan-in
    (relu) or 1 / fan-in (others), biases at zero.

    The units of each hidden layer are one group of the symmetry. After tanh, which is odd, they
    may change sign as well.

    Args:
        inputs: The number of inputs.
        hidden: The number of units of each hidden layer. Empty for a linear model.
        outputs: The number of outputs: one for each class, or 1 for a regression.
        activation: "relu", "tanh", "gelu" or "silu".

    Raises:
        ValueError: If the activation is unknown, or a size is below 1.

    Examples:
        >>> network = ob.mlp(inputs=64, hidden=(16, 8), outputs=10)
        >>> network.symmetry.sizes
        {'hidden_0': 16, 'hidden_1': 8}

    Source of the initialization: He et al. (2015), arXiv 1502.01852, equation 10.
    """
    return _mlp((inputs, *hidden, outputs), activation)


@lru_cache
def _mlp(sizes: tuple[int, ...], activation: str) -> Network:
    """The network of these sizes, kept to save time: one that is made again is equal to it."""
    check_activation(activation)
    if min(sizes) < 1:
        raise ValueError(
            f"All layer sizes must be at least 1. Got {list(sizes)}, from inputs to outputs. "
            "Leave out hidden layers without units."
        )
    layers = tuple(f"hidden_{index}" for index in range(len(sizes) - 2))
    symmetry = _mlp_symmetry(layers, sizes)
    if activation in ODD:
        symmetry = symmetry.with_signs(_mlp_signs(layers))
    apply = FrozenPartial(_apply, layers, activation)
    return Network(
        FrozenPartial(_init, layers, sizes, gain_of(activation)),
        apply,
        FrozenPartial(_activations, layers, activation),
        claimed_of(symmetry, apply, sizes[0]),
        is_homogeneous=activation in HOMOGENEOUS,
    )


def _init(layers: tuple[str, ...], sizes: tuple[int, ...], gain: float, key: Key) -> Params:
    """Random params."""
    keys = jax.random.split(key, len(sizes) - 1)
    return {
        name: dense_init(k, fan_in, fan_out, gain)
        for name, k, fan_in, fan_out in zip(
            [*layers, "out"], keys, sizes[:-1], sizes[1:], strict=True
        )
    }


def _activations(
    layers: tuple[str, ...], activation: str, params: Params, x: Float[Array, "batch features"]
) -> dict[str, Float[Array, "batch units"]]:
    """The outputs of the units of each hidden layer."""
    put_out = {}
    for name in layers:
        x = ACTIVATIONS[activation](dense(params[name], x))
        put_out[name] = x
    return put_out


def _apply(
    layers: tuple[str, ...], activation: str, params: Params, x: Float[Array, "batch features"]
) -> Float[Array, "batch outputs"]:
    """The outputs."""
    put_out = _activations(layers, activation, params, x)
    return dense(params["out"], put_out[layers[-1]] if layers else x)


def _mlp_symmetry(layers: Sequence[str], sizes: Sequence[int]) -> Symmetry:
    """One group for the units of each hidden layer."""
    groups = [None, *layers, None]
    axes = {
        name: {"kernel": Axes(before, after), "bias": Axes(after)}
        for name, before, after in zip([*layers, "out"], groups[:-1], groups[1:], strict=True)
    }
    return Symmetry(axes, dict(sorted(zip(layers, sizes[1:-1], strict=True))))


def _mlp_signs(layers: Sequence[str]) -> list[Sign]:
    """The weights that change sign with a unit: its incoming weights and its outgoing ones."""
    incoming = lambda name: (Place(f"{name}/kernel", 1), Place(f"{name}/bias", 0))
    return [
        Sign(name, (*incoming(name), Place(f"{after}/kernel", 0)))
        for name, after in zip(layers, [*layers[1:], "out"], strict=True)
    ]
