"""What JAX calls the parts of its jaxprs, in all versions that are supported.

JAX renames primitives and their parameters between versions. What differs between versions
that are supported, and the families of primitives that several modules need, stand here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

CALLS = frozenset(
    {
        "jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2",
        "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
    }
)  # fmt: skip
"""Primitives that call a function inside of the function."""

LOOPS = frozenset({"cond", "while", "scan"})
"""Primitives that choose or repeat functions inside of the function."""

RANDOM = frozenset({"random_bits", "random_gamma", "rng_bit_generator", "threefry2x32"})
"""Primitives that draw random numbers."""

KEYS = frozenset(
    {
        "random_clone", "random_fold_in", "random_seed", "random_split", "random_unwrap",
        "random_wrap",
    }
)  # fmt: skip
"""Primitives that make keys of random numbers."""

OVERWRITING = frozenset({"scatter"})
"""Scatters whose updates replace entries of the operand."""

ADDING = frozenset({"scatter-add", "scatter_add", "scatter-sub", "scatter_sub"})
"""Scatters whose updates are added to entries of the operand, or subtracted."""

COMBINING = frozenset(
    {"scatter-mul", "scatter_mul", "scatter-min", "scatter_min", "scatter-max", "scatter_max"}
)
"""Scatters whose updates are multiplied with entries, or compared with them."""

SCATTERS = OVERWRITING | ADDING | COMBINING
"""Primitives that write at indices."""

INDICES = {
    "gather": slice(1, None),
    "dynamic_slice": slice(1, None),
    "dynamic_update_slice": slice(2, None),
    **dict.fromkeys(SCATTERS, slice(1, 2)),
}
"""The operands that are indices, for each primitive that reads or writes at indices."""


def inner_function(params: Mapping[str, Any]) -> ClosedJaxpr | Jaxpr:
    """The function that a primitive of `CALLS` calls."""
    return next(params[name] for name in ("jaxpr", "call_jaxpr", "fun_jaxpr") if name in params)


def body_and_constants(function: ClosedJaxpr | Jaxpr) -> tuple[Jaxpr, Sequence[Any]]:
    """A jaxpr with the values of its constants; versions differ in which class holds them."""
    body: Any = getattr(function, "jaxpr", function)
    return body, getattr(function, "consts", ())


def scan_counts(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many operands of a `scan` are constants, and how many it carries."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()  # since JAX 0.12
    return len(list(constants)), len(list(carry))
