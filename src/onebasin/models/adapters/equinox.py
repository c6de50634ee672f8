"""from_equinox: Equinox modules as functions of their weights."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from onebasin import _trees
from onebasin._types import Params


def from_equinox(
    module: Any, state: Any = None, *, batched: bool = True
) -> tuple[Callable[..., Any], Params]:
    """An Equinox module as `apply(params, *inputs)` and its inexact arrays.

    Inputs and outputs lead with a batch, over which a call of the module on one example is mapped;
    `batched=False` calls it on inputs as they are. A module with a state, as
    `eqx.nn.make_with_state` gives both, has params `{"module": ..., "state": ...}`: running
    statistics move with the units they belong to. What a call does to the state is left out.

    Raises: TypeError for what is no module; ValueError for dropout or BatchNorm in training mode,
    or a missing state.
    """
    _check(module, state)
    whole = module if state is None else {"module": module, "state": state}
    params, rest = eqx.partition(whole, eqx.is_inexact_array)

    def apply(params: Params, *inputs: Any) -> Any:
        combined = eqx.combine(params, rest)
        if state is None:
            call = combined
        else:
            call = lambda *one: combined["module"](*one, combined["state"])[0]
        return (jax.vmap(call) if batched else call)(*inputs)

    return apply, params


def _check(module: Any, state: Any) -> None:
    if not (isinstance(module, eqx.Module) and callable(module)):
        raise TypeError(
            f"from_equinox takes an eqx.Module with a __call__. Got {type(module).__name__}."
        )
    parts = _trees.named_leaves(module, _depends_on_mode)
    training = [
        f"{name or 'the module'} ({type(part).__name__})"
        for name, part in parts.items()
        if _depends_on_mode(part)
    ]
    if training:
        raise ValueError(
            "A module must be in inference mode: in training, dropout is random and BatchNorm uses "
            f"its batch. Got {', '.join(training)} in training mode. "
            "Call eqx.nn.inference_mode(module) first."
        )
    is_index = lambda part: isinstance(part, eqx.nn.StateIndex)
    if state is None and any(map(is_index, jax.tree.leaves(module, is_leaf=is_index))):
        raise ValueError(
            "A module that keeps a state must come with it. Got no state. Hand over both that "
            "eqx.nn.make_with_state(...) gives."
        )


def _depends_on_mode(part: Any) -> bool:
    # Dropout that drops nothing is part of every attention layer and needs no mode.
    in_training = isinstance(part, eqx.Module) and getattr(part, "inference", None) is False
    return in_training and getattr(part, "p", None) != 0
