"""BatchNorm of Flax that normalizes by its batch, whatever mode its module asks for.

Its momentum is 0, so that it keeps the statistics of the last call alone.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp


def by_batch_nnx(module: Any) -> None:
    """Make every BatchNorm of a module normalize by its batch and keep its statistics, in place.

    A module can pass a mode to BatchNorm when it calls it. Only another class can overrule that.
    """
    from flax import nnx  # pyright: ignore[reportMissingImports]  # an extra

    for _, part in nnx.iter_modules(module):
        if isinstance(part, nnx.BatchNorm):
            part.momentum = 0.0
            part.mean[...], part.var[...] = map(jnp.zeros_like, (part.mean[...], part.var[...]))
            part.__class__ = _training_class(type(part))


def _training_class(kind: Any) -> Any:
    """A subclass of a class of norms whose calls always use the batch."""

    def call(self: Any, x: Any, use_running_average: Any = None, **keywords: Any) -> Any:
        return kind.__call__(self, x, use_running_average=False, **keywords)

    return type(kind.__name__, (kind,), {"__call__": call})


@contextmanager
def by_batch_linen() -> Generator[None]:
    """Within this context, every BatchNorm normalizes by its batch and writes its statistics."""
    from flax import linen  # pyright: ignore[reportMissingImports]  # an extra

    def training(next_call: Any, args: Any, keywords: Any, context: Any) -> Any:
        part = context.module
        if not isinstance(part, linen.BatchNorm) or context.method_name != "__call__":
            return next_call(*args, **keywords)
        for name in ("mean", "var"):
            if part.has_variable("batch_stats", name):
                # New statistics take the old ones times zero, and zero times NaN would be NaN.
                old = part.get_variable("batch_stats", name)
                part.put_variable("batch_stats", name, jnp.zeros_like(old))
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
