"""What a jaxpr tells of a function before it runs: how finely it computes, and whether it ends."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr


def coarsest_eps(closed: ClosedJaxpr) -> float:
    """The relative spacing of numbers in the coarsest floating or complex dtype that occurs."""
    found = [0.0]
    for jaxpr in _all_jaxprs(closed.jaxpr):
        computed = [one for eqn in jaxpr.eqns for one in eqn.outvars]
        for variable in [*jaxpr.invars, *jaxpr.outvars, *computed]:
            dtype = getattr(variable.aval, "dtype", None)  # tokens have none
            if dtype is not None and jnp.issubdtype(dtype, jnp.inexact):
                found.append(float(jnp.finfo(dtype).eps))
    return max(found)


def has_while(closed: ClosedJaxpr) -> bool:
    """Whether a function has a loop that only values end."""
    return any(
        eqn.primitive.name == "while" for one in _all_jaxprs(closed.jaxpr) for eqn in one.eqns
    )


def _all_jaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """A jaxpr and all that its equations hold."""
    yield jaxpr
    for eqn in jaxpr.eqns:
        for inner in _jaxprs_in(list(eqn.params.values())):
            yield from _all_jaxprs(inner)


def _jaxprs_in(tree: Any) -> list[Jaxpr]:
    leaves = jax.tree.leaves(tree, is_leaf=lambda one: isinstance(one, ClosedJaxpr | Jaxpr))
    inner = [one.jaxpr if isinstance(one, ClosedJaxpr) else one for one in leaves]
    return [one for one in inner if isinstance(one, Jaxpr)]
