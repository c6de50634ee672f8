"""from_haiku: functions that Haiku has transformed, as functions of their params."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_statistics
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.written import check_nothing_written, written_leaves
from onebasin.types import Params

_AVERAGES = "/~/mean_ema", "/~/var_ema"
"""How the names end of the modules in which Haiku's BatchNorm keeps its statistics."""

_AVERAGE = "average"
"""The array of such a module that BatchNorm reads in evaluation. The others serve to update it."""


def from_haiku(
    transformed: Any, params: Params, state: Any = None, **keywords: Any
) -> tuple[Adapted, Params]:
    """A function that Haiku has transformed as a function `apply(params, *inputs)`, and its params.

    Params are the inexact arrays of `params`. With a state, they are
    `{"params": ..., "state": ...}`. If BatchNorm keeps running averages in the state, they are
    `{"weights": {"params": ..., "state": ...}, "statistics": ...}`, and `apply.recalibrate` renews
    the statistics. Other arrays keep their present values. No random key is passed to the function.

    `apply` raises ValueError if a call changes the state, as calls in training mode do. To sample
    the weights, make a network: `ob.network(*ob.from_haiku(transformed, params), x)`.

    Args:
        transformed: What `hk.transform` or `hk.transform_with_state` gives.
        params: The params that `transformed.init` gave.
        state: The state that `transformed.init` gave, if it was transformed with state.
        keywords: Passed to every call, such as `is_training=False`.

    Raises:
        TypeError: If `transformed` is not a transformed function.
        ValueError: If a state is missing, or was given for a function without one.

    Examples:
        >>> import haiku as hk
        >>> transformed = hk.transform(lambda x: hk.Linear(10)(x))
        >>> init_params = transformed.init(key, data.test.inputs)
        >>> apply, params = ob.from_haiku(transformed, init_params)
        >>> apply(params, data.test.inputs).shape
        (50, 10)
    """
    import haiku  # pyright: ignore[reportMissingImports]  # an extra

    if not isinstance(transformed, haiku.Transformed | haiku.TransformedWithState):
        raise TypeError(
            "from_haiku takes what hk.transform or hk.transform_with_state gives. "
            f"Got {type(transformed).__name__}. Transform the function first."
        )
    keeps_state = isinstance(transformed, haiku.TransformedWithState)
    if keeps_state != (state is not None):
        raise ValueError(
            "from_haiku takes a state with what hk.transform_with_state gives, and none otherwise. "
            f"Got {'none' if keeps_state else 'one'}. Pass what init gave."
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
    """What `from_haiku` returns for a function with a state.

    `call(arrays, inputs)` gives the outputs and the state after the call.
    """
    averages, closed, others = _split(state)
    weights, rest = eqx.partition({"params": params, "state": others}, eqx.is_inexact_array)

    def all_arrays(params: Params) -> Any:
        """The params and the state of Haiku, with the arrays of params and all others."""
        if not has_statistics(params):
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
            "Pass from_haiku the keyword of its call, such as is_training=False.",
        )
        return outputs

    own_params = collected(weights, {"state": averages})
    return adapted(own_params, evaluate, by_batch), own_params


def _split(state: Any) -> tuple[Any, Any, Any]:
    """A state in three parts: averages of BatchNorm, its other arrays, those of other modules."""
    of_norms = {name: arrays for name, arrays in state.items() if name.endswith(_AVERAGES)}
    averages = {name: {_AVERAGE: arrays[_AVERAGE]} for name, arrays in of_norms.items()}
    closed = {
        name: {key: array for key, array in arrays.items() if key != _AVERAGE}
        for name, arrays in of_norms.items()
    }
    others = {name: dict(arrays) for name, arrays in state.items() if name not in of_norms}
    return averages, closed, others


def _training(next_call: Any, args: Any, keywords: Any, context: Any) -> Any:
    """Intercept a call: BatchNorm is in training mode and keeps the statistics of its last call."""
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
