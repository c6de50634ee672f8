"""Values at which a function is tried: the arrays that are given, and random ones for shapes.

A trial can only see what units do if they differ, so that constant arrays are varied as well.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from onebasin.types import Params


def is_shape(leaf: Any) -> bool:
    """Whether a leaf has a shape but no values, as `jax.ShapeDtypeStruct`."""
    return hasattr(leaf, "shape") and not isinstance(leaf, np.ndarray | np.generic | jax.Array)


def drawn_inputs(inputs: Any) -> Any:
    """The inputs with random values in place of shapes.

    They are normal numbers, keys, or 0 and 1 for integers, which may be indices.
    """
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: _drawn(rng, leaf) if is_shape(leaf) else leaf, inputs)


def _drawn(rng: np.random.Generator, leaf: Any) -> Any:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), leaf.shape)
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return rng.integers(0, 2, leaf.shape).astype(leaf.dtype)
    return _normal(rng, leaf)


def _normal(rng: np.random.Generator, leaf: Any) -> np.ndarray:
    values: Any = rng.standard_normal(leaf.shape)
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        values = values + 1j * rng.standard_normal(leaf.shape)
    return values.astype(leaf.dtype)


def drawn_params(params: Params, *, positive: bool = False) -> Params:
    r"""Normal weights with variance 1 / fan_in, so that activations are as large as their inputs.

    With `positive`, their absolute values, for params that are variances.
    """
    rng = np.random.default_rng(1)

    def draw(leaf: Any) -> np.ndarray:
        # Inputs and outputs of a layer are its longest axes, in either order.
        across = math.sqrt(math.prod(sorted(leaf.shape)[-2:])) if len(leaf.shape) > 1 else 0
        fan_in = math.prod(leaf.shape) / across if across else 1.0
        drawn = _normal(rng, leaf) * np.asarray(1 / math.sqrt(fan_in), leaf.dtype)
        return np.abs(drawn).astype(leaf.dtype) if positive else drawn

    return jax.tree.map(draw, params)


def varied(params: Params) -> Params:
    """The params with small positive numbers added to constant arrays, as biases of 0 are.

    Two units that are equal may be permuted in any function. The numbers are positive so that
    variances stay variances.
    """
    rng = np.random.default_rng(2)

    def vary(leaf: Any) -> Any:
        scale = 0.1 * max(1.0, float(np.abs(leaf.flat[0])))
        return (leaf + scale * rng.uniform(0.1, 1, leaf.shape)).astype(leaf.dtype)

    return _map_constant(vary, params)


def varied_inputs(inputs: Any) -> Any:
    """The inputs with normal numbers in place of constant arrays, which only stand for a shape."""
    rng = np.random.default_rng(3)
    return _map_constant(partial(_normal, rng), inputs, least_size=2)


def _map_constant(change: Callable[[Any], Any], tree: Any, least_size: int = 1) -> Any:
    """The tree with `change` applied to floating-point arrays whose entries are all equal.

    Arrays of fewer entries than `least_size` stay as they are.
    """

    def change_if_constant(leaf: Any) -> Any:
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return leaf
        host = np.asarray(leaf)
        is_constant = host.size >= least_size and bool((host == host.flat[0]).all())
        return change(host) if is_constant else leaf

    return jax.tree.map(change_if_constant, tree)


def nudged(tree: Any, share: float, seed: int) -> Any:
    """The floating-point numbers of a tree, each multiplied by 1 + u for u in [-share, share].

    u is uniform, and drawn with `seed`. All else stays as it is.
    """
    rng = np.random.default_rng(seed)

    def nudge(leaf: Any) -> Any:
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return leaf
        host = np.asarray(leaf)
        is_complex = jnp.issubdtype(host.dtype, jnp.complexfloating)
        wide = host.astype(np.complex128 if is_complex else np.float64)
        return (wide * (1 + share * rng.uniform(-1, 1, host.shape))).astype(host.dtype)

    return jax.tree.map(nudge, tree)
