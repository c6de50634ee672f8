"""Checks of a sampling: of its arguments before it starts, and of chains that never move."""

import jax
import numpy as np

from onebasin import _trees
from onebasin._arguments import check_count, check_is, check_key, check_positive
from onebasin.diagnostics import Converged
from onebasin.methods.method import Method
from onebasin.methods.reductions import Stats
from onebasin.store.variables import Dims, check_storable
from onebasin.types import Key, Params

_LEAST_STEPS = 50
"""So many steps of all chains together without a move are no chance: with an acceptance rate of
.234, at which random walks are tuned, it happens once in 600,000 samplings."""


def check_sampling(
    method: Method,
    positions: Params,
    key: Key,
    until: Converged | None,
    budget: float | None = None,
    dims: Dims | None = None,
    **counts: int | None,
) -> None:
    """Refuse arguments of `sample` that are something else, out of range, or not finite.

    With `dims`, draws go to a store, which must be able to hold them.

    Raises: TypeError and ValueError; StoreError for what a store cannot hold.
    """
    check_is("method", method, Method, "Make one, for instance by hmc(logdensity).")
    check_key(key)
    if until is not None:
        check_is("until", until, Converged, "Make one by ob.diagnostics.Converged().")
    if budget is not None:
        check_positive("budget", budget)
    for name, count in counts.items():
        if count is not None:
            check_count(name, count)
    _check_positions(positions)
    if dims is not None:
        check_storable(positions, dims)


def _check_positions(positions: Params) -> None:
    leaves = _trees.named_leaves(positions)
    chains = {name: np.shape(leaf)[:1] for name, leaf in leaves.items()}
    if len(set(chains.values())) != 1 or () in chains.values():
        raise ValueError(
            f"Every leaf of positions must lead with the same chain axis. Got {chains}. "
            "Stack one position for each chain."
        )
    for name, leaf in leaves.items():
        if not np.isfinite(np.asarray(leaf)).all():
            raise ValueError(f"positions must be finite. Got NaN or infinity in {name}.")


def check_checkable(until: Converged, stats: Stats) -> None:
    """Refuse to check draws of which there is nothing to check.

    Raises: ValueError.
    """
    if until.quantities is None and "lp" not in stats:
        raise ValueError(
            "until needs quantities to check, or a method that gives 'lp'. Got none, and a method "
            f"that gives {sorted(stats) or 'no statistics'}. Pass Converged(quantities=...)."
        )


def check_moved(starts: Params, positions: Params, num_steps: int, stats: Stats) -> bool:
    """Whether a chain has left its start.

    Args:
        starts: Where chains began, with a leading chain axis.
        positions: Where they are.
        num_steps: How many steps each chain has taken.
        stats: The statistics of the last steps.

    Raises: ValueError if none has, and so many steps are no chance.
    """
    pairs = zip(jax.tree.leaves(starts), jax.tree.leaves(positions), strict=True)
    if any(np.any(np.asarray(start) != np.asarray(now)) for start, now in pairs):
        return True
    num_chains = len(jax.tree.leaves(starts)[0])
    if num_chains * num_steps < _LEAST_STEPS:
        return False
    known = [
        f"{words} of {np.mean(stats[name]):.2g}"
        for name, words in (("acceptance_rate", "an acceptance rate"), ("step_size", "a step size"))
        if name in stats
    ]
    with_what = f", with {' at '.join(known)}" if known else ""
    raise ValueError(
        f"At least one chain must move. None of {num_chains} has left its start in {num_steps} "
        f"steps{with_what}. Lower step_size, raise num_warmup, or begin elsewhere."
    )
