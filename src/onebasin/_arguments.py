"""What public functions hold their arguments to before anything is computed.

What other libraries hand over, or a swapped pair, gets one line that says what is wanted.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees


def check_is(name: str, value: Any, wanted: type, hint: str) -> None:
    """Refuse an argument of another type, with a hint how to make it one.

    Raises: TypeError.
    """
    if not isinstance(value, wanted):
        got = repr(value) if isinstance(value, str | int | float) else type(value).__name__
        raise TypeError(f"{name} must be of type {wanted.__name__}. Got {got}. {hint}")


def check_key(key: Any) -> None:
    """Refuse what is no random key, such as a seed.

    Raises: TypeError.
    """
    dtype = getattr(key, "dtype", None)
    is_key = dtype is not None and (
        jnp.issubdtype(dtype, jax.dtypes.prng_key)
        or (dtype == np.uint32 and key.shape[-1:] == (2,))
    )
    if not is_key:
        got = repr(key) if isinstance(key, int | str) else type(key).__name__
        raise TypeError(f"key must be a random key of JAX. Got {got}. Try jax.random.key(0).")


_OURS = (np.ndarray, np.generic, jax.Array, jax.ShapeDtypeStruct, bool, int, float, complex)


def check_arrays(name: str, tree: Any) -> None:
    """Refuse a tree whose leaves are arrays of other libraries, or no numbers at all.

    Raises: TypeError.
    """
    for path, leaf in _trees.named_leaves(tree).items():
        if not isinstance(leaf, _OURS):
            kind = f"{type(leaf).__module__.partition('.')[0]}.{type(leaf).__name__}"
            raise TypeError(
                f"{name} must hold arrays of NumPy or JAX. Got {kind} at {path or 'its root'!r}. "
                f"{_hint(kind)}"
            )


def _hint(kind: str) -> str:
    if kind.startswith("torch."):
        return "from_torch makes params of a module; of tensors take tensor.detach().numpy()."
    if kind.startswith("xarray."):
        return "Hand over its .values, with chain and draw first."
    return "Convert it with numpy.asarray."


def check_takes(name: str, function: Any, arguments: tuple[str, ...], hint: str) -> None:
    """Refuse what cannot be called with these arguments.

    Raises: TypeError.
    """
    wanted = f"{name}({', '.join(arguments)})"
    if not isinstance(function, Callable):
        raise TypeError(f"{name} must be a function, called as {wanted}. Got {function!r}.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(
            f"{name} is called as {wanted}. Got one that takes {signature}. {hint}".rstrip()
        ) from None
