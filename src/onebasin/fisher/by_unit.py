"""The Fisher information of each unit's incoming weights, jointly."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from onebasin import _trees
from onebasin._collections import with_statistics_of, without_statistics
from onebasin.networks.posterior import Posterior
from onebasin.symmetry.axes import Role, Symmetry
from onebasin.symmetry.roles import roles_of, unknown_role
from onebasin.types import Array, Key, Params

_CHUNK = 128  # examples whose own gradients are held at once


def unit_fisher(
    posterior: Posterior,
    params: Params,
    num_probes: int = 1,
    kept: Mapping[str, Bool[np.ndarray, "units weights"]] | None = None,
    *,
    key: Key,
) -> dict[str, list[Float[np.ndarray, "_kept _kept"]]]:
    r"""The Fisher information of the incoming weights of each unit, a matrix a unit, by layer.

    $F_u = \sum_n g_{nu} g_{nu}^\top$, in which $g_{nu}$ is the gradient of
    $\log p(\tilde y_n | f_w(x_n))$ with respect to the incoming weights of unit $u$, $x_n$ are the
    training inputs, and each target $\tilde y_n$ is drawn from the prediction for $x_n$. It is
    the mean over `num_probes` sets of targets, in nats per product of the weights' units.

    Running statistics are renewed at `params` first and then held fixed, because a single
    example has no statistics of its own.

    Args:
        posterior: Whose likelihood, training inputs and symmetry are used.
        params: The weights $w$, one set of them.
        num_probes: How many sets of targets are averaged over, at least 1.
        kept: Which weights the matrices are about, by layer, shaped as `unit_rows` shapes the
            weights. Default: all of them.
        key: The random key of the targets.

    Raises:
        ValueError: If `num_probes` is below 1, or of some array no axis is known to make units.

    Source: Martens (2020), arXiv 1412.1193, section 5, of which these are diagonal blocks.
    """
    if num_probes < 1:
        raise ValueError(
            f"num_probes must be an int in the range [1, inf). Got {num_probes}. Pass 1 or more."
        )
    layers = unit_layers(params, posterior.symmetry)
    if kept is None:
        kept = {layer: np.ones(w.shape, bool) for layer, w in unit_rows(params, layers).items()}
    params = posterior.recalibrate(jax.tree.map(jnp.asarray, params))
    total = {
        layer: [np.zeros((row.sum(), row.sum())) for row in rows] for layer, rows in kept.items()
    }
    for probe in range(num_probes):
        targets = posterior.drawn_targets(params, key=jax.random.fold_in(key, probe))
        for first in range(0, len(targets), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            inputs = posterior.inputs[chunk]
            gradients = _unit_gradients(posterior, layers, params, inputs, targets[chunk])
            for layer, of_units in gradients.items():
                # Unit by unit: late in pruning few weights are left, and their blocks are small.
                for block, of_unit, is_kept in zip(
                    total[layer], np.asarray(of_units), kept[layer], strict=True
                ):
                    gradient = of_unit[:, is_kept].astype(np.float64)
                    block += gradient.T @ gradient
    return {layer: [block / num_probes for block in blocks] for layer, blocks in total.items()}


class _Array(NamedTuple):
    """How the weights of one array belong to units.

    `leaf` is its path in the params, `makes` are the axes that make its units, and `shape` is its
    shape with these axes in front.
    """

    leaf: str
    makes: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def num_units(self) -> int:
        """The number of units that the array makes; 1 if no axis makes units."""
        return math.prod(self.shape[: len(self.makes)])

    def rows(self, leaf: Array) -> Array:
        """The array as (units, weights): the weights of every unit in a row."""
        return self._made_first(leaf).reshape(self.num_units, -1)

    def from_rows(self, rows: np.ndarray) -> np.ndarray:
        """The array in its own shape: the inverse of `rows`."""
        return np.moveaxis(rows.reshape(self.shape), range(len(self.makes)), self.makes)

    def _made_first(self, leaf: Array) -> Array:
        """The array with the axes that make units in front."""
        others = (axis for axis in range(leaf.ndim) if axis not in self.makes)
        return leaf.transpose(*self.makes, *others)


Layers: TypeAlias = tuple[tuple[str, tuple[_Array, ...]], ...]
"""The name of each layer, and the arrays that hold the incoming weights of its units."""


def unit_layers(params: Params, symmetry: Symmetry) -> Layers:
    """Which arrays hold the incoming weights of which units, layer by layer.

    The units of an array are listed by all axes that make units together. An array without such
    an axis belongs to a single unit. Arrays of one module with equal numbers of units are one
    layer, as a kernel and its bias are, if one of them reads units. Otherwise each is a layer of
    its own, as the scale and the shift of a norm are. Running statistics belong to no layer.

    Raises:
        ValueError: If of some array no axis is known to make units.
    """
    roles = roles_of(symmetry, params)
    modules: dict[str, list[_Array]] = {}
    for name, leaf in _trees.named_leaves(without_statistics(params)).items():
        array = _array(name, np.shape(leaf), roles[name])
        module = re.sub(r"[/.]?[^/.]*$", "", name)
        modules.setdefault(f"{module} ({array.num_units})", []).append(array)
    layers: list[tuple[str, tuple[_Array, ...]]] = []
    for module, arrays in modules.items():
        if any("reads" in roles[array.leaf] for array in arrays):
            layers.append((module, tuple(arrays)))
        else:
            layers += [(array.leaf, (array,)) for array in arrays]
    return tuple(layers)


def _array(name: str, shape: tuple[int, ...], roles: tuple[Role | None, ...]) -> _Array:
    """How an array of this path, shape and roles of its axes belongs to units.

    Raises ValueError if no axis is known to make units and the role of some axis is not known.
    """
    makes = tuple(axis for axis, role in enumerate(roles) if role == "makes")
    unknown = [axis for axis, role in enumerate(roles) if role is None and shape[axis] > 1]
    if not makes and unknown:
        raise unknown_role("The incoming weights of a unit", name, unknown[0])
    others = (size for axis, size in enumerate(shape) if axis not in makes)
    return _Array(name, makes, (*(shape[axis] for axis in makes), *others))


def unit_rows(params: Params, layers: Layers) -> dict[str, Float[np.ndarray, "units weights"]]:
    """The incoming weights of every unit by layer, each an array (units, weights)."""
    leaves = {name: np.asarray(leaf) for name, leaf in _trees.named_leaves(params).items()}
    return {
        layer: np.concatenate([array.rows(leaves[array.leaf]) for array in arrays], axis=1)
        for layer, arrays in layers
    }


def from_unit_rows(
    rows: Mapping[str, Float[np.ndarray, "units weights"]], layers: Layers, like: Params
) -> Params:
    """Params from the rows of all units: the inverse of `unit_rows`.

    `like` are params of the same network, which give the dtypes and the running statistics.
    """
    leaves = _trees.named_leaves(like)
    weights: dict[str, np.ndarray] = {}
    for layer, arrays in layers:
        ends = np.cumsum([math.prod(array.shape) // array.num_units for array in arrays])
        for array, part in zip(arrays, np.split(rows[layer], ends[:-1], axis=1), strict=True):
            weights[array.leaf] = array.from_rows(part).astype(leaves[array.leaf].dtype)
    return with_statistics_of(like, _trees.rebuild(weights, without_statistics(like)))


@eqx.filter_jit
def _unit_gradients(
    posterior: Posterior, layers: Layers, params: Params, inputs: Array, targets: Array
) -> dict[str, Float[Array, "units examples weights"]]:
    """The gradient of the log likelihood of each example, by layer and by unit."""

    def log_likelihood(params: Params, x: Array, y: Array) -> Array:
        outputs = posterior.apply(params, x[None])
        return posterior.likelihood.log_prob(outputs, y[None], posterior.noise_std(params))[0]

    gradients = jax.vmap(jax.grad(log_likelihood), (None, 0, 0))(params, inputs, targets)
    leaves = _trees.named_leaves(gradients)
    by_layer = {}
    for layer, arrays in layers:
        rows = [jax.vmap(array.rows)(leaves[array.leaf]) for array in arrays]
        by_layer[layer] = jnp.concatenate(rows, axis=2).transpose(1, 0, 2)
    return by_layer
