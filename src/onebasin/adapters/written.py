"""Calls that write to statistics or random states, as they do in training."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
from jax.interpreters import partial_eval

from onebasin import _trees
from onebasin._types import Array


def written_leaves(before: Any, after: Any) -> list[str]:
    """The names of arrays that a call wrote to: what is not written to stays the same object."""
    old, new = _trees.named_leaves(before), _trees.named_leaves(after)
    return [name for name, leaf in new.items() if leaf is not old.get(name)]


def check_nothing_written(names: Collection[str], hint: str) -> None:
    """Refuse a call that wrote to arrays of these names.

    Raises: ValueError.
    """
    if names:
        raise ValueError(
            "A module must be in evaluation mode: in training, dropout is random and BatchNorm "
            f"uses its batch. Got a call that writes to {', '.join(names)}. {hint}"
        )


def unread(function: Callable[[Mapping[str, Array]], Any], arrays: Mapping[str, Array]) -> set[str]:
    """The names of those arrays on which nothing depends that the function gives."""
    jaxpr = jax.make_jaxpr(function)(dict(arrays)).jaxpr
    _, is_read = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return {name for name, read in zip(sorted(arrays), is_read, strict=True) if not read}
