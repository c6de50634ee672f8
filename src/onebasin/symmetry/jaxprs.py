"""Properties of a function that its jaxpr shows: its coarsest dtype, and loops without a bound."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr


def coarsest_eps(closed: ClosedJaxpr) -> float:
    """The machine epsilon of the coarsest floating or complex dtype that occurs in a jaxpr.

    2e-16 for a function that computes in float64 alone, 8e-3 if some part of it is in bfloat16. 0
    for a function of integers.
    """
    spacings = [0.0]
    for jaxpr in _all_jaxprs(closed.jaxpr):
        computed = [variable for eqn in jaxpr.eqns for variable in eqn.outvars]
        for variable in [*jaxpr.invars, *jaxpr.outvars, *computed]:
            dtype = getattr(variable.aval, "dtype", None)  # tokens have none
            if dtype is not None and jnp.issubdtype(dtype, jnp.inexact):
                spacings.append(float(jnp.finfo(dtype).eps))
    return max(spacings)


def has_while(closed: ClosedJaxpr) -> bool:
    """Whether a jaxpr has a `while`, which ends only if its values say so; a `scan` always ends."""
    return any(
        eqn.primitive.name == "while" for jaxpr in _all_jaxprs(closed.jaxpr) for eqn in jaxpr.eqns
    )


def _all_jaxprs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    """A jaxpr, and all jaxprs of calls, branches and loops inside of it."""
    yield jaxpr
    for eqn in jaxpr.eqns:
        for inner in _jaxprs_in(list(eqn.params.values())):
            yield from _all_jaxprs(inner)


def _jaxprs_in(tree: Any) -> list[Jaxpr]:
    """The jaxprs among the parameters of an equation."""
    leaves = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, ClosedJaxpr | Jaxpr))
    jaxprs = [leaf.jaxpr if isinstance(leaf, ClosedJaxpr) else leaf for leaf in leaves]
    return [jaxpr for jaxpr in jaxprs if isinstance(jaxpr, Jaxpr)]
