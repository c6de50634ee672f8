"""Equinox's BatchNorm by the batch at hand, and the part of a state that it keeps."""

import copy
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


def kept_by_norms(module: Any, state: Any) -> tuple[Any, Any]:
    """The running means and variances of a state, and the rest of it."""
    leaves = jax.tree.leaves([state.get(_index(norm)) for norm in _norms(module)])
    kept = {id(leaf) for leaf in leaves}
    return eqx.partition(state, lambda leaf: id(leaf) in kept)


def axis_name_of(module: Any) -> Any:
    """The axis over which all norms of a module take their statistics.

    Raises: ValueError for norms that name different axes.
    """
    names = {str(norm.axis_name): norm.axis_name for norm in _norms(module)}
    if len(names) > 1:
        raise ValueError(
            "All BatchNorm layers must name one axis to normalize by a batch. Got "
            f"{', '.join(sorted(names))}. Hand from_equinox a module that maps itself, and "
            "batched=False."
        )
    return next(iter(names.values()))


def in_training(module: Any) -> Any:
    """The module with BatchNorm alone in training; it keeps what its last call measured."""
    return jax.tree.map(
        lambda part: _training(part) if _is_norm(part) else part, module, is_leaf=_is_norm
    )


def measured(module: Any, state: Any) -> list[Any]:
    """The mean and the variance that each norm of a module in training has kept."""
    return [state.get(_index(norm)) for norm in _norms(module)]


def renewed(module: Any, state: Any, found: list[Any]) -> Any:
    """The state in which each norm of a module reads these means and variances in evaluation."""
    for norm, values in zip(_norms(module), found, strict=True):
        if norm.mode == "batch":
            # It divides by how much of what it keeps counts, and the counter stays.
            count = state.get(norm.batch_counter)
            share = jnp.where(count == 0, 1, 1 - norm.momentum**count)
            values = tuple(value * share.astype(value.dtype) for value in values)
        state = state.set(_index(norm), values)
    return state


def _is_norm(part: Any) -> bool:
    return isinstance(part, eqx.nn.BatchNorm)


def _norms(module: Any) -> list[Any]:
    return [part for part in jax.tree.leaves(module, is_leaf=_is_norm) if _is_norm(part)]


def _index(norm: Any) -> Any:
    return norm.ema_state_index if norm.mode == "ema" else norm.batch_state_index


def _training(norm: Any) -> Any:
    found = copy.copy(norm)
    for name, value in {"inference": False, "momentum": 0.0}.items():
        object.__setattr__(found, name, value)  # frozen, and what makes it takes other arguments
    return found
