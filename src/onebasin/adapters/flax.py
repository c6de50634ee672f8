"""from_flax: modules of Flax, NNX or Linen, as functions of their params."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax

from onebasin import _trees
from onebasin._collections import STATISTICS, WEIGHTS, collected, has_statistics
from onebasin.adapters.adapted import Adapted, adapted
from onebasin.adapters.flax_statistics import by_batch_linen, by_batch_nnx
from onebasin.adapters.written import check_nothing_written, unread, written_leaves
from onebasin.types import Params

_LINEN = "batch_stats"
"""The collection in which Linen's modules keep their running statistics."""

_HINT = "Call module.eval() first. Take out what draws random numbers or writes in evaluation too."


def from_flax(module: Any, variables: Any = None, **keywords: Any) -> tuple[Adapted, Params]:
    """A Flax module as a function `apply(params, *inputs)`, and its params.

    Params are the inexact arrays of the module, as nested dicts. With running statistics, which are
    `BatchStat` of NNX and `batch_stats` of Linen, they are `{"weights": ..., "statistics": ...}`,
    and `apply.recalibrate` renews the statistics of BatchNorm. Other arrays keep their present
    values.

    `apply` raises ValueError if a call changes statistics or draws random numbers, as calls in
    training mode do. To sample the weights, make a network:
    `ob.network(*ob.from_flax(module, variables), x)`.

    Args:
        module: An `nnx.Module` in evaluation mode, or a `linen.Module`.
        variables: For Linen, all collections that `module.init(key, inputs)` gave. An NNX module
            holds its arrays itself.
        keywords: Passed to every call of the module, such as `train=False` or Linen's `method`.

    Raises:
        TypeError: If `module` is not a Flax module.
        ValueError: If variables are missing for Linen, or were given for NNX.

    Examples:
        >>> from flax import linen
        >>> module = linen.Dense(10)
        >>> apply, params = ob.from_flax(module, module.init(key, data.test.inputs))
        >>> apply(params, data.test.inputs).shape
        (50, 10)
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
            f"from_flax takes an nnx.Module or a linen.Module. Got {type(module).__name__}. "
            "Pass the module itself, not its params."
        )
    if variables is None:
        raise ValueError(
            "A Linen module must come with its variables. Got none. "
            "Pass what module.init(key, inputs) gave."
        )
    return _from_linen(module, variables, keywords)


def _from_nnx(module: Any, keywords: dict[str, Any]) -> tuple[Adapted, Params]:
    """What `from_flax` returns for an NNX module."""
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    graph, state = nnx.split(module)
    batch_stats, others = nnx.split_state(state, nnx.BatchStat, ...)
    statistics = eqx.filter(nnx.to_pure_dict(batch_stats), eqx.is_inexact_array)
    weights, rest = eqx.partition(nnx.to_pure_dict(others), eqx.is_inexact_array)
    counters = set(_trees.named_leaves(nnx.to_pure_dict(nnx.state(module, nnx.RngCount))))

    call = partial(_call_nnx, graph, state, keywords)

    def all_arrays(params: Params) -> Any:
        """The arrays of the module in NNX's own tree, those of params and all others."""
        if not has_statistics(params):
            return eqx.combine(params, rest)
        return _trees.merge(eqx.combine(params[WEIGHTS], rest), params[STATISTICS])

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        outputs, after = call(all_arrays(params), inputs, by_batch=True)
        leaves = _trees.named_leaves(after)
        statistics = {name: leaves[name] for name in _trees.named_leaves(params[STATISTICS])}
        return outputs, _trees.rebuild(statistics, params[STATISTICS])

    def evaluate(params: Params, *inputs: Any) -> Any:
        arrays = all_arrays(params)
        outputs, after = call(arrays, inputs)
        written = written_leaves(arrays, after)
        if counters.intersection(written):
            unused = _unused_counters(call, arrays, inputs, counters)
            written = [name for name in written if name not in unused]
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
    """The outputs of a module with these arrays, and its arrays after the call.

    `graph` and `state` are what `nnx.split` gives of the module, `arrays` replace those of the
    state, and `keywords` are passed to the call. With `by_batch`, norms normalize by their batch.
    """
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    fresh = jax.tree.map(lambda leaf: leaf, state)  # a copy, because arrays are replaced in place
    nnx.replace_by_pure_dict(fresh, arrays)
    merged = nnx.merge(graph, fresh)
    if by_batch:
        by_batch_nnx(merged)
    outputs = merged(*inputs, **keywords)
    return outputs, nnx.to_pure_dict(nnx.state(merged))


def _unused_counters(
    call: Callable[..., Any], arrays: Any, inputs: Any, counters: set[str]
) -> set[str]:
    """The counters of random keys on which no output depends, as for initial states of zeros."""
    leaves = _trees.named_leaves(arrays)
    merged = lambda counts: _trees.rebuild({**leaves, **counts}, arrays)
    return unread(
        lambda counts: call(merged(counts), inputs)[0], {name: leaves[name] for name in counters}
    )


def _from_linen(module: Any, variables: Any, keywords: dict[str, Any]) -> tuple[Adapted, Params]:
    """What `from_flax` returns for a Linen module."""
    from flax import core, errors  # pyright: ignore[reportMissingImports]  # an extra

    plain = core.unfreeze(core.meta.unbox(variables))
    statistics = eqx.filter({k: v for k, v in plain.items() if k == _LINEN}, eqx.is_inexact_array)
    others = {name: part for name, part in plain.items() if name != _LINEN}
    weights, rest = eqx.partition(others, eqx.is_inexact_array)

    def all_variables(params: Params) -> Any:
        """The variables of the module, those of params and all others."""
        if not has_statistics(params):
            return eqx.combine(params, rest)
        return {**eqx.combine(params[WEIGHTS], rest), **params[STATISTICS]}

    def by_batch(params: Params, inputs: Any) -> tuple[Any, Any]:
        with by_batch_linen():
            arrays = all_variables(params)
            outputs, updated = module.apply(arrays, *inputs, mutable=[_LINEN], **keywords)
        return outputs, {**params[STATISTICS], **core.unfreeze(updated)}

    def evaluate(params: Params, *inputs: Any) -> Any:
        try:
            return module.apply(all_variables(params), *inputs, **keywords)
        except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
            raise ValueError(
                f"A module must be called as in evaluation. Got: {error} "
                "Pass from_flax the keyword that the module's call takes, such as train=False."
            ) from error

    params = collected(weights, statistics)
    return adapted(params, evaluate, by_batch), params
