"""Flax's BatchNorm by the batch at hand, whatever its module asks of it.

The momentum is 0, so that the statistics that it keeps are those of its last call.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp


def by_batch_nnx(module: Any) -> None:
    """Make every BatchNorm of a module normalize by its batch and keep its statistics, in place.

    Modules hand BatchNorm a mode as they call it, which only another class can overrule.
    """
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    for _, part in nnx.iter_modules(module):
        if isinstance(part, nnx.BatchNorm):
            part.momentum = 0.0
            part.mean[...], part.var[...] = map(jnp.zeros_like, (part.mean[...], part.var[...]))
            part.__class__ = _training_class(type(part))


def _training_class(kind: Any) -> Any:
    def call(self: Any, x: Any, use_running_average: Any = None, **more: Any) -> Any:
        return kind.__call__(self, x, use_running_average=False, **more)

    return type(kind.__name__, (kind,), {"__call__": call})


@contextmanager
def by_batch_linen() -> Generator[None]:
    """Every BatchNorm that is called here normalizes by its batch and writes its statistics."""
    from flax import linen  # pyright: ignore[reportMissingImports]  # an extra

    def training(next_call: Any, args: Any, keywords: Any, context: Any) -> Any:
        part = context.module
        if not isinstance(part, linen.BatchNorm) or context.method_name != "__call__":
            return next_call(*args, **keywords)
        for name in ("mean", "var"):
            if part.has_variable("batch_stats", name):
                kept = part.get_variable("batch_stats", name)
                part.put_variable("batch_stats", name, jnp.zeros_like(kept))
        settings = {"use_running_average": False, "momentum": 0.0}
        before = {name: getattr(part, name) for name in settings}
        keywords = {k: v for k, v in keywords.items() if k != "use_running_average"}
        try:  # Linen's modules are frozen, and a copy would be another module of the same name.
            for name, value in settings.items():
                object.__setattr__(part, name, value)
            return next_call(*args[:1], **keywords)
        finally:
            for name, value in before.items():
                object.__setattr__(part, name, value)

    with linen.intercept_methods(training):
        yield
