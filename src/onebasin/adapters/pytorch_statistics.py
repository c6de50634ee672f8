"""Running statistics of PyTorch modules: which tensors they are, and those of a batch.

Calls of PyTorch's functions for norms are intercepted, not those of its layers. So layers of other
authors that call these functions, such as a norm and an activation in one layer, work as well.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp


def statistics_in_module(module: Any) -> frozenset[str]:
    """The names in a module's state_dict of the running means and variances of its norms."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    nn: Any = torch.nn  # the base of all norms that keep statistics is private to it
    names = {id(tensor): name for name, tensor in module.named_buffers()}
    norms = (part for part in module.modules() if isinstance(part, nn.modules.batchnorm._NormBase))
    tensors = (tensor for part in norms for tensor in (part.running_mean, part.running_var))
    return frozenset(names[id(tensor)] for tensor in tensors if tensor is not None)


class ByBatch:
    """A mode in which norms normalize by their batch; it collects what they measure.

    `statistics` are the tensors of running statistics by name, with which norms are called, and
    `to_jax` makes an array of a tensor.
    """

    def __init__(self, statistics: Mapping[str, Any], to_jax: Callable[[Any], jax.Array]):
        self._to_jax = to_jax
        self._names = {id(tensor): name for name, tensor in statistics.items()}
        self._measured: dict[str, list[Any]] = {}

    @property
    def measured(self) -> dict[str, Any]:
        """New statistics by name: means over all calls of a norm, as with `momentum=None`."""
        return {name: sum(values) / len(values) for name, values in self._measured.items()}

    def mode(self) -> Any:
        """The context in which calls of norms are intercepted."""
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
            running = running_mean, running_var
            return functional.batch_norm(input, *running, weight, bias, training, momentum, eps)
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
            running = running_mean, running_var
            rest = weight, bias, use_input_stats, momentum, eps
            return functional.instance_norm(input, *running, *rest)
        outputs = functional.instance_norm(input, None, None, weight, bias, True, momentum, eps)
        self._keep(input, tuple(range(2, input.ndim)), running_mean, running_var)
        return outputs

    def _keep(self, input: Any, axes: tuple[int, ...], running_mean: Any, running_var: Any) -> None:
        """Collect the mean and the unbiased variance along axes, averaged over examples.

        `running_mean` and `running_var` are the tensors in whose place they will be.
        """
        x = self._to_jax(input)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        moments = ((running_mean, x.mean(axes)), (running_var, x.var(axes, ddof=1)))
        for tensor, moment in moments:
            over_examples = moment if 0 in axes else moment.mean(0)
            dtype = self._to_jax(tensor).dtype
            name = self._names[id(tensor)]
            self._measured.setdefault(name, []).append(over_examples.astype(dtype))
