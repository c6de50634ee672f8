"""from_flax: modules of Flax, NNX or Linen, as functions of their weights."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from onebasin import _trees
from onebasin._types import Params
from onebasin.models.adapters.written import check_nothing_written, unread, written_leaves

_HINT = "Call module.eval() first; what draws random numbers in evaluation too must go."


def from_flax(
    module: Any, variables: Any = None, **keywords: Any
) -> tuple[Callable[..., Any], Params]:
    """A Flax module as `apply(params, *inputs)` and its inexact arrays.

    An NNX module holds its arrays itself; a Linen module needs the `variables` that `init` gave.
    Params hold all collections, so that statistics of BatchNorm move with the units they
    belong to; other arrays are closed over. `keywords`, such as `train=False` or Linen's
    `method`, are handed to every call.

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


def _from_nnx(module: Any, keywords: dict[str, Any]) -> tuple[Callable[..., Any], Params]:
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    graph, state = nnx.split(module)
    params, rest = eqx.partition(nnx.to_pure_dict(state), eqx.is_inexact_array)
    counters = set(_trees.named_leaves(nnx.to_pure_dict(nnx.state(module, nnx.RngCount))))

    def call(arrays: Any, inputs: Any) -> tuple[Any, Any]:
        fresh = jax.tree.map(lambda leaf: leaf, state)  # a copy, for what is replaced is in place
        nnx.replace_by_pure_dict(fresh, arrays)
        merged = nnx.merge(graph, fresh)
        outputs = merged(*inputs, **keywords)
        return outputs, nnx.to_pure_dict(nnx.state(merged))

    def apply(params: Params, *inputs: Any) -> Any:
        arrays = eqx.combine(params, rest)
        outputs, after = call(arrays, inputs)
        written = written_leaves(arrays, after)
        if counters.intersection(written):
            harmless = idle(arrays, inputs)
            written = [name for name in written if name not in harmless]
        check_nothing_written(written, _HINT)
        return outputs

    def idle(arrays: Any, inputs: Any) -> set[str]:
        """Counters of random keys that no output depends on, such as those for zeros."""
        leaves = _trees.named_leaves(arrays)
        merged = lambda counts: _trees.rebuild({**leaves, **counts}, arrays)
        return unread(
            lambda counts: call(merged(counts), inputs)[0],
            {name: leaves[name] for name in counters},
        )

    return apply, params


def _from_linen(
    module: Any, variables: Any, keywords: dict[str, Any]
) -> tuple[Callable[..., Any], Params]:
    from flax import core, errors  # pyright: ignore[reportMissingImports]  # an extra

    plain = core.unfreeze(core.meta.unbox(variables))
    params, rest = eqx.partition(plain, eqx.is_inexact_array)

    def apply(params: Params, *inputs: Any) -> Any:
        try:
            return module.apply(eqx.combine(params, rest), *inputs, **keywords)
        except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
            raise ValueError(
                f"A module must be called as in evaluation. Got: {error} "
                "Hand from_flax the keyword that its call takes, such as train=False."
            ) from error

    return apply, params
