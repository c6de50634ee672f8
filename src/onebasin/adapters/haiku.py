"""from_haiku: functions that Haiku has transformed, as functions of their weights."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_collections
from onebasin._types import Params
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.written import check_nothing_written, written_leaves

_AVERAGES = "/~/mean_ema", "/~/var_ema"
"""How Haiku's BatchNorm calls the modules that keep its statistics."""

_AVERAGE = "average"
"""What it reads of them in evaluation; the rest is for computing it."""


def from_haiku(
    transformed: Any, params: Params, state: Any = None, **keywords: Any
) -> tuple[Adapted, Params]:
    """What `hk.transform` gives as `apply(params, *inputs)` and its inexact arrays.

    What `hk.transform_with_state` gives needs the `state` too; its params are
    `{"params": ..., "state": ...}`. With BatchNorm these are the `"weights"`, and beside them are
    the `"statistics"`: its averages, which `apply.recalibrate` renews. What it keeps to compute
    them is closed over. No random key is handed over. `keywords`, such as `is_training=False`, are
    handed to every call.

    Raises: TypeError for what is not transformed; ValueError for a state that is missing or not
    wanted. `apply` raises ValueError for a call that changes the state.
    """
    import haiku  # pyright: ignore[reportMissingImports]  # an extra

    if not isinstance(transformed, haiku.Transformed | haiku.TransformedWithState):
        raise TypeError(
            "from_haiku takes what hk.transform or hk.transform_with_state gives. "
            f"Got {type(transformed).__name__}."
        )
    keeps_state = isinstance(transformed, haiku.TransformedWithState)
    if keeps_state != (state is not None):
        raise ValueError(
            "from_haiku takes a state with what hk.transform_with_state gives, and none otherwise. "
            f"Got {'none' if keeps_state else 'one'}. Hand over what init gave."
        )
    # hk.without_apply_rng leaves the key out.
    key = (None,) if "rng" in inspect.signature(transformed.apply).parameters else ()
    if not keeps_state:
        weights, rest = eqx.partition(params, eqx.is_inexact_array)

        def stateless(params: Params, *inputs: Any) -> Any:
            return transformed.apply(eqx.combine(params, rest), *key, *inputs, **keywords)

        return Adapted(stateless), weights

    def call(arrays: Any, inputs: Any) -> tuple[Any, Any]:
        return transformed.apply(arrays["params"], arrays["state"], *key, *inputs, **keywords)

    return _with_state(call, params, state)


def _with_state(
    call: Callable[[Any, Any], tuple[Any, Any]], params: Params, state: Any
) -> tuple[Adapted, Params]:
    averages, closed, others = _split(state)
    weights, rest = eqx.partition({"params": params, "state": others}, eqx.is_inexact_array)

    def all_arrays(params: Params) -> Any:
        if not has_collections(params):
            return eqx.combine(params, rest)
        arrays = _trees.merge(eqx.combine(params[WEIGHTS], rest), {"state": closed})
        return _trees.merge(arrays, params[STATISTICS])

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        import haiku  # pyright: ignore[reportMissingImports]  # an extra

        with haiku.intercept_methods(_training):
            outputs, after = call(all_arrays(params), inputs)
        return outputs, {"state": _split(after)[0]}

    def evaluate(params: Params, *inputs: Any) -> Any:
        arrays = all_arrays(params)
        outputs, after = call(arrays, inputs)
        check_nothing_written(
            written_leaves(arrays["state"], after),
            "Hand from_haiku its keyword, such as is_training=False.",
        )
        return outputs

    found = collected(weights, {"state": averages})
    return adapted(found, evaluate, by_batch), found


def _split(state: Any) -> tuple[Any, Any, Any]:
    """What BatchNorm reads, what it computes that with, and what others keep."""
    kept = {name: arrays for name, arrays in state.items() if name.endswith(_AVERAGES)}
    averages = {name: {_AVERAGE: arrays[_AVERAGE]} for name, arrays in kept.items()}
    closed = {
        name: {key: array for key, array in arrays.items() if key != _AVERAGE}
        for name, arrays in kept.items()
    }
    others = {name: dict(arrays) for name, arrays in state.items() if name not in kept}
    return averages, closed, others


def _training(next_call: Any, args: Any, keywords: Any, context: Any) -> Any:
    """BatchNorm as in training; its averages become what it measured last."""
    import haiku  # pyright: ignore[reportMissingImports]  # an extra

    module, is_call = context.module, context.method_name == "__call__"
    if is_call and isinstance(module, haiku.BatchNorm):
        bound = inspect.signature(context.orig_method).bind(*args, **keywords)
        bound.arguments["is_training"] = True
        return next_call(*bound.args, **bound.kwargs)
    if is_call and module.module_name.endswith(_AVERAGES):
        haiku.set_state(_AVERAGE, args[0])
        return args[0]
    return next_call(*args, **keywords)
