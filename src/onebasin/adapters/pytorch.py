"""from_torch and to_torch: PyTorch modules as JAX functions of their params, and back.

`pytorch_checks` checks modules and params. In `pytorch_environment`, PyTorch's operations are run
by JAX. `pytorch_statistics` does what running statistics need.
"""

import copy
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin._collections import STATISTICS, WEIGHTS, collected, has_statistics
from onebasin.adapters.adapted import Adapted
from onebasin.adapters.pytorch_checks import (
    check_evaluation_mode,
    check_fits,
    check_has_weights,
    check_names,
    check_not_random,
    check_same_outputs,
    numpy_array,
    outputs_as,
    plain_module,
)
from onebasin.adapters.pytorch_environment import jax_environment, running, widened
from onebasin.adapters.pytorch_statistics import ByBatch, statistics_in_module
from onebasin.types import Params


def from_torch(module: Any, *example_inputs: Any, **keywords: Any) -> tuple[Adapted, Params]:
    """A PyTorch module as a JAX function `apply(params, *inputs)`, and its params by name.

    Params are the tensors of real and complex floating point in the state_dict, under the same
    names. Tied weights appear once, under their first name. With running statistics, as those of
    BatchNorm, params are `{"weights": ..., "statistics": ...}`, and `apply.recalibrate` renews the
    statistics. Integers, and tensors that are not in the state_dict, keep their present values.

    `apply` takes and gives arrays of JAX. It takes a whole state_dict of arrays instead of params
    as well. It is compared with PyTorch on the example inputs. To sample the weights, make a
    network: `ob.network(*ob.from_torch(module, x), x)`, with an array `x`.

    Args:
        module: A `torch.nn.Module` in evaluation mode. One that `torch.compile` or DataParallel
            wraps is unwrapped.
        example_inputs: Tensors or arrays on which the module can be called.
        keywords: Passed to every call of the module.

    Raises:
        ImportError: If torchax is not installed.
        TypeError: If `module` is not a module of Python code, or its outputs are not tensors.
        ValueError: If the module is in training mode, random or without weights, if torchax cannot
            run it, or if it gives other outputs than PyTorch.

    Examples:
        >>> import torch
        >>> module = torch.nn.Linear(64, 10).eval()
        >>> apply, params = ob.from_torch(module, data.test.inputs)
        >>> params["weight"].shape, apply(params, data.test.inputs).shape
        ((10, 64), (50, 10))
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    module = plain_module(module, "Wrap a function in a module that holds its weights.")
    check_evaluation_mode(module)
    check_has_weights(module, _weights(module))
    environment = jax_environment()
    inputs = jax.tree.map(_own_tensor, example_inputs)
    arrays = jax.tree.map(numpy_array, inputs)
    with torch.no_grad():
        call = lambda: outputs_as(numpy_array, module(*inputs, **keywords))
        expected = call()
        check_not_random(expected, call())
    apply = _function(copy.deepcopy(module), keywords, environment)
    params = params_of(module)
    check_same_outputs(apply, params, arrays, expected)
    return apply, params


def to_torch(params: Params, module: Any) -> Any:
    """The same PyTorch module, whose weights and running statistics are now those of `params`.

    They are written in place. Each keeps its dtype and device, and tied weights stay tied. `params`
    are named as `from_torch` names them, in their two collections or, as in a state_dict, without
    collections. What else a state_dict holds, such as counters of batches, does not change.

    Raises:
        TypeError: If `module` is not a PyTorch module of Python code.
        ValueError: If names or shapes are not those of the module, or params are complex and
            the module's weights are real.

    Examples:
        >>> import torch
        >>> module = torch.nn.Linear(2, 1).eval()
        >>> apply, params = ob.from_torch(module, torch.ones(1, 2))
        >>> zeroed = ob.adapters.to_torch(jax.tree.map(np.zeros_like, params), module)
        >>> zeroed(torch.ones(1, 2)).item()
        0.0
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    inner = plain_module(module, "Params come first: to_torch(params, module).")
    weights = _weights(inner)
    params = _by_name(params, inner)
    check_fits(params, weights)
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(torch.tensor(_readable(np.asarray(params[name]))))
    return module


