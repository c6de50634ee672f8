"""Running statistics of PyTorch modules: which tensors they are, and those of a batch.

Norms are looked at where they call PyTorch's functions, so that layers that only call these, such
as a norm with an activation in one, count as well.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp


def statistics_in_module(module: Any) -> frozenset[str]:
    """The names of the running statistics in a module's state_dict: those of its norms."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    nn: Any = torch.nn  # the base of all norms that keep statistics is private to it
    names = {id(tensor): name for name, tensor in module.named_buffers()}
    norms = (part for part in module.modules() if isinstance(part, nn.modules.batchnorm._NormBase))
    kept = (tensor for part in norms for tensor in (part.running_mean, part.running_var))
    return frozenset(names[id(tensor)] for tensor in kept if tensor is not None)


class ByBatch:
    """Norms that are called in its mode normalize by their batch, and what they measure is kept.

    `statistics` are the tensors that norms are handed as their running ones, by name, and `to_jax`
    makes arrays of tensors.
    """

    def __init__(self, statistics: Mapping[str, Any], to_jax: Callable[[Any], jax.Array]):
        self._to_jax = to_jax
        self._names = {id(tensor): name for name, tensor in statistics.items()}
        self._measured: dict[str, list[Any]] = {}

    @property
    def measured(self) -> dict[str, Any]:
        """The mean over the calls of each norm, as PyTorch's `momentum=None` has it."""
        return {name: sum(found) / len(found) for name, found in self._measured.items()}

    def mode(self) -> Any:
        """The context in which norms are called."""
        from torch.nn import functional  # pyright: ignore[reportMissingImports]  # an extra
        from torch.overrides import (  # pyright: ignore[reportMissingImports]  # an extra
            TorchFunctionMode,
        )

        norms: Any = {
            functional.batch_norm: self._batch_norm,
            functional.instance_norm: self._instance_norm,
        }

        class Mode(TorchFunctionMode):  # pyright: ignore[reportUntypedBaseClass]  # where missing
            def __torch_function__(
                self, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                return norms.get(func, func)(*args, **(kwargs or {}))

        return Mode()

    def _batch_norm(
        self,
        input: Any,
        running_mean: Any,
        running_var: Any,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        from torch.nn import functional  # pyright: ignore[reportMissingImports]  # an extra

        if id(running_mean) not in self._names:
            kept = running_mean, running_var
            return functional.batch_norm(input, *kept, weight, bias, training, momentum, eps)
        outputs = functional.batch_norm(input, None, None, weight, bias, True, momentum, eps)
        self._keep(input, (0, *range(2, input.ndim)), running_mean, running_var)
        return outputs

    def _instance_norm(
        self,
        input: Any,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        from torch.nn import functional  # pyright: ignore[reportMissingImports]  # an extra

        if id(running_mean) not in self._names:
            kept = running_mean, running_var
            rest = weight, bias, use_input_stats, momentum, eps
            return functional.instance_norm(input, *kept, *rest)
        outputs = functional.instance_norm(input, None, None, weight, bias, True, momentum, eps)
        self._keep(input, tuple(range(2, input.ndim)), running_mean, running_var)
        return outputs

    def _keep(self, input: Any, axes: tuple[int, ...], running_mean: Any, running_var: Any) -> None:
        """Mean and unbiased variance along axes, as running ones; averaged over examples."""
        x = self._to_jax(input)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        found = ((running_mean, x.mean(axes)), (running_var, x.var(axes, ddof=1)))
        for tensor, value in found:
            whole = value if 0 in axes else value.mean(0)
            dtype = self._to_jax(tensor).dtype
            self._measured.setdefault(self._names[id(tensor)], []).append(whole.astype(dtype))
