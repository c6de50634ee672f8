"""The Fisher information of each unit's incoming weights, jointly."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from onebasin import _trees
from onebasin._types import Array, Key, Params
from onebasin.models.posterior import Posterior

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
    of `unit_rows`, or of them those that are `kept`.

    Raises: ValueError for num_probes below 1.
    Source: Martens (2020), arXiv 1412.1193, section 5, in blocks.
    """
    if num_probes < 1:
        raise ValueError(f"num_probes must be an int in the range [1, inf). Got {num_probes}.")
    if kept is None:
        kept = {layer: np.ones(w.shape, bool) for layer, w in unit_rows(params).items()}
    params = jax.tree.map(jnp.asarray, params)
    total = {n: [np.zeros((k.sum(), k.sum())) for k in some] for n, some in kept.items()}
    for probe in range(num_probes):
        targets = posterior.drawn_targets(params, jax.random.fold_in(key, probe))
        for first in range(0, len(targets), _CHUNK):
            some = slice(first, first + _CHUNK)
            gradients = _unit_gradients(posterior, params, posterior.inputs[some], targets[some])
            for layer, rows in gradients.items():
                # Unit by unit, for most weights are gone when most of the work is done.
                for block, row, stays in zip(
                    total[layer], np.asarray(rows), kept[layer], strict=True
                ):
                    alone = row[:, stays].astype(np.float64)
                    block += alone.T @ alone
    return {n: [block / num_probes for block in blocks] for n, blocks in total.items()}


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
def _unit_gradients(
    posterior: Posterior, params: Params, inputs: Array, targets: Array
) -> dict[str, Float[Array, "units examples weights"]]:
    def log_likelihood(params: Params, x: Array, y: Array) -> Array:
        return posterior.log_likelihood(params, x[None], y[None])[0]

    gradients = jax.vmap(jax.grad(log_likelihood), (None, 0, 0))(params, inputs, targets)
    leaves = _trees.named_leaves(gradients)
    found = {}
    for layer, names in _layers(_trees.named_leaves(params)).items():
        rows = jnp.concatenate([jax.vmap(_columns)(leaves[name]) for name in names], axis=1)
        found[layer] = rows.transpose(2, 0, 1)
    return found
