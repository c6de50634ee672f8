"""The checks of modules and params in from_torch and to_torch, and tensors as arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._words import did_you_mean
from onebasin.types import Params

_TOLERANCE = 1e-4
"""The largest difference from PyTorch that passes, as a share of the largest output."""


def numpy_array(tensor: Any) -> np.ndarray:
    """A copy of a tensor as an array of NumPy, in bfloat16 of JAX if it is in that of PyTorch."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:  # NumPy has no such dtype of its own
        return tensor.float().numpy().astype(jnp.bfloat16)
    return np.array(tensor.numpy())


def outputs_as(array: Callable[[Any], Any], outputs: Any) -> Any:
    """The outputs of a module with every tensor as `array(tensor)`, in dicts and tuples.

    Raises:
        TypeError: If an output is neither a tensor nor a dict, tuple or list of outputs.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    match outputs:
        case torch.Tensor():
            return array(outputs)
        case Mapping():
            return {str(key): outputs_as(array, value) for key, value in outputs.items()}
        case tuple() | list():
            return tuple(outputs_as(array, value) for value in outputs)
        case None:
            return None
        case _:
            raise TypeError(
                "A module must put out tensors, or tuples and dicts of tensors. "
                f"Got {type(outputs).__name__}. Wrap it in a module that returns the tensors."
            )


def check_evaluation_mode(module: Any) -> None:
    """Raise ValueError if a part is in training mode and computes something else there."""
    in_training = [
        f"{name or 'the module'} ({type(part).__name__})"
        for name, part in module.named_modules()
        if part.training and _depends_on_mode(part)
    ]
    if in_training:
        raise ValueError(
            "A module must be in evaluation mode: in training, dropout is random and BatchNorm "
            f"uses its batch. Got {', '.join(in_training)} in training mode. "
            "Call module.eval() first."
        )


def _depends_on_mode(part: Any) -> bool:
    """Whether a part of a module computes something else in training mode."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    nn: Any = torch.nn  # the bases of all dropouts and norms are private to it
    if isinstance(part, nn.modules.dropout._DropoutNd):
        return part.p > 0
    if isinstance(part, nn.modules.batchnorm._NormBase):
        return bool(part.track_running_stats)
    rate = getattr(part, "dropout", 0)  # attention and recurrent layers hold a number
    return isinstance(part, nn.RReLU) or (isinstance(rate, int | float) and rate > 0)


def check_has_weights(module: Any, weights: Mapping[str, Any]) -> None:
    """Raise ValueError if a module has no weights of floating point, or none with numbers."""
    empty = [name for name, tensor in weights.items() if tensor.is_meta]
    if empty:
        raise ValueError(
            "A module must have numbers in its weights, to be compared with PyTorch. Got "
            f"{empty[0]} on the device 'meta'. Load them: module.to_empty(device='cpu'), "
            "then module.load_state_dict(...)."
        )
    if not weights:
        saved = sorted(module.state_dict())
        raise ValueError(
            "A module must have weights of real or complex floating point. Got "
            f"{f'{saved}, which are not' if saved else 'none'} in {type(module).__name__}. "
            "Register tensors as parameters or buffers."
        )


