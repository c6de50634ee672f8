"""repaired: a merged network whose units have the pre-activation statistics of its parents."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.merging.arguments import Data
from onebasin.merging.layers import Layer, Traced, trace
from onebasin.symmetry.axes import Symmetry
from onebasin.symmetry.roles import roles_of_leaves
from onebasin.types import Array, Params


class Moments(NamedTuple):
    """The mean and the standard deviation of each unit's pre-activation over inputs."""

    mean: Float[np.ndarray, " units"]
    std: Float[np.ndarray, " units"]


def repaired(
    merged: Params,
    parents: Sequence[Params],
    symmetry: Symmetry,
    data: Data,
    shares: Float[np.ndarray, " network"],
) -> Params:
    r"""The merged network, with the mean and std of each unit's pre-activation restored.

    With the mean $m$ and std $s$ of a unit of the merged network, and the weighted means $M$ and
    $S$ of those of its parents, its weights are multiplied by $S / s$, and its bias $b$ becomes
    $(b - m)\, S / s + M$. Units without a bias are only scaled. Layers are repaired in the order of
    computation, each behind layers that are repaired already.

    Args:
        merged: The weighted mean of the parents.
        parents: Aligned networks.
        symmetry: Which units may be permuted: layers that make some of them are repaired.
        data: The function of all these networks, and the inputs over which means and stds are
            taken.
        shares: The weight of each parent. They sum to 1.

    Raises:
        ValueError: If no layer is found that makes hidden units.

    Source: Jordan et al. (2022), arXiv 2211.08403, section 4.
    """
    function = _hidden(trace(data.apply, merged, data.inputs), symmetry, merged)
    wanted = [_moments(function, parent, data.inputs) for parent in parents]
    goals = {
        layer.equation: Moments(*np.einsum("n,nmu->mu", shares, [own[number] for own in wanted]))
        for number, layer in enumerate(function.layers)
    }
    leaves = {name: np.array(leaf, order="C") for name, leaf in _trees.named_leaves(merged).items()}

    def replace(layer: Layer, values: Array) -> Array:
        own, goal = moments_of(layer, values), goals[layer.equation]
        is_alive = own.std > 1e-6 * np.abs(own.mean)
        scale = np.divide(goal.std, own.std, out=np.ones_like(own.std), where=is_alive)
        _flat(leaves[layer.kernel])[layer.weights] *= scale[:, None]
        shift = np.zeros_like(scale)
        if layer.bias is not None:
            shift = goal.mean - scale * own.mean
            biases = _flat(leaves[layer.bias])
            biases[layer.biases] = biases[layer.biases] * scale + shift
        per_value = [jnp.asarray(x[layer.unit_of], values.dtype) for x in (scale, shift)]
        return values * per_value[0] + per_value[1]

    function.run(merged, data.inputs, replace)
    return _trees.rebuild(leaves, merged)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1)  # a view: arrays of the merged network are contiguous copies


def _hidden(function: Traced, symmetry: Symmetry, params: Params) -> Traced:
    """The function with those layers alone that make units of the symmetry."""
    roles = roles_of_leaves(symmetry, params)
    making = {
        symmetry.pieces[place.leaf].leaf
        for group in symmetry.sizes
        for place in symmetry.places(group)
        if roles[place.leaf][place.axis] == "makes"
    }
    layers = [layer for layer in function.layers if layer.kernel in making]
    if not layers:
        raise ValueError(
            "repair=True needs a layer that makes hidden units by one product of weights and data, "
            "outside of loops. Got none. Leave repair out."
        )
    return Traced(function.equations, layers)


def _moments(function: Traced, params: Params, inputs: tuple[Any, ...]) -> list[np.ndarray]:
    """The moments of every layer, in their order."""
    found: list[np.ndarray] = []

    def keep(layer: Layer, values: Array) -> Array:
        found.append(np.stack(moments_of(layer, values)))
        return values

    function.run(params, inputs, keep)
    return found


def moments_of(layer: Layer, values: Array) -> Moments:
    """The mean and std (ddof = 0) of each unit of a layer, in float64."""
    units, flat = layer.unit_of.ravel(), np.asarray(values, np.float64).ravel()
    counts = np.bincount(units)
    mean = np.bincount(units, flat) / counts
    squares = np.bincount(units, np.square(flat - mean[units]))
    return Moments(mean, np.sqrt(squares / counts))
