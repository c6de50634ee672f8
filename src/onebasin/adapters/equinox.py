"""from_equinox: Equinox modules as functions of their params."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, map_statistics
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.equinox_statistics import (
    axis_name_of,
    in_training,
    kept_by_norms,
    measured,
    renewed,
)
from onebasin.types import Params


def from_equinox(module: Any, state: Any = None, *, batched: bool = True) -> tuple[Adapted, Params]:
    """An Equinox module as a function `apply(params, *inputs)`, and its params.

    Params are the inexact arrays of the module, in a tree shaped like it. Those of a module with a
    state are `{"module": ..., "state": ...}`. If BatchNorm keeps running statistics in the state,
    params are `{"weights": {"module": ..., "state": ...}, "statistics": ...}`, and
    `apply.recalibrate` renews the statistics. Other arrays and fields keep their present values.
    `apply` does not return the state after a call. To sample the weights, make a network:
    `ob.network(*ob.from_equinox(module), x)`.

    Args:
        module: An `eqx.Module` that can be called, in inference mode.
        state: The state of the module, if it has one: the second value of
            `eqx.nn.make_with_state`.
        batched: Whether `apply` takes a batch, over which calls of the module on single examples
            are mapped. If False, the module is called on the inputs as they are.

    Raises:
        TypeError: If `module` is not a module that can be called.
        ValueError: If dropout or BatchNorm is in training mode, or a state is missing.

    Examples:
        >>> import equinox as eqx
        >>> module = eqx.nn.MLP(64, 10, width_size=8, depth=1, key=key)
        >>> apply, params = ob.from_equinox(module)
        >>> apply(params, data.test.inputs).shape
        (50, 10)
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
    """What `from_equinox` returns for a module with a state."""
    statistics, others = kept_by_norms(module, state)
    weights, rest = eqx.partition({"module": module, "state": others}, eqx.is_inexact_array)
    params = collected(weights, statistics)
    keeps_statistics = params is not weights

    def with_arrays(params: Params) -> tuple[Any, Any]:
        """The module and the state with the arrays of params."""
        if not keeps_statistics:
            combined = eqx.combine(params, rest)
            return combined["module"], combined["state"]
        combined = eqx.combine(params[WEIGHTS], rest)
        return combined["module"], eqx.combine(combined["state"], params[STATISTICS])

    def evaluate(params: Params, *inputs: Any) -> Any:
        module, state = with_arrays(params)
        call = lambda *example: module(*example, state)[0]
        return (jax.vmap(call) if batched else call)(*inputs)

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        # The new statistics take the old ones times zero, and zero times NaN would be NaN.
        module, state = with_arrays(map_statistics(jnp.zeros_like, params))
        training = in_training(module)

        def call(*example: Any) -> tuple[Any, Any]:
            outputs, after = training(*example, state)
            return outputs, measured(training, after)

        if batched:
            call = jax.vmap(call, out_axes=(0, None), axis_name=axis_name_of(module))
        outputs, moments = call(*inputs)
        module, state = with_arrays(params)  # Equinox lets a state be used by one call alone
        return outputs, kept_by_norms(module, renewed(module, state, moments))[0]

    return adapted(params, evaluate, by_batch), params


def _check(module: Any, state: Any) -> None:
    """Raise TypeError or ValueError unless a module and its state are as `from_equinox` says."""
    if not (isinstance(module, eqx.Module) and callable(module)):
        raise TypeError(
            f"from_equinox takes an eqx.Module with a __call__. Got {type(module).__name__}. "
            "Wrap a function in a module that holds its weights."
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
            "A module that keeps a state must come with it. Got no state. Pass both values of "
            "eqx.nn.make_with_state(...), the module and its state."
        )


def _depends_on_mode(part: Any) -> bool:
    """Whether a part of a module is in training mode, and computes something else there."""
    # Dropout that drops nothing is part of every attention layer and needs no mode.
    in_training = isinstance(part, eqx.Module) and getattr(part, "inference", None) is False
    return in_training and getattr(part, "p", None) != 0
