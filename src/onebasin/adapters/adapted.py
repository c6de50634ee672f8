"""Adapted: a module of another library as a function of its params and inputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

from onebasin._collections import STATISTICS, arranged, has_statistics
from onebasin.types import Params


@dataclasses.dataclass(frozen=True, eq=False)
class Adapted:
    """The outputs of a module of another library, as a function `apply(params, *inputs)`.

    A module that keeps running statistics, as BatchNorm does, has params in two collections,
    `{"weights": ..., "statistics": ...}`, and two more functions. They are None for other modules,
    and are the fields of the same names of a `Network`.

    Args:
        evaluate: `evaluate(params, *inputs)` gives the outputs in evaluation mode.
        batch_apply: `batch_apply(params, *inputs)` gives the outputs as in training: it normalizes
            by the batch itself and reads no statistics. Dropout stays off.
        recalibrate: `recalibrate(params, *inputs)` gives params whose statistics are those of these
            inputs, as the library measures them in training. Weights do not change.
        like: A tree shaped like the params, by which `arranged` puts names into collections.
    """

    evaluate: Callable[..., Any]
    batch_apply: Callable[..., Any] | None = None
    recalibrate: Callable[..., Params] | None = None
    like: Params = None

    def arranged(self, params: Params) -> Params:
        """The params in the collections of the adapter, also if they are a PyTorch state_dict."""
        return params if self.like is None else arranged(params, self.like)

    def __call__(self, params: Params, *inputs: Any) -> Any:
        """The outputs in evaluation mode."""
        return self.evaluate(params, *inputs)


def adapted(
    params: Params,
    evaluate: Callable[..., Any],
    by_batch: Callable[[Params, Any], tuple[Any, Any]],
) -> Adapted:
    """The function of a module, with what running statistics need if the params hold any.

    Args:
        params: Params of the module, in collections if it keeps running statistics.
        evaluate: `evaluate(params, *inputs)` gives the outputs in evaluation mode.
        by_batch: `by_batch(params, inputs)` gives the outputs of norms that use their batch, and
            the statistics that they measure.
    """
    if not has_statistics(params):
        return Adapted(evaluate)

    def recalibrate(params: Params, *inputs: Any) -> Params:
        return {**params, STATISTICS: by_batch(params, inputs)[1]}

    return Adapted(evaluate, lambda params, *inputs: by_batch(params, inputs)[0], recalibrate)
