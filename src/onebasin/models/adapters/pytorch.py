"""from_torch and to_torch: PyTorch modules as JAX functions of their weights, and back.

What modules and params are held to is `pytorch_checks`; how PyTorch's operations become JAX's is
`pytorch_environment`.
"""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin._types import Params
from onebasin.models.adapters.pytorch_checks import (
    check_evaluation_mode,
    check_fits,
    check_has_weights,
    check_same_outputs,
    numpy_array,
    outputs_as,
)
from onebasin.models.adapters.pytorch_environment import jax_environment, running


def from_torch(
    module: Any, *example_inputs: Any, **keywords: Any
) -> tuple[Callable[..., Any], Params]:
    """A PyTorch module as `apply(params, *inputs)` and params by the names of its state_dict.

    Params are what the state_dict has of real and complex floating point, running statistics
    of BatchNorm and tables of positions too; tied weights appear once, under their first name.
    Integers and what is not saved are closed over as they are now. `apply` takes and gives arrays,
    and hands `keywords` to every call. On the example inputs it must give what PyTorch gives.

    Raises: ImportError without torchax; TypeError for what is no module; ValueError for a module in
    training mode or without weights, or one that torchax cannot run or runs otherwise.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"from_torch takes a torch.nn.Module. Got {type(module).__name__}. For a function, "
            "wrap it in a module that holds its weights."
        )
    check_evaluation_mode(module)
    check_has_weights(module, _weights(module))
    environment = jax_environment()
    inputs = jax.tree.map(_own_tensor, example_inputs)
    arrays = jax.tree.map(numpy_array, inputs)
    with torch.no_grad():
        expected = outputs_as(numpy_array, module(*inputs, **keywords))
    apply = _function(copy.deepcopy(module), keywords, environment)
    params = {name: numpy_array(tensor) for name, tensor in _weights(module).items()}
    check_same_outputs(apply, params, arrays, expected)
    return apply, params


def to_torch(params: Params, module: Any) -> Any:
    """The module with params, as `from_torch` named them, written into its weights in place.

    Each weight keeps its dtype and device, tied weights stay tied, and statistics of BatchNorm are
    written like weights. What is not in the params stays as it is.

    Raises: ValueError for names or shapes that are not those of the module, and for complex numbers
    where its weights are real.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    weights = _weights(module)
    check_fits(params, weights)
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(torch.tensor(_readable(np.asarray(params[name]))))
    return module


def _readable(array: np.ndarray) -> np.ndarray:
    """NumPy has types that PyTorch cannot read, but all of floating point fit in these."""
    if np.iscomplexobj(array):
        return array
    return array.astype(np.float64 if array.dtype.itemsize == 8 else np.float32)


def _weights(module: Any) -> dict[str, Any]:
    """The tensors of real and complex floating point that a module saves, each once."""
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    saved = module.state_dict(keep_vars=True)
    return {
        name: tensor
        for name, tensor in named.items()
        if name in saved and (tensor.is_floating_point() or tensor.is_complex())
    }


def _constants(module: Any) -> dict[str, np.ndarray]:
    """All other tensors of a module: integers, buffers that are not saved, plain attributes."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, part in module.named_modules():
        prefix = f"{name}." if name else ""
        plain = {k: v for k, v in vars(part).items() if isinstance(v, torch.Tensor)}
        named.update({prefix + key: value for key, value in plain.items()})
    weights = _weights(module)
    return {name: numpy_array(tensor) for name, tensor in named.items() if name not in weights}


def _function(module: Any, keywords: dict[str, Any], environment: Any) -> Callable[..., Any]:
    """The module as a function of its weights; the module is this function's own."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    is_tensor = lambda leaf: isinstance(leaf, torch.Tensor)
    closed = (
        _constants(module),
        jax.tree.map(lambda x: numpy_array(x) if is_tensor(x) else x, keywords),
    )

    def apply(params: Params, *inputs: Any) -> Any:
        with running(environment):
            weights, arguments = jax.tree.map(jnp.asarray, (params, inputs))
            constants, extra = _as_wide_as(weights, closed)
            weights, arguments, extra = environment.j2t_iso(
                ({**weights, **constants}, arguments, extra)
            )
            outputs = torch.func.functional_call(module, weights, arguments, extra)
            return outputs_as(environment.t2j_iso, outputs)

    return apply


def _as_wide_as(weights: dict[str, Any], closed: Any) -> Any:
    """Arrays of constants, in 64 bits where weights are: PyTorch does not mix them everywhere."""
    is_wide = jnp.finfo(jnp.result_type(*weights.values())).bits == 64

    def constant(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        if is_wide and jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.asarray(leaf, jnp.complex128 if np.iscomplexobj(leaf) else jnp.float64)
        return jnp.asarray(leaf)

    return jax.tree.map(constant, closed)


def _own_tensor(leaf: Any) -> Any:
    """A tensor that a module may write to."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else torch.tensor(leaf)
