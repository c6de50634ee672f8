"""from_flax: modules of Flax, NNX or Linen, as functions of their weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_collections
from onebasin._types import Params
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.flax_statistics import by_batch_linen, by_batch_nnx
from onebasin.adapters.written import check_nothing_written, unread, written_leaves

_LINEN = "batch_stats"
"""The collection in which Linen's modules keep their running statistics."""

_HINT = "Call module.eval() first; what draws random numbers in evaluation too must go."


def from_flax(module: Any, variables: Any = None, **keywords: Any) -> tuple[Adapted, Params]:
    """A Flax module as `apply(params, *inputs)` and its inexact arrays.

    An NNX module holds its arrays itself; a Linen module needs the `variables` that `init` gave,
    all collections of them. With running statistics, which are NNX's `BatchStat` and Linen's
    `batch_stats`, params are `{"weights": ..., "statistics": ...}`, and `apply.recalibrate`
    renews those of BatchNorm. Other arrays are closed over. `keywords`, such as `train=False` or
    Linen's `method`, are handed to every call.

    Raises: TypeError for what is no module; ValueError for variables that are missing or not
    wanted. `apply` raises ValueError for a call that changes statistics or draws random numbers.
    """
    from flax import linen, nnx  # pyright: ignore[reportMissingImports]  # an extra

    if isinstance(module, nnx.Module):
        if variables is not None:
            raise ValueError(
                "An NNX module holds its own arrays. Got variables as well. Leave them out."
            )
        return _from_nnx(module, keywords)
    if not isinstance(module, linen.Module):
        raise TypeError(
            f"from_flax takes an nnx.Module or a linen.Module. Got {type(module).__name__}."
        )
    if variables is None:
        raise ValueError(
            "A Linen module must come with its variables. Got none. "
            "Hand over those that module.init(key, inputs) gave."
        )
    return _from_linen(module, variables, keywords)


def _from_nnx(module: Any, keywords: dict[str, Any]) -> tuple[Adapted, Params]:
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    graph, state = nnx.split(module)
    kept, others = nnx.split_state(state, nnx.BatchStat, ...)
    statistics = eqx.filter(nnx.to_pure_dict(kept), eqx.is_inexact_array)
    weights, rest = eqx.partition(nnx.to_pure_dict(others), eqx.is_inexact_array)
    counters = set(_trees.named_leaves(nnx.to_pure_dict(nnx.state(module, nnx.RngCount))))

    call = partial(_call_nnx, graph, state, keywords)

    def all_arrays(params: Params) -> Any:
        if not has_collections(params):
            return eqx.combine(params, rest)
        return _trees.merge(eqx.combine(params[WEIGHTS], rest), params[STATISTICS])

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        outputs, after = call(all_arrays(params), inputs, by_batch=True)
        leaves = _trees.named_leaves(after)
        found = {name: leaves[name] for name in _trees.named_leaves(params[STATISTICS])}
        return outputs, _trees.rebuild(found, params[STATISTICS])

    def evaluate(params: Params, *inputs: Any) -> Any:
        arrays = all_arrays(params)
        outputs, after = call(arrays, inputs)
        written = written_leaves(arrays, after)
        if counters.intersection(written):
            harmless = _idle(call, arrays, inputs, counters)
            written = [name for name in written if name not in harmless]
        check_nothing_written(written, _HINT)
        return outputs

    params = collected(weights, statistics)
    return adapted(params, evaluate, by_batch), params


def _call_nnx(
    graph: Any,
    state: Any,
    keywords: dict[str, Any],
    arrays: Any,
    inputs: Any,
    by_batch: bool = False,
) -> tuple[Any, Any]:
    """The outputs of a module with these arrays, and its arrays after the call."""
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    fresh = jax.tree.map(lambda leaf: leaf, state)  # a copy, for what is replaced is in place
    nnx.replace_by_pure_dict(fresh, arrays)
    merged = nnx.merge(graph, fresh)
    if by_batch:
        by_batch_nnx(merged)
    outputs = merged(*inputs, **keywords)
    return outputs, nnx.to_pure_dict(nnx.state(merged))


def _idle(call: Callable[..., Any], arrays: Any, inputs: Any, counters: set[str]) -> set[str]:
    """Counters of random keys that no output depends on, such as those for zeros."""
    leaves = _trees.named_leaves(arrays)
    merged = lambda counts: _trees.rebuild({**leaves, **counts}, arrays)
    return unread(
        lambda counts: call(merged(counts), inputs)[0], {name: leaves[name] for name in counters}
    )


def _from_linen(module: Any, variables: Any, keywords: dict[str, Any]) -> tuple[Adapted, Params]:
    from flax import core, errors  # pyright: ignore[reportMissingImports]  # an extra

    plain = core.unfreeze(core.meta.unbox(variables))
    statistics = eqx.filter({k: v for k, v in plain.items() if k == _LINEN}, eqx.is_inexact_array)
    others = {name: part for name, part in plain.items() if name != _LINEN}
    weights, rest = eqx.partition(others, eqx.is_inexact_array)

    def all_variables(params: Params) -> Any:
        if not has_collections(params):
            return eqx.combine(params, rest)
        return {**eqx.combine(params[WEIGHTS], rest), **params[STATISTICS]}

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        with by_batch_linen():
            arrays = all_variables(params)
            outputs, found = module.apply(arrays, *inputs, mutable=[_LINEN], **keywords)
        return outputs, {**params[STATISTICS], **core.unfreeze(found)}

    def evaluate(params: Params, *inputs: Any) -> Any:
        try:
            return module.apply(all_variables(params), *inputs, **keywords)
        except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
            raise ValueError(
                f"A module must be called as in evaluation. Got: {error} "
                "Hand from_flax the keyword that its call takes, such as train=False."
            ) from error

    params = collected(weights, statistics)
    return adapted(params, evaluate, by_batch), params
