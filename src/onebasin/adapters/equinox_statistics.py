"""BatchNorm of Equinox: its part of a state, and a module in which it uses its batch."""

import copy
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


def kept_by_norms(module: Any, state: Any) -> tuple[Any, Any]:
    """The running means and variances in a state, and the rest of the state."""
    leaves = jax.tree.leaves([state.get(_index(norm)) for norm in _norms(module)])
    statistics = {id(leaf) for leaf in leaves}
    return eqx.partition(state, lambda leaf: id(leaf) in statistics)


def axis_name_of(module: Any) -> Any:
    """The name of the mapped axis over which all norms of a module take their statistics.

    Raises:
        ValueError: If norms name different axes.
    """
    names = {str(norm.axis_name): norm.axis_name for norm in _norms(module)}
    if len(names) > 1:
        raise ValueError(
            "All BatchNorm layers must name one axis to normalize by a batch. Got "
            f"{', '.join(sorted(names))}. Give from_equinox a module that maps over both axes "
            "itself, and batched=False."
        )
    return next(iter(names.values()))


def in_training(module: Any) -> Any:
    """The module with BatchNorm, and nothing else, in training mode.

    Its momentum is 0, so that the state keeps the statistics of the last call alone.
    """
    return jax.tree.map(
        lambda part: _training(part) if _is_norm(part) else part, module, is_leaf=_is_norm
    )


def measured(module: Any, state: Any) -> list[Any]:
    """The mean and the variance that each norm of a module has put into the state."""
    return [state.get(_index(norm)) for norm in _norms(module)]


def renewed(module: Any, state: Any, moments: list[Any]) -> Any:
    """The state in which each norm of a module reads these means and variances in evaluation.

    `moments` has one pair of mean and variance for each norm, as `measured` gives them.
    """
    for norm, values in zip(_norms(module), moments, strict=True):
        if norm.mode == "batch":
            # In this mode a norm divides what it keeps by 1 - momentum^count, of its own counter.
            count = state.get(norm.batch_counter)
            share = jnp.where(count == 0, 1, 1 - norm.momentum**count)
            values = tuple(value * share.astype(value.dtype) for value in values)
        state = state.set(_index(norm), values)
    return state


def _is_norm(part: Any) -> bool:
    return isinstance(part, eqx.nn.BatchNorm)


def _norms(module: Any) -> list[Any]:
    """All BatchNorm layers of a module, in the order of its leaves."""
    return [part for part in jax.tree.leaves(module, is_leaf=_is_norm) if _is_norm(part)]


def _index(norm: Any) -> Any:
    """Where in a state a norm keeps its mean and variance."""
    return norm.ema_state_index if norm.mode == "ema" else norm.batch_state_index


def _training(norm: Any) -> Any:
    """A copy of a norm in training mode, with momentum 0."""
    copied = copy.copy(norm)
    for name, value in {"inference": False, "momentum": 0.0}.items():
        object.__setattr__(
            copied, name, value
        )  # modules are frozen, and __init__ takes other fields
    return copied
