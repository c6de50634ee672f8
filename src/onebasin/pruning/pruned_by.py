"""pruned_by: one trained network, pruned by one of three orders."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import jax
import numpy as np

from onebasin._arguments import check_key
from onebasin._words import did_you_mean
from onebasin.fisher.by_unit import unit_layers, unit_rows
from onebasin.fisher.laplace import diagonal_laplace
from onebasin.networks.posterior import Posterior
from onebasin.prediction.predict import recalibrated
from onebasin.pruning.conditional import conditional_copies
from onebasin.pruning.prune import pruned_copies, pruning_scores
from onebasin.types import Key, Params

PruningOrder: TypeAlias = Literal["conditional", "magnitude", "signal-to-noise"]
"""How `pruned_by` chooses the weights that it sets to zero."""
PRUNING_ORDERS: tuple[PruningOrder, ...] = ("conditional", "magnitude", "signal-to-noise")


def pruned_by(
    posterior: Posterior,
    params: Params,
    keeps: Sequence[float],
    order: PruningOrder = "conditional",
    *,
    key: Key,
    progress: Callable[[float], object] = lambda share: None,
) -> Params:
    r"""One trained network, pruned to each share of `keeps`, stacked along a new leading axis.

    All weights compete with each other, biases and those of norms too. None is trained again.
    Running statistics are no weights. They are renewed for each share, on training inputs.

    Args:
        posterior: Whose likelihood, training inputs and prior are used.
        params: The weights to prune, one set of them. They should be near a mode.
        keeps: The shares of all weights to keep, each in (0, 1]. For "conditional" they must
            fall.
        order: "magnitude" removes the weights of least $|w|$. "signal-to-noise" removes those of
            least $|w| / \sigma$, with $\sigma$ of `diagonal_laplace`. "conditional" is
            `conditional_copies`: it removes the weights in stages, with the covariance within each
            unit, and moves those that are kept.
        key: The random key of the Fisher information.
        progress: Called after every stage of "conditional" with the share of stages that are done.

    Raises:
        ValueError: If there is no such order, `keeps` lie outside (0, 1], or do not fall for
            "conditional", or the prior is a log density of your own. For "conditional" also if the
            matrices of all units need more memory than the machine has.

    Examples:
        >>> prune = ob.pruning.pruned_by
        >>> copies = prune(posterior, params, (0.5, 0.1), "signal-to-noise", key=key)
        >>> int(sum((leaf[1] != 0).sum() for leaf in jax.tree.leaves(copies)))  # of 610 weights
        61
    """
    check_key(key)
    if order not in PRUNING_ORDERS:
        raise ValueError(
            f"An order of pruning must be one of {', '.join(PRUNING_ORDERS)}. Got {order!r}."
            f"{did_you_mean(str(order), PRUNING_ORDERS)} Pass one of them."
        )
    if order == "conditional":
        _check_memory(posterior, params)
        copies = conditional_copies(posterior, params, keeps, key=key, progress=progress)
    elif order == "magnitude":
        copies = pruned_copies(params, jax.tree.map(np.abs, params), tuple(keeps))
    else:
        gaussian = diagonal_laplace(posterior, params, key=key)
        scores = pruning_scores(params, gaussian, key=key)["signal-to-noise"]
        copies = pruned_copies(params, scores, tuple(keeps))
    return recalibrated(posterior, copies)


def _check_memory(posterior: Posterior, params: Params) -> None:
    """Raise ValueError if the matrices of all units do not fit into the memory of the machine.

    A matrix has a number in float64 for each pair of incoming weights of a unit.
    """
    rows = unit_rows(params, unit_layers(params, posterior.symmetry))
    needed = sum(
        8 * num_units * num_weights**2 for num_units, num_weights in map(np.shape, rows.values())
    )
    memory = _memory()
    if needed > memory:
        raise ValueError(
            "Conditional pruning holds a matrix for each unit, which must fit into memory, "
            f"{memory / 1e9:.3g} GB. Got a network whose matrices take {needed / 1e9:.3g} GB. "
            'Prune it by "signal-to-noise" or "magnitude".'
        )


def _memory() -> float:
    """The memory of this machine in bytes; infinite if it does not say."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
