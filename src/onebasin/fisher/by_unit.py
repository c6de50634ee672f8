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
from onebasin._types import Array, Key, Params
from onebasin.models.posterior import Posterior
from onebasin.symmetry.axes import Role, Symmetry
from onebasin.symmetry.roles import roles_of, unknown_role

_CHUNK = 128  # examples whose own gradients are held at once


def unit_fisher(
    posterior: Posterior,
    params: Params,
    key: Key,
    num_probes: int = 1,
    kept: Mapping[str, Bool[np.ndarray, "units weights"]] | None = None,
) -> dict[str, list[Float[np.ndarray, "_kept _kept"]]]:
    r"""The Fisher information of each unit's incoming weights on the training inputs, by layer.

    $F_u = \sum_n g_{nu} g_{nu}^\top$, where $g_{nu}$ is the gradient of
    $\log p(\tilde y_n | f_w(x_n))$ to the incoming weights of unit $u$, and $\tilde y_n$ is drawn
    from the network's own prediction; the mean over `num_probes` such draws. Weights are those
    of `unit_rows`, or of them those that are `kept`. Running statistics are renewed first and
    then held: an example alone has none of its own.

    Raises: ValueError for num_probes below 1, or an array of which no axis is known to make units.
    Source: Martens (2020), arXiv 1412.1193, section 5, in blocks.
    """
    if num_probes < 1:
        raise ValueError(f"num_probes must be an int in the range [1, inf). Got {num_probes}.")
    layers = unit_layers(params, posterior.symmetry)
    if kept is None:
        kept = {layer: np.ones(w.shape, bool) for layer, w in unit_rows(params, layers).items()}
    params = posterior.recalibrate(jax.tree.map(jnp.asarray, params))
    total = {n: [np.zeros((k.sum(), k.sum())) for k in some] for n, some in kept.items()}
    for probe in range(num_probes):
        targets = posterior.drawn_targets(params, jax.random.fold_in(key, probe))
        for first in range(0, len(targets), _CHUNK):
            some = slice(first, first + _CHUNK)
            inputs = posterior.inputs[some]
            gradients = _unit_gradients(posterior, layers, params, inputs, targets[some])
            for layer, rows in gradients.items():
                # Unit by unit, for most weights are gone when most of the work is done.
                for block, row, stays in zip(
                    total[layer], np.asarray(rows), kept[layer], strict=True
                ):
                    alone = row[:, stays].astype(np.float64)
                    block += alone.T @ alone
    return {n: [block / num_probes for block in blocks] for n, blocks in total.items()}


class _Array(NamedTuple):
    """An array of a layer, the axes that make its units, and its shape with these in front."""

    leaf: str
    makes: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def num_units(self) -> int:
        return math.prod(self.shape[: len(self.makes)])

    def rows(self, leaf: Array) -> Array:
        """The weights of every unit in a row."""
        return self._made_first(leaf).reshape(self.num_units, -1)

    def from_rows(self, rows: np.ndarray) -> np.ndarray:
        """The array again."""
        return np.moveaxis(rows.reshape(self.shape), range(len(self.makes)), self.makes)

    def _made_first(self, leaf: Array) -> Array:
        others = (axis for axis in range(leaf.ndim) if axis not in self.makes)
        return leaf.transpose(*self.makes, *others)


Layers: TypeAlias = tuple[tuple[str, tuple[_Array, ...]], ...]
"""The arrays that hold the incoming weights of the same units, by the layer's name."""


def unit_layers(params: Params, symmetry: Symmetry) -> Layers:
    """Which arrays hold the incoming weights of which units.

    An array lists units along the axes that make them, all of these together; without any it is
    of a single unit. Arrays of one module with as many units are one layer if any of them reads
    units: else, as in a norm, each is a layer of its own. Running statistics are of no layer.

    Raises: ValueError for an array of which no axis is known to make units.
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
    makes = tuple(axis for axis, role in enumerate(roles) if role == "makes")
    unknown = [axis for axis, role in enumerate(roles) if role is None and shape[axis] > 1]
    if not makes and unknown:
        raise unknown_role("The incoming weights of a unit", name, unknown[0])
    others = (size for axis, size in enumerate(shape) if axis not in makes)
    return _Array(name, makes, (*(shape[axis] for axis in makes), *others))


def unit_rows(params: Params, layers: Layers) -> dict[str, Float[np.ndarray, "units weights"]]:
    """The incoming weights of every unit, one row each, by layer."""
    leaves = {name: np.asarray(leaf) for name, leaf in _trees.named_leaves(params).items()}
    return {
        layer: np.concatenate([array.rows(leaves[array.leaf]) for array in arrays], axis=1)
        for layer, arrays in layers
    }


def from_unit_rows(
    rows: Mapping[str, Float[np.ndarray, "units weights"]], layers: Layers, like: Params
) -> Params:
    """Params from the rows of all units: the inverse of `unit_rows`."""
    leaves = _trees.named_leaves(like)
    found: dict[str, np.ndarray] = {}
    for layer, arrays in layers:
        ends = np.cumsum([math.prod(array.shape) // array.num_units for array in arrays])
        for array, part in zip(arrays, np.split(rows[layer], ends[:-1], axis=1), strict=True):
            found[array.leaf] = array.from_rows(part).astype(leaves[array.leaf].dtype)
    return with_statistics_of(like, _trees.rebuild(found, without_statistics(like)))


@eqx.filter_jit
def _unit_gradients(
    posterior: Posterior, layers: Layers, params: Params, inputs: Array, targets: Array
) -> dict[str, Float[Array, "units examples weights"]]:
    def log_likelihood(params: Params, x: Array, y: Array) -> Array:
        outputs = posterior.apply(params, x[None])
        return posterior.likelihood.log_prob(outputs, y[None], posterior.noise_std(params))[0]

    gradients = jax.vmap(jax.grad(log_likelihood), (None, 0, 0))(params, inputs, targets)
    leaves = _trees.named_leaves(gradients)
    found = {}
    for layer, arrays in layers:
        rows = [jax.vmap(array.rows)(leaves[array.leaf]) for array in arrays]
        found[layer] = jnp.concatenate(rows, axis=2).transpose(1, 0, 2)
    return found
