"""Where PyTorch's operations are JAX's: torchax, without its traces on the rest of a process."""

import sys
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import jax
from jax.core import Tracer


@cache
def jax_environment() -> Any:
    """torchax, apart from the environment that its own users share.

    Operations on constants alone are done at once, even while JAX traces: modules branch on them,
    such as on whether a mask is causal.

    Raises: ImportError without torchax.
    """
    try:
        with _without_traces():
            import torchax.tensor  # pyright: ignore[reportMissingImports]  # an extra
            import torchax.view  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise ImportError(
            f"from_torch needs torchax. Got: {error}. Install it with "
            "`pip install 'onebasin[torch]'`."
        ) from error

    # They name their device by what torchax would have had it called.
    tensors: list[Any] = [torchax.tensor.Tensor, torchax.view.View]
    for tensor in tensors:
        tensor.device = property(lambda tensor: _device())
    environment: Any = torchax.tensor.Environment

    class Folding(environment):  # pyright: ignore[reportUntypedBaseClass]  # where it is missing
        def dispatch(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            with ExitStack() as stack:
                if not any(map(_is_traced, jax.tree.leaves((args, kwargs)))):
                    stack.enter_context(jax.ensure_compile_time_eval())
                return super().dispatch(func, types, args, kwargs)

    return Folding()


def _device() -> Any:
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return torch.device("privateuseone", 0)


@contextmanager
def _without_traces() -> Generator[None]:
    """What torchax does to a process when it is imported is not done.

    It makes JAX PyTorch's accelerator, for good, with which torch.compile fails for any module, and
    turns a fast path of attention off. Nothing of it is needed: without a name of its own the
    device is `privateuseone`. Who uses torchax as well must import it first, and gets all of it.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    whole: Any = torch  # what torchax calls is private to PyTorch
    attention, utils = torch.backends.mha, whole.utils
    was_fast = attention.get_fastpath_enabled()
    kept = utils.rename_privateuse1_backend, whole._register_device_module
    utils.rename_privateuse1_backend = lambda name: None
    whole._register_device_module = lambda name, module: None
    try:
        yield
    finally:
        utils.rename_privateuse1_backend, whole._register_device_module = kept
        attention.set_fastpath_enabled(was_fast)


@contextmanager
def _device_module() -> Generator[None]:
    """PyTorch finds the module of its device by name when it makes a tensor there."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra
    import torchax.device_module  # pyright: ignore[reportMissingImports]  # an extra

    name = f"torch.{_device().type}"
    if name in sys.modules:  # as where torchax was imported before
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
    """Whether a leaf is a tensor, or a view of one, that holds no numbers yet."""
    array_of = getattr(leaf, "source_jax", None) or getattr(leaf, "jax", None)
    return callable(array_of) and isinstance(array_of(), Tracer)


@contextmanager
def running(environment: Any) -> Generator[None]:
    """PyTorch's operations run in an environment, and leave nothing behind."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    attention = torch.backends.mha
    was_fast = attention.get_fastpath_enabled()
    with ExitStack() as stack:
        # PyTorch promotes ranks and types whatever is held to be right in JAX code.
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        stack.enter_context(warnings.catch_warnings())
        # torchax asks for PyTorch's 64 bits whether or not JAX has them.
        warnings.filterwarnings("ignore", "Explicitly requested dtype", UserWarning)
        # A key that is split while tracing would stay behind as a tracer.
        stack.enter_context(environment.override_property(prng=environment.prng_key))
        stack.callback(attention.set_fastpath_enabled, was_fast)
        attention.set_fastpath_enabled(False)  # one fused operation that JAX does not have
        stack.enter_context(torch.no_grad())
        stack.enter_context(environment)
        stack.enter_context(_device_module())
        # Tensors that the module makes without a device must be JAX's too.
        stack.enter_context(_device())
        yield
