"""Calls of a module that write to statistics or random states, as calls in training do."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
from jax.interpreters import partial_eval

from onebasin import _trees
from onebasin.types import Array


def written_leaves(before: Any, after: Any) -> list[str]:
    """The names of the arrays that a call wrote to: all others are the same objects as before."""
    old, new = _trees.named_leaves(before), _trees.named_leaves(after)
    return [name for name, leaf in new.items() if leaf is not old.get(name)]


def check_nothing_written(names: Collection[str], hint: str) -> None:
    """Raise ValueError if a call wrote to arrays; `hint` says how to mend it."""
    if names:
        raise ValueError(
            "A module must be in evaluation mode: in training, dropout is random and BatchNorm "
            f"uses its batch. Got a call that writes to {', '.join(names)}. {hint}"
        )


def unread(function: Callable[[Mapping[str, Array]], Any], arrays: Mapping[str, Array]) -> set[str]:
    """The names of the arrays on which no output of the function depends."""
    jaxpr = jax.make_jaxpr(function)(dict(arrays)).jaxpr
    _, is_read = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return {name for name, read in zip(sorted(arrays), is_read, strict=True) if not read}
