"""Checks of the arguments of public functions, before anything is computed.

Arrays of other libraries, swapped arguments and the like raise an error of one line, which says
what the argument must be, what was received, and how to mend it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._stored_array import StoredArray
from onebasin.types import Params


def check_is(name: str, value: Any, wanted: type, hint: str) -> None:
    """Raise TypeError unless an argument has a type.

    Args:
        name: The name of the argument, for the message.
        value: The argument.
        wanted: The type.
        hint: The sentence that ends the message, which says how to make a value of that type.
    """
    if not isinstance(value, wanted):
        got = repr(value) if isinstance(value, str | int | float) else type(value).__name__
        raise TypeError(f"{name} must be of type {wanted.__name__}. Got {got}. {hint}")


def check_key(key: Any) -> None:
    """Raise TypeError if `key` is not a random key, for instance if it is a seed."""
    dtype = getattr(key, "dtype", None)
    is_key = dtype is not None and (
        jnp.issubdtype(dtype, jax.dtypes.prng_key)
        or (dtype == np.uint32 and key.shape[-1:] == (2,))
    )
    if not is_key:
        got = repr(key) if isinstance(key, int | str) else type(key).__name__
        raise TypeError(f"key must be a random key of JAX. Got {got}. Pass jax.random.key(0).")


def check_count(name: str, count: int, least: int = 1) -> None:
    """Raise ValueError if a count is below the least that is allowed."""
    if count < least:
        raise ValueError(f"{name} must be an int in the range [{least}, inf). Got {count}.")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless a number is positive and finite."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive. Got {value}.")


_NUMBERS = (np.generic, bool, int, float, complex)
_OURS = (np.ndarray, jax.Array, jax.ShapeDtypeStruct, StoredArray, *_NUMBERS)
"""The types of leaves that JAX can compute with, or that become such when they are read."""


def check_arrays(name: str, tree: Any) -> None:
    """Raise TypeError if a leaf is an array of another library, or is not made of numbers.

    `name` is that of the argument, for the message.
    """
    for path, leaf in _trees.named_leaves(tree).items():
        if not isinstance(leaf, _OURS):
            kind = f"{type(leaf).__module__.partition('.')[0]}.{type(leaf).__name__}"
            raise TypeError(
                f"{name} must hold arrays of NumPy or JAX. Got {kind} at {path or 'its root'!r}. "
                f"{_hint(kind)}"
            )


def check_weights(params: Params) -> None:
    """Raise unless the params hold an array, and only arrays of floating point."""
    if not jax.tree.leaves(params):
        raise ValueError(
            "Params must hold at least one array of real or complex floating point. Got none. "
            "Give the weights as the second argument."
        )
    for name, leaf in _trees.named_leaves(params).items():
        dtype = getattr(leaf, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(
                "Params must be arrays of real or complex floating point. Got "
                f"{dtype if dtype is not None else type(leaf).__name__} at {name}. Give what is "
                "not a weight as an input, or let the function close over it."
            )


def _hint(kind: str) -> str:
    """How to make an array of a leaf of this type, such as `torch.Tensor`."""
    if kind.startswith("torch."):
        return "For a module call from_torch, for tensors pass tensor.detach().numpy()."
    if kind.startswith("xarray."):
        return "Pass its .values, with chain and draw first."
    return "Convert it with numpy.asarray."


def check_takes(name: str, function: Any, arguments: tuple[str, ...], hint: str) -> None:
    """Raise TypeError unless `function` can be called with these arguments.

    Args:
        name: The name of the function, for the message.
        function: The function.
        arguments: The names of the arguments by position, such as `("params", "inputs")`.
        hint: The sentence that ends the message, which says how to mend it.
    """
    wanted = f"{name}({', '.join(arguments)})"
    if not isinstance(function, Callable):
        raise TypeError(
            f"{name} must be a function, called as {wanted}. Got {function!r}. "
            "Pass the function itself, not what it returns."
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions that are written in C have no signature
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(
            f"{name} must be a function, called as {wanted}. Got one that takes {signature}. "
            f"{hint}".rstrip()
        ) from None
