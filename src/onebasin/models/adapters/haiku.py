"""from_haiku: functions that Haiku has transformed, as functions of their weights."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx

from onebasin._types import Params
from onebasin.models.adapters.written import check_nothing_written, written_leaves


def from_haiku(
    transformed: Any, params: Params, state: Any = None, **keywords: Any
) -> tuple[Callable[..., Any], Params]:
    """What `hk.transform` gives as `apply(params, *inputs)` and its inexact arrays.

    What `hk.transform_with_state` gives needs the `state` too; its params are
    `{"params": ..., "state": ...}`, so that statistics of BatchNorm move with the units they
    belong to. No random key is handed over. `keywords`, such as `is_training=False`, are handed to
    every call.

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
    whole = {"params": params, "state": state} if keeps_state else params
    weights, rest = eqx.partition(whole, eqx.is_inexact_array)
    # hk.without_apply_rng leaves the key out.
    key = (None,) if "rng" in inspect.signature(transformed.apply).parameters else ()

    def apply(params: Params, *inputs: Any) -> Any:
        arrays = eqx.combine(params, rest)
        if not keeps_state:
            return transformed.apply(arrays, *key, *inputs, **keywords)
        outputs, after = transformed.apply(
            arrays["params"], arrays["state"], *key, *inputs, **keywords
        )
        check_nothing_written(
            written_leaves(arrays["state"], after),
            "Hand from_haiku its keyword, such as is_training=False.",
        )
        return outputs

    return apply, weights
