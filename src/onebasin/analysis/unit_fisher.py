"""The Fisher information of each unit's incoming weights, jointly."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._types import Array, Key, Params
from onebasin.models.posterior import Posterior

_CHUNK = 128  # examples whose own gradients are held at once


def unit_fisher(
    posterior: Posterior, params: Params, key: Key, num_probes: int = 1
) -> dict[str, Float[np.ndarray, "units weights weights"]]:
    r"""Blocks of the Fisher information of the training inputs, by layer.

    $F_u = \sum_n g_{nu} g_{nu}^\top$, where $g_{nu}$ is the gradient of
    $\log p(\tilde y_n | f_w(x_n))$ to the incoming weights of unit $u$, and $\tilde y_n$ is drawn
    from the network's own prediction; the mean over `num_probes` such draws. Rows are those of
    `unit_rows`.

    Raises: ValueError for num_probes below 1.
    Source: Martens (2020), arXiv 1412.1193, section 5, in blocks.
    """
    if num_probes < 1:
        raise ValueError(f"num_probes must be an int in the range [1, inf). Got {num_probes}.")
    params = jax.tree.map(jnp.asarray, params)
    total: dict[str, np.ndarray] = {}
    for probe in range(num_probes):
        targets = posterior.drawn_targets(params, jax.random.fold_in(key, probe))
        for first in range(0, len(targets), _CHUNK):
            some = slice(first, first + _CHUNK)
            blocks = _blocks(posterior, params, posterior.inputs[some], targets[some])
            for layer, block in blocks.items():
                total[layer] = total.get(layer, 0.0) + np.asarray(block, np.float64)
    return {layer: block / num_probes for layer, block in total.items()}


def unit_rows(params: Params) -> dict[str, Float[np.ndarray, "units weights"]]:
    """The incoming weights of every unit, one row each, by layer.

    The last axis of an array lists units; arrays of one module with as many units are one layer.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in _trees.named_leaves(params).items()}
    return {
        layer: np.concatenate([_columns(leaves[name]) for name in names]).T
        for layer, names in _layers(leaves).items()
    }


def from_unit_rows(rows: Mapping[str, Float[np.ndarray, "units weights"]], like: Params) -> Params:
    """Params from the rows of all units: the inverse of `unit_rows`."""
    leaves = {name: np.asarray(leaf) for name, leaf in _trees.named_leaves(like).items()}
    found: dict[str, np.ndarray] = {}
    for layer, names in _layers(leaves).items():
        first = 0
        for name in names:
            leaf = leaves[name]
            last = first + len(_columns(leaf))
            found[name] = rows[layer][:, first:last].T.reshape(leaf.shape).astype(leaf.dtype)
            first = last
    return _trees.rebuild(found, like)


def _layers(leaves: Mapping[str, Array]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, leaf in leaves.items():
        units = leaf.shape[-1] if leaf.ndim else 1
        found.setdefault(f"{name.rpartition('/')[0]} ({units})", []).append(name)
    return found


def _columns(leaf: Array) -> Array:
    return leaf.reshape(-1, leaf.shape[-1] if leaf.ndim else 1)


@eqx.filter_jit
def _blocks(
    posterior: Posterior, params: Params, inputs: Array, targets: Array
) -> dict[str, Array]:
    def log_likelihood(params: Params, x: Array, y: Array) -> Array:
        return posterior.log_likelihood(params, x[None], y[None])[0]

    gradients = jax.vmap(jax.grad(log_likelihood), (None, 0, 0))(params, inputs, targets)
    leaves = _trees.named_leaves(gradients)
    found = {}
    for layer, names in _layers(_trees.named_leaves(params)).items():
        rows = jnp.concatenate([jax.vmap(_columns)(leaves[name]) for name in names], axis=1)
        found[layer] = jnp.einsum("nwu,nvu->uwv", rows, rows)
    return found