def _readable(array: np.ndarray) -> np.ndarray:
    """An array in a dtype that PyTorch can read: float64 if it has 8 bytes, else float32.

    Those of JAX's own dtypes, such as bfloat16, fit into float32. Complex arrays do not change.
    """
    if np.iscomplexobj(array):
        return array
    return array.astype(np.float64 if array.dtype.itemsize == 8 else np.float32)


def params_of(module: Any) -> Params:
    """The params of a module as `from_torch` names them, in collections if it has statistics."""
    arrays = {name: numpy_array(tensor) for name, tensor in _weights(module).items()}
    statistics = arrays.keys() & statistics_in_module(module)
    weights = {name: leaf for name, leaf in arrays.items() if name not in statistics}
    return collected(weights, {name: arrays[name] for name in sorted(statistics)})


def _by_name(params: Params, module: Any) -> dict[str, Any]:
    """Params by their names in the state_dict, without its integers and repeated tied weights.

    Raises ValueError if names are missing or are not those of the module.
    """
    named = {**params[WEIGHTS], **params[STATISTICS]} if has_statistics(params) else dict(params)
    others = module.state_dict().keys() - _weights(module).keys()
    named = {name: leaf for name, leaf in named.items() if name not in others}
    check_names(named, _weights(module))
    return named


def _weights(module: Any) -> dict[str, Any]:
    """The tensors of real and complex floating point in a module's state_dict, each once."""
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    saved = module.state_dict(keep_vars=True)
    return {
        name: tensor
        for name, tensor in named.items()
        if name in saved and (tensor.is_floating_point() or tensor.is_complex())
    }


def _constants(module: Any) -> dict[str, np.ndarray]:
    """All other tensors of a module by name: integers, buffers not saved, plain attributes."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, part in module.named_modules():
        prefix = f"{name}." if name else ""
        plain = {k: v for k, v in vars(part).items() if isinstance(v, torch.Tensor)}
        named.update({prefix + key: value for key, value in plain.items()})
    weights = _weights(module)
    return {name: numpy_array(tensor) for name, tensor in named.items() if name not in weights}


def _function(module: Any, keywords: dict[str, Any], environment: Any) -> Adapted:
    """The function of a module's params and inputs. No one else may use the module afterwards."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    is_tensor = lambda leaf: isinstance(leaf, torch.Tensor)
    closed = (
        _constants(module),
        jax.tree.map(lambda x: numpy_array(x) if is_tensor(x) else x, keywords),
    )

    statistics = _weights(module).keys() & statistics_in_module(module)

    def call(params: Params, inputs: Any, by_batch: bool = False) -> tuple[Any, Params]:
        """The outputs, and the statistics of the batch that norms measured if they use it."""
        named = _by_name(params, module)
        with running(environment):
            weights, arguments = jax.tree.map(jnp.asarray, (named, inputs))
            constants, extra = _as_wide_as(weights, closed)
            weights, arguments, extra = environment.j2t_iso(
                ({**weights, **constants}, arguments, extra)
            )
            running_statistics = {name: weights[name] for name in statistics}
            norms = ByBatch(running_statistics, environment.t2j_iso)
            with norms.mode() if by_batch else nullcontext():
                outputs = torch.func.functional_call(module, weights, arguments, extra)
            return outputs_as(environment.t2j_iso, outputs), norms.measured

    def recalibrate(params: Params, *inputs: Any) -> Params:
        measured = call(params, inputs, by_batch=True)[1]
        if not has_statistics(params):
            return {**params, **measured}
        return {**params, STATISTICS: {**params[STATISTICS], **measured}}

    like = jax.tree.map(lambda _: 0, params_of(module))
    evaluate = lambda params, *inputs: call(params, inputs)[0]
    if not statistics:
        return Adapted(evaluate, like=like)
    batch_apply = lambda params, *inputs: call(params, inputs, by_batch=True)[0]
    return Adapted(evaluate, batch_apply, recalibrate, like)


def _as_wide_as(weights: dict[str, Any], closed: Any) -> Any:
    """The constants as arrays of JAX, in 64 bits if weights are: PyTorch rarely mixes widths."""
    is_wide = jnp.finfo(jnp.result_type(*weights.values())).bits == 64

    def constant(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        return widened(jnp.asarray(leaf)) if is_wide else jnp.asarray(leaf)

    return jax.tree.map(constant, closed)


def _own_tensor(leaf: Any) -> Any:
    """A copy of a leaf as a tensor, which a module may write to."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else torch.tensor(leaf)
