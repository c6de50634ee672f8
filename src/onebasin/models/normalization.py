"""Normalization of channels: by the statistics of a layer, of a batch, or of stored ones.

A norm is a function that takes its params and an array, and gives the normalized array and params
whose statistics are those it used. One forward pass is then written once for all of them.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from onebasin._types import Array, Params

Kind: TypeAlias = Literal["batch", "layer"]
"""Over the examples and pixels of a batch, or over the channels of each pixel."""

Norm: TypeAlias = Callable[[Params, Array], tuple[Array, Params]]
"""How an array is normalized along its last axis."""

_EPSILON = 1e-5


def norm_init(channels: int, kind: Kind) -> Params:
    """A scale of 1 and a bias of 0 for each channel; by batch also statistics, mean 0 and var 1."""
    learned = {"scale": jnp.ones(channels), "bias": jnp.zeros(channels)}
    if kind == "layer":
        return learned
    return {**learned, "mean": jnp.zeros(channels), "var": jnp.ones(channels)}


def by_layer(params: Params, x: Array) -> tuple[Array, Params]:
    """Each pixel by the mean and variance over its channels.

    Source: Ba et al. (2016), arXiv 1607.06450, equation 3.
    """
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return _scaled(params, x, mean, var), params


def by_batch(params: Params, x: Array) -> tuple[Array, Params]:
    """Each channel by the mean and variance over the batch, which the params then hold.

    Source: Ioffe and Szegedy (2015), arXiv 1502.03167, algorithm 1.
    """
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    found = {"mean": mean.reshape(-1), "var": var.reshape(-1)}
    return _scaled(params, x, mean, var), {**params, **found}


def by_statistics(params: Params, x: Array) -> tuple[Array, Params]:
    """Each channel by the mean and variance that the params hold.

    Source: Ioffe and Szegedy (2015), arXiv 1502.03167, algorithm 2, step 11.
    """
    # Draws that were never recalibrated may hold a negative number here.
    var = jnp.maximum(params["var"], jnp.zeros_like(params["var"]))
    return _scaled(params, x, _channels(params["mean"], x), _channels(var, x)), params


def _scaled(params: Params, x: Array, mean: Array, var: Array) -> Array:
    scale, bias = _channels(params["scale"], x), _channels(params["bias"], x)
    return (x - mean) * jax.lax.rsqrt(var + _EPSILON) * scale + bias


def _channels(leaf: Array, x: Array) -> Array:
    """One number for each channel of x, with as many axes as x has."""
    return leaf[(None,) * (x.ndim - 1)]
