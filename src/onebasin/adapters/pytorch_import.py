"""Importing torchax beside any version of PyTorch, without a trace on the rest of the process."""

import logging
import os
import random
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax


@contextmanager
def without_traces() -> Generator[None]:
    """Within this context, importing torchax changes nothing but the list of imported modules.

    Otherwise it makes JAX the accelerator of PyTorch for the rest of the process, with which
    torch.compile fails for any module, turns a fast path of attention off, sets environment
    variables, an option of JAX and filters of warnings, and logs. None of these is needed here:
    the device keeps its name `privateuseone`. Whoever uses torchax too must import it before.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    untyped: Any = torch  # the functions that torchax calls are private to PyTorch
    packet, attention = untyped._ops.OpOverloadPacket, torch.backends.mha
    with ExitStack() as stack:
        replaced = lambda *names: stack.enter_context(_replaced(*names))
        replaced(untyped.utils, "rename_privateuse1_backend", lambda name: None)
        replaced(untyped, "_register_device_module", lambda name, module: None)
        replaced(packet, "__getattr__", _with_named_overloads(packet.__getattr__))
        replaced(logging, "warning", lambda *message: None)
        replaced(logging, "basicConfig", lambda **options: None)  # also logging.info calls it
        stack.enter_context(warnings.catch_warnings())
        stack.callback(attention.set_fastpath_enabled, attention.get_fastpath_enabled())
        stack.callback(random.setstate, random.getstate())  # some versions draw a seed
        stack.callback(_restore_variables, dict(os.environ))
        stack.callback(_restore_options, dict(jax.config.values))
        yield


@contextmanager
def _replaced(owner: Any, name: str, function: Any) -> Generator[None]:
    """Within this context, another function has the name in a module or class."""
    before = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _with_named_overloads(get: Any) -> Any:
    """The lookup of an operation's overloads, which finds also those for named tensors.

    PyTorch has had none since 2.13, and torchax up to 0.0.13 lists them when it is imported.
    """

    def lookup(packet: Any, key: str) -> Any:
        try:
            return get(packet, key)
        except AttributeError:
            if key.startswith("__") or "name" not in key.lower():
                raise
            return object()

    return lookup


def _restore_variables(before: dict[str, str]) -> None:
    """Give the environment of the process the variables that it had."""
    for name in os.environ.keys() - before:
        del os.environ[name]
    os.environ.update(before)


def _restore_options(before: dict[str, Any]) -> None:
    """Give JAX the options that it had."""
    for name, value in before.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)
