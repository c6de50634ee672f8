"""PyTorch's operations run by JAX: torchax, without its changes to the rest of the process."""

import sys
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from onebasin.adapters.pytorch_checks import numpy_array
from onebasin.adapters.pytorch_import import without_traces
from onebasin.adapters.pytorch_operations import define_operations


@cache
def jax_environment() -> Any:
    """An environment of torchax, apart from the one that users of torchax share.

    Operations on constants alone are computed at once, also while JAX traces, because modules
    branch on their results: for instance on whether a mask is causal.

    Raises:
        ImportError: If torchax is not installed, or does not fit PyTorch.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    try:
        with without_traces():
            return _environment()
    except ImportError as error:
        raise ImportError(
            f"from_torch needs torchax. Got: {error}. Install it with "
            "`pip install 'onebasin[torch]'`."
        ) from error
    except AttributeError as error:  # PyTorch has taken an operation away
        raise ImportError(
            f"from_torch needs a torchax that fits PyTorch {torch.__version__}. Got: {error}. "
            "Install a newer one with `pip install --upgrade torchax`."
        ) from error


def _environment() -> Any:
    import torchax.tensor  # pyright: ignore[reportMissingImports]  # an extra
    import torchax.view  # pyright: ignore[reportMissingImports]  # an extra

    import_module("torch._dynamo")  # PyTorch imports it whenever a mode is used
    # Tensors of torchax name their device by the name that it has in torchax.
    tensors: list[Any] = [torchax.tensor.Tensor, torchax.view.View]
    for tensor in tensors:
        tensor.device = property(lambda tensor: _device())
    environment: Any = torchax.tensor.Environment

    class Folding(environment):  # pyright: ignore[reportUntypedBaseClass]  # where it is missing
        def dispatch(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            args, kwargs = _without_plain_tensors(self, (args, kwargs or {}))
            with ExitStack() as stack:
                if not any(map(_is_traced, jax.tree.leaves((args, kwargs)))):
                    stack.enter_context(jax.ensure_compile_time_eval())
                return super().dispatch(func, types, args, kwargs)

    made = Folding()
    define_operations(made)
    return made


def _without_plain_tensors(environment: Any, arguments: Any) -> Any:
    """The arguments of an operation, tensors of PyTorch among those of torchax as the latter.

    Modules may hold such tensors where no one looks for them, as in a dict or in a closure. Those
    of floating point get 64 bits if others have.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    leaves, structure = jax.tree.flatten(arguments)
    of_torchax = [leaf for leaf in leaves if hasattr(leaf, "jax")]
    if not of_torchax:
        return arguments
    is_wide = any(leaf.dtype in (torch.float64, torch.complex128) for leaf in of_torchax)

    def converted(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or hasattr(leaf, "jax"):
            return leaf
        array = jnp.asarray(numpy_array(leaf))
        return environment.j2t_iso(widened(array) if is_wide else array)

    return jax.tree.unflatten(structure, [converted(leaf) for leaf in leaves])


def widened(array: jax.Array) -> jax.Array:
    """An array of floating point in 64 bits; any other one as it is."""
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return array
    return array.astype(jnp.complex128 if jnp.iscomplexobj(array) else jnp.float64)


def _device() -> Any:
    """The device of torchax, by the name that PyTorch has for devices of others."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return torch.device("privateuseone", 0)


@contextmanager
def _device_module() -> Generator[None]:
    """Within this context, PyTorch finds the module of torchax's device by the device's name.

    It needs the module whenever it makes a tensor on the device.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra
    import torchax.device_module  # pyright: ignore[reportMissingImports]  # an extra

    name = f"torch.{_device().type}"
    if name in sys.modules:  # as it is if torchax was imported before
        yield
        return
    sys.modules[name] = torchax.device_module
    setattr(torch, _device().type, torchax.device_module)
    try:
        yield
    finally:
        del sys.modules[name]
        delattr(torch, _device().type)


def _is_traced(leaf: Any) -> bool:
    """Whether a leaf is a tensor, or a view of a tensor, that JAX traces: it has no numbers yet."""
    array_of = getattr(leaf, "source_jax", None) or getattr(leaf, "jax", None)
    return callable(array_of) and isinstance(array_of(), Tracer)


@contextmanager
def running(environment: Any) -> Generator[None]:
    """Within this context, JAX runs PyTorch's operations. Afterwards all settings are as before."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    attention = torch.backends.mha
    was_fast = attention.get_fastpath_enabled()
    with ExitStack() as stack:
        # PyTorch promotes ranks and dtypes, also if the user's settings of JAX forbid it.
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        stack.enter_context(warnings.catch_warnings())
        # torchax asks for the 64 bits of PyTorch, whether or not they are enabled in JAX.
        warnings.filterwarnings("ignore", "Explicitly requested dtype", UserWarning)
        # A key that is split while JAX traces would stay in the environment as a tracer.
        stack.enter_context(environment.override_property(prng=environment.prng_key))
        stack.callback(attention.set_fastpath_enabled, was_fast)
        attention.set_fastpath_enabled(False)  # one fused operation that JAX does not have
        stack.enter_context(torch.no_grad())
        stack.enter_context(environment)
        stack.enter_context(_device_module())
        # Tensors that the module makes without naming a device must be on this one too.
        stack.enter_context(_device())
        yield
