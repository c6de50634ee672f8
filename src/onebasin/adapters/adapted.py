"""Adapted: what an adapter makes of a module, a function of its params and how to renew them."""

import dataclasses
from collections.abc import Callable
from typing import Any

from onebasin._collections import STATISTICS, arranged, has_collections
from onebasin._types import Params


@dataclasses.dataclass(frozen=True, eq=False)
class Adapted:
    """`apply(params, *inputs)` of a module of another library.

    A module that keeps running statistics, as BatchNorm does, has params of two collections,
    `{"weights": ..., "statistics": ...}`, and two more functions, None for all others:

    - `apply.recalibrate(params, *inputs)` gives params whose statistics are those of these inputs,
      as the library measures them in training. Weights stay as they are.
    - `apply.batch_apply(params, *inputs)` is how the module is trained: it normalizes by the batch
      at hand and reads no statistics. Dropout stays off.

    They are the fields of the same names of a `Network`.

    `apply.arranged(params)` are params as the adapter gives them, also of a PyTorch state_dict.
    """

    evaluate: Callable[..., Any]
    batch_apply: Callable[..., Any] | None = None
    recalibrate: Callable[..., Params] | None = None
    like: Params = None

    def arranged(self, params: Params) -> Params:
        """The same params in the collections that the adapter gives."""
        return params if self.like is None else arranged(params, self.like)

    def __call__(self, params: Params, *inputs: Any) -> Any:
        """The outputs in evaluation mode."""
        return self.evaluate(params, *inputs)


def adapted(
    params: Params,
    evaluate: Callable[..., Any],
    by_batch: Callable[[Params, Any], tuple[Any, Any]],
) -> Adapted:
    """A function of params like these; `by_batch(params, inputs)` gives outputs and statistics."""
    if not has_collections(params):
        return Adapted(evaluate)

    def recalibrate(params: Params, *inputs: Any) -> Params:
        return {**params, STATISTICS: by_batch(params, inputs)[1]}

    return Adapted(evaluate, lambda params, *inputs: by_batch(params, inputs)[0], recalibrate)
