"""from_equinox: Equinox modules as functions of their weights."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, map_statistics
from onebasin._types import Params
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.equinox_statistics import (
    axis_name_of,
    in_training,
    kept_by_norms,
    measured,
    renewed,
)


def from_equinox(module: Any, state: Any = None, *, batched: bool = True) -> tuple[Adapted, Params]:
    """An Equinox module as `apply(params, *inputs)` and its inexact arrays.

    Inputs and outputs lead with a batch, over which a call of the module on one example is mapped;
    `batched=False` calls it on inputs as they are. A module with a state, as
    `eqx.nn.make_with_state` gives both, has params `{"module": ..., "state": ...}`. With BatchNorm
    these are the `"weights"`, and beside them are the `"statistics"`, the part of the state that
    `apply.recalibrate` renews. What a call does to the state is left out.

    Raises: TypeError for what is no module; ValueError for dropout or BatchNorm in training mode,
    or a missing state.
    """
    _check(module, state)
    if state is None:
        weights, rest = eqx.partition(module, eqx.is_inexact_array)

        def stateless(params: Params, *inputs: Any) -> Any:
            call = eqx.combine(params, rest)
            return (jax.vmap(call) if batched else call)(*inputs)

        return Adapted(stateless), weights
    return _with_state(module, state, batched)


def _with_state(module: Any, state: Any, batched: bool) -> tuple[Adapted, Params]:
    statistics, others = kept_by_norms(module, state)
    weights, rest = eqx.partition({"module": module, "state": others}, eqx.is_inexact_array)
    params = collected(weights, statistics)
    keeps_statistics = params is not weights

    def whole(params: Params) -> tuple[Any, Any]:
        if not keeps_statistics:
            combined = eqx.combine(params, rest)
            return combined["module"], combined["state"]
        combined = eqx.combine(params[WEIGHTS], rest)
        return combined["module"], eqx.combine(combined["state"], params[STATISTICS])

    def evaluate(params: Params, *inputs: Any) -> Any:
        module, state = whole(params)
        call = lambda *one: module(*one, state)[0]
        return (jax.vmap(call) if batched else call)(*inputs)

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        # Old statistics have no weight in the new ones, but zero times NaN is NaN.
        module, state = whole(map_statistics(jnp.zeros_like, params))
        training = in_training(module)

        def call(*one: Any) -> tuple[Any, Any]:
            outputs, after = training(*one, state)
            return outputs, measured(training, after)

        if batched:
            call = jax.vmap(call, out_axes=(0, None), axis_name=axis_name_of(module))
        outputs, found = call(*inputs)
        module, state = whole(params)  # the call has used up the other state
        return outputs, kept_by_norms(module, renewed(module, state, found))[0]

    return adapted(params, evaluate, by_batch), params


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
