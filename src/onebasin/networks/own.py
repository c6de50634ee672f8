"""network: a Network from any function of params and inputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin import _trees
from onebasin._arguments import check_arrays, check_is, check_takes, check_weights
from onebasin._collections import statistics_in
from onebasin.networks.captured import CapturedActivations
from onebasin.networks.network import Network
from onebasin.symmetry.axes import Function, Symmetry
from onebasin.symmetry.claims import verify_once
from onebasin.symmetry.discovery.find import find_symmetry
from onebasin.symmetry.scalings import scalings_of
from onebasin.types import Array, Key, Params

_NUM_INPUTS = 16
"""At how many inputs the function is tried."""


def network(
    apply: Callable[[Params, Any], Array],
    params: Params,
    inputs: Array,
    *,
    init: Callable[[Key], Params] | None = None,
    symmetry: Symmetry | None = None,
) -> Network:
    """A network from a function of params and a batch of inputs.

    It has all that built-in networks have. Its symmetry is found. Its activations are arrays that
    `apply` computes: of each group those that products and convolutions read, or else the last one
    that lists its units. If the group has one sign, they flip with it. If no array lists the units
    of a group, as inside of a `scan`, `network.has_activations` is False, and calling
    `network.activations` says of which group. `balance` works if `network.is_homogeneous`.

    Args:
        apply: `apply(params, inputs)` gives the outputs of a batch, each input for itself. It may
            be what `from_torch` or another adapter gives. Then `batch_apply` and `recalibrate` are
            those of the adapter.
        params: Weights at which the function is finite. PyTorch's counters of batches are left out.
        inputs: A batch of inputs of any shape and dtype. The first 16 are used.
        init: `init(key)` gives random params. Default: normal numbers with the mean and the std of
            each array of `params`. Constant arrays and running statistics stay as they are.
        symmetry: Which units may be permuted. It is tried. Default: what `find_symmetry` finds.

    Raises:
        TypeError: If an argument is of another type, or the outputs are no single array of real
            numbers.
        ValueError: If the outputs do not have one row for each input, or are not finite, or if the
            declared symmetry changes the function.

    Examples:
        >>> apply = lambda params, x: jnp.tanh(x @ params["w1"]) @ params["w2"]
        >>> weights = {"w1": np.random.normal(size=(64, 8)), "w2": np.random.normal(size=(8, 10))}
        >>> own = ob.network(apply, weights, data.train.inputs)
        >>> own.symmetry.sizes, own.activations(weights, data.test.inputs)["w1"].shape
        ({'w1': 8}, (50, 8))
    """
    check_takes("apply", apply, ("params", "inputs"), "Give other arguments by functools.partial.")
    check_arrays("params", params)
    params = _trees.to_host(getattr(apply, "arranged", lambda params: params)(params))
    check_weights(params)
    few = _few(inputs)
    _check_outputs(apply, params, few)
    if symmetry is None:
        symmetry = find_symmetry(apply, params, few)
    else:
        symmetry = _declared(symmetry, apply, params, few)
    activations = CapturedActivations(apply, symmetry, params, few)
    return Network(
        RandomLike(params) if init is None else init,
        apply,
        None if symmetry.nested else activations,
        symmetry,
        getattr(apply, "batch_apply", None),
        getattr(apply, "recalibrate", None),
        _is_homogeneous(symmetry, params),
    )


class RandomLike:
    """`init(key)` of a network: random arrays with the mean and the std of given ones.

    Args:
        params: The arrays. Constant ones and running statistics are given as they are.
    """

    def __init__(self, params: Params):
        self._params, self._kept = params, statistics_in(params)

    def __call__(self, key: Key) -> Params:
        """Random params."""
        leaves = _trees.named_leaves(self._params)
        keys = jax.random.split(key, len(leaves))
        drawn = {
            name: jnp.asarray(leaf) if name in self._kept else _random_like(leaf, key)
            for key, (name, leaf) in zip(keys, leaves.items(), strict=True)
        }
        return _trees.rebuild(drawn, self._params)


def _random_like(leaf: np.ndarray, key: Key) -> Array:
    """Normal numbers with the mean and the std of an array, or the array if it is constant."""
    if not leaf.size or (leaf == leaf.flat[0]).all():
        return jnp.asarray(leaf)
    like = jnp.asarray(leaf)
    wide = leaf.astype(np.complex128 if np.iscomplexobj(leaf) else np.float64)
    mean, std = (np.asarray(number).astype(like.dtype) for number in (wide.mean(), wide.std()))
    return mean + std * jax.random.normal(key, like.shape, like.dtype)


def _few(inputs: Any) -> Array:
    """The first inputs of a batch."""
    check_arrays("inputs", inputs)
    if not isinstance(inputs, np.ndarray | jax.Array) or not np.ndim(inputs) or not len(inputs):
        got = f"shape {np.shape(inputs)}" if hasattr(inputs, "shape") else type(inputs).__name__
        raise TypeError(
            f"inputs must be one array, a batch of at least one input. Got {got}. "
            "Join several arrays, or let the function close over those that stay the same."
        )
    return jnp.asarray(inputs[:_NUM_INPUTS])


def _check_outputs(apply: Callable[[Params, Any], Array], params: Params, inputs: Array) -> None:
    """Raise unless the outputs are one finite array with a row for each input."""
    outputs = jax.eval_shape(apply, params, inputs)
    try:
        more = jax.eval_shape(apply, params, jnp.concatenate([inputs, inputs[:1]]))
    except Exception as error:
        raise ValueError(
            f"apply must take any number of inputs. It takes {len(inputs)}, but not "
            f"{len(inputs) + 1}: {error}. Read the number off the inputs, as len(inputs)."
        ) from error
    dtype = getattr(outputs, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        got = type(outputs).__name__ if dtype is None else f"an array of {dtype}"
        raise TypeError(
            f"apply must give one array of real numbers. Got {got}. Wrap it, for instance as "
            'lambda params, inputs: apply(params, inputs)["logits"].'
        )
    if outputs.shape[:1] != inputs.shape[:1] or more.shape[:1] != (len(inputs) + 1,):
        raise ValueError(
            "apply must give one row of outputs for each input. Got outputs of shape "
            f"{outputs.shape} for {len(inputs)} inputs and {more.shape} for {len(inputs) + 1}. "
            "Put the batch first, or map a function of one input with jax.vmap(apply, (None, 0))."
        )
    if not np.isfinite(jax.jit(apply)(params, inputs)).all():
        raise ValueError(
            "The outputs must be finite at the params. Got NaN or infinity. Give other params or "
            "inputs."
        )


def _declared(
    symmetry: Symmetry, apply: Callable[[Params, Any], Array], params: Params, inputs: Array
) -> Symmetry:
    """A symmetry that a user declares, tried on the function once."""
    check_is("symmetry", symmetry, Symmetry, "Make one with Symmetry.of(axes, params).")
    symmetry.check(params)
    function = Function(apply, (inputs,), is_declared=True)
    return verify_once(dataclasses.replace(symmetry, function=function), params)


def _is_homogeneous(symmetry: Symmetry, params: Params) -> bool:
    """Whether `balance` can scale the units of every group."""
    if symmetry.nested:
        return False
    try:
        scalings_of(symmetry, params)
    except ValueError:
        return False
    return True