def plain_module(module: Any, hint: str) -> Any:
    """The module without the modules around it that compile it or run it on several devices.

    Raises:
        TypeError: If it is not a module, with a hint how to mend that, or not Python code.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"The module must be a torch.nn.Module. Got {type(module).__name__}. {hint}"
        )
    parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(module, parallel):
            module = module.module
        elif isinstance(getattr(module, "_orig_mod", None), torch.nn.Module):
            module = module._orig_mod
        else:
            break
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(
            "A module must be Python code, which JAX can trace. Got a scripted or traced one, "
            f"{type(module).__name__}. Pass the module that it was made from."
        )
    return module


def check_not_random(first: Any, again: Any) -> None:
    """Raise ValueError if a module gives other outputs when it is called again."""
    change = _change(again, first)
    if change > 0:
        raise ValueError(
            "A module must give the same outputs whenever it is called. Got outputs that differ by "
            f"{change:.2g} of the largest when it was called again. Take out what is random, or "
            "what a call changes."
        )


def check_same_outputs(
    apply: Callable[..., Any], params: Params, inputs: Any, expected: Any
) -> None:
    """Raise ValueError unless a function gives the outputs that PyTorch gives.

    Args:
        apply: The function of params and inputs that torchax runs.
        params: Its params.
        inputs: Its inputs.
        expected: The outputs of PyTorch, as arrays.
    """
    try:
        with jax.default_matmul_precision("highest"):
            outputs = jax.tree.map(np.asarray, jax.jit(apply)(params, *inputs))
    except Exception as error:
        raise ValueError(
            f"torchax must be able to run the module. Got {type(error).__name__}: {_said(error)} "
            "Take out operations that torchax does not have, and branches on inputs or weights."
        ) from error
    change, tolerance = _change(outputs, expected), _tolerance(params)
    if not change <= tolerance:  # NaN fails too
        raise ValueError(
            f"apply must give what PyTorch gives, within {tolerance:g} of the largest output. Got "
            f"a difference of {change:.2g}: torchax computes some operation of the module "
            "differently. Try its parts one by one, and write that operation in another way."
        )


def _said(error: Exception) -> str:
    """The first line of what an error says, as a sentence."""
    line = next(iter(str(error).strip().splitlines()), "no reason")
    return line if line.endswith(".") else f"{line}."


def _change(outputs: Any, expected: Any) -> float:
    """The largest difference between outputs, as a share of the largest output."""
    pairs = list(zip(jax.tree.leaves(outputs), jax.tree.leaves(expected), strict=True))
    wide = [(_in_64_bits(a), _in_64_bits(b)) for a, b in pairs]
    sizes = [np.abs(b[np.isfinite(b)]).max(initial=0.0) for _, b in wide]
    same = lambda a, b: (a == b) | (np.isnan(a) & np.isnan(b))
    gaps = [np.where(same(a, b), 0.0, np.abs(a - b)).max(initial=0.0) for a, b in wide]
    return float(np.max([0.0, *gaps])) / (max(sizes, default=0.0) or 1.0)


def _in_64_bits(array: Any) -> np.ndarray:
    """An array in float64, or in complex128 if it is complex."""
    return np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64)


def _tolerance(params: Params) -> float:
    """The largest difference that rounding explains: 1e-4, or more if params are in half precision.

    It is 16 times the eps of the coarsest dtype of the params, if that is more.
    """
    coarsest = max(
        (float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(params)), default=0.0
    )
    return max(_TOLERANCE, 16 * coarsest)


def check_names(params: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Raise ValueError if params have other names than the weights of a module."""
    missing, unexpected = sorted(weights.keys() - params), sorted(params.keys() - weights)
    if missing or unexpected:
        close = did_you_mean(unexpected[0], missing) if unexpected else ""
        hint = close or " Were they made of another module?"
        raise ValueError(
            "Params must have the names that from_torch gives the weights of the module. "
            f"{_trees.difference(params, weights)}{hint}"
        )


def check_fits(params: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Raise ValueError unless params have the shapes of a module's weights and fit their dtypes.

    Complex params do not fit real weights.
    """
    for name, tensor in weights.items():
        if np.shape(params[name]) != tuple(tensor.shape):
            raise ValueError(
                f"{name} must have the shape that it has in the module, {tuple(tensor.shape)}. "
                f"Got {np.shape(params[name])}. If these are samples, pass one draw of them."
            )
        if np.iscomplexobj(params[name]) and not tensor.is_complex():
            raise ValueError(
                f"{name} must be real, as it is in the module. Got {params[name].dtype}. "
                "Take its real part, or write into a module of complex weights."
            )
