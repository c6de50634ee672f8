"""Reductions: how the statistics of all steps between two kept draws become those of a draw.

Each method defines how its statistics are reduced. No function here depends on their names.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int, Shaped

from onebasin.types import Array

Stats: TypeAlias = Mapping[str, Any]
"""Statistics of a step by their name, which is ArviZ's if it has one."""

Reduction: TypeAlias = Literal["last", "mean", "sum", "min", "max", "any"]
"""`last` is the value at the draw itself. The others are what the function of `jax.numpy` of that
name makes of the values of all steps since the draw before."""
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)

Reductions: TypeAlias = Mapping[str, Reduction]
"""How statistics are reduced, by their name. One that is not named here is reduced by `last`."""

_COMBINE: dict[Reduction, Callable[[Array, Array], Array]] = {
    "last": lambda reduced, value: value,
    "mean": jnp.add,  # divided at the end
    "sum": jnp.add,
    "min": jnp.minimum,
    "max": jnp.maximum,
    "any": jnp.logical_or,
}


def check_reductions(reductions: Mapping[str, str]) -> None:
    """Refuse a reduction that is not known.

    Raises: ValueError.
    """
    for name, reduction in reductions.items():
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"reduce_stats must name one of {', '.join(REDUCTIONS)} for each statistic. "
                f"Got {reduction!r} for {name!r}."
            )


def check_names(reductions: Reductions, stats: Stats) -> None:
    """Refuse the name of a statistic that a method does not give.

    Raises: ValueError.
    """
    unknown = sorted(set(reductions) - set(stats))
    if unknown:
        raise ValueError(
            f"reduce_stats must name statistics that step gives, which are {sorted(stats)}. "
            f"Got {', '.join(map(repr, unknown))}."
        )


def before_steps(reductions: Reductions, shapes: Stats) -> Stats:
    """What stands for the statistics before the first step; `shapes` are those of one step."""
    return {
        name: jnp.zeros(shape.shape, _dtype(_of(reductions, name), shape.dtype))
        for name, shape in shapes.items()
    }


def with_step(
    reductions: Reductions, reduced: Stats, stats: Stats, is_first: Bool[Array, ""]
) -> Stats:
    """The statistics with those of one more step."""

    def combined(name: str, value: Shaped[Array, "..."]) -> Array:
        value = jnp.asarray(value, reduced[name].dtype)
        return jnp.where(is_first, value, _COMBINE[_of(reductions, name)](reduced[name], value))

    return {name: combined(name, value) for name, value in stats.items()}


def after_steps(reductions: Reductions, reduced: Stats, num_steps: Int[Array, ""]) -> Stats:
    """The statistics once all steps are in; without a step they are zeros."""
    count = jnp.maximum(num_steps, 1)
    return {
        name: value / count.astype(value.dtype) if _of(reductions, name) == "mean" else value
        for name, value in reduced.items()
    }


def _of(reductions: Reductions, name: str) -> Reduction:
    return reductions.get(name, "last")


def _dtype(reduction: Reduction, dtype: Any) -> Any:
    """That of the function of `jax.numpy`: a mean of booleans is a float."""
    if reduction == "last":
        return dtype
    values = jax.ShapeDtypeStruct((1,), dtype)
    return jax.eval_shape(getattr(jnp, reduction), values).dtype
