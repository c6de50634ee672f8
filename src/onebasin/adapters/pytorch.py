"""from_torch and to_torch: PyTorch modules as JAX functions of their weights, and back.

What modules and params are held to is `pytorch_checks`; how PyTorch's operations become JAX's is
`pytorch_environment`.
"""

import copy
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin._collections import STATISTICS, WEIGHTS, collected, has_collections
from onebasin._types import Params
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
from onebasin.adapters.pytorch_environment import jax_environment, running
from onebasin.adapters.pytorch_statistics import ByBatch, statistics_in_module


def from_torch(module: Any, *example_inputs: Any, **keywords: Any) -> tuple[Adapted, Params]:
    """A PyTorch module as `apply(params, *inputs)` and params by the names of its state_dict.

    Params are what the state_dict has of real and complex floating point, tables of positions too;
    tied weights appear once, under their first name. With running statistics, as of BatchNorm,
    they are `{"weights": ..., "statistics": ...}`, and `apply.recalibrate` renews the statistics.
    Integers and what is not saved are closed over as they are now. `apply` takes and gives arrays,
    and hands `keywords` to every call. It takes a whole state_dict of arrays as well. On the
    example inputs it must give what PyTorch gives. Of a module that `torch.compile` or DataParallel
    wraps, it is that module.

    Raises: ImportError without torchax; TypeError for what is no module; ValueError for a module in
    training mode or without weights, or one that torchax cannot run or runs otherwise.
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
    params = _params(module)
    check_same_outputs(apply, params, arrays, expected)
    return apply, params


def to_torch(params: Params, module: Any) -> Any:
    """The module with params, as `from_torch` named them, written into its weights in place.

    Each weight keeps its dtype and device, tied weights stay tied, and running statistics are
    written like weights. Params may be in their two collections or, as in a state_dict, by names
    alone; what a state_dict holds besides, such as counters of batches, stays as it is.

    Raises: ValueError for names or shapes that are not those of the module, and for complex numbers
    where its weights are real.
    """
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    inner = plain_module(module, "Its place is behind params: to_torch(params, module).")
    weights = _weights(inner)
    params = _by_name(params, inner)
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


def _params(module: Any) -> Params:
    """The arrays of a module; running statistics, if there are any, in a collection of theirs."""
    arrays = {name: numpy_array(tensor) for name, tensor in _weights(module).items()}
    statistics = arrays.keys() & statistics_in_module(module)
    weights = {name: leaf for name, leaf in arrays.items() if name not in statistics}
    return collected(weights, {name: arrays[name] for name in sorted(statistics)})


def _by_name(params: Params, module: Any) -> dict[str, Any]:
    """Params by the names of the state_dict, without what it holds besides: integers and ties.

    Raises: ValueError for names that are missing or not the module's.
    """
    named = {**params[WEIGHTS], **params[STATISTICS]} if has_collections(params) else dict(params)
    others = module.state_dict().keys() - _weights(module).keys()
    named = {name: leaf for name, leaf in named.items() if name not in others}
    check_names(named, _weights(module))
    return named


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


def _function(module: Any, keywords: dict[str, Any], environment: Any) -> Adapted:
    """The module as a function of its params; the module is this function's own."""
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    is_tensor = lambda leaf: isinstance(leaf, torch.Tensor)
    closed = (
        _constants(module),
        jax.tree.map(lambda x: numpy_array(x) if is_tensor(x) else x, keywords),
    )

    statistics = _weights(module).keys() & statistics_in_module(module)

    def call(params: Params, inputs: Any, by_batch: bool = False) -> tuple[Any, Params]:
        """The outputs, and what norms measured of the batch if they normalize by it."""
        with running(environment):
            named = _by_name(params, module)
            weights, arguments = jax.tree.map(jnp.asarray, (named, inputs))
            constants, extra = _as_wide_as(weights, closed)
            weights, arguments, extra = environment.j2t_iso(
                ({**weights, **constants}, arguments, extra)
            )
            kept = {name: weights[name] for name in statistics}
            norms = ByBatch(kept, environment.t2j_iso)
            with norms.mode() if by_batch else nullcontext():
                outputs = torch.func.functional_call(module, weights, arguments, extra)
            return outputs_as(environment.t2j_iso, outputs), norms.measured

    def recalibrate(params: Params, *inputs: Any) -> Params:
        found = call(params, inputs, by_batch=True)[1]
        if not has_collections(params):
            return {**params, **found}
        return {**params, STATISTICS: {**params[STATISTICS], **found}}

    like = jax.tree.map(lambda _: 0, _params(module))
    evaluate = lambda params, *inputs: call(params, inputs)[0]
    if not statistics:
        return Adapted(evaluate, like=like)
    batch_apply = lambda params, *inputs: call(params, inputs, by_batch=True)[0]
    return Adapted(evaluate, batch_apply, recalibrate, like)


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
