"""Normalization of channels by the statistics of a layer, of a batch, or by stored statistics.

A norm is a function that takes its params and an array. It gives the normalized array, and params
that hold the statistics by which it normalized. So one forward pass serves all kinds of norms.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from onebasin.types import Array, Params

Normalization: TypeAlias = Literal["batch", "layer"]
"""What means and variances are over: the examples and pixels of a batch, or the channels."""

Norm: TypeAlias = Callable[[Params, Array], tuple[Array, Params]]
"""A function that normalizes an array, whose last axis lists the channels."""

_EPSILON = 1e-5
"""What is added to a variance before its root is divided by."""


def norm_init(channels: int, kind: Normalization) -> Params:
    """The params of a norm: scale 1 and bias 0; for a norm by batch also mean 0 and var 1."""
    learned = {"scale": jnp.ones(channels), "bias": jnp.zeros(channels)}
    if kind == "layer":
        return learned
    return {**learned, "mean": jnp.zeros(channels), "var": jnp.ones(channels)}


def by_layer(params: Params, x: Array) -> tuple[Array, Params]:
    """Each pixel normalized by the mean and variance over its channels; the params as they are.

    Source: Ba, Kiros and Hinton (2016), arXiv 1607.06450, equation 3.
    """
    mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return _scaled(params, x, mean, var), params


def by_batch(params: Params, x: Array) -> tuple[Array, Params]:
    """Each channel normalized by its mean and variance over the batch, and params that hold them.

    Source: Ioffe and Szegedy (2015), arXiv 1502.03167, algorithm 1.
    """
    axes = tuple(range(x.ndim - 1))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    statistics = {"mean": mean.reshape(-1), "var": var.reshape(-1)}
    return _scaled(params, x, mean, var), {**params, **statistics}


def by_statistics(params: Params, x: Array) -> tuple[Array, Params]:
    """Each channel normalized by the mean and variance in the params; the params as they are.

    Source: Ioffe and Szegedy (2015), arXiv 1502.03167, algorithm 2, step 11.
    """
    # Draws that were never recalibrated may hold a negative variance.
    var = jnp.maximum(params["var"], jnp.zeros_like(params["var"]))
    return _scaled(params, x, _channels(params["mean"], x), _channels(var, x)), params


def _scaled(params: Params, x: Array, mean: Array, var: Array) -> Array:
    r"""$s (x - m) / \sqrt{v + \epsilon} + b$ with mean $m$, variance $v$, scale $s$ bias $b$."""
    scale, bias = _channels(params["scale"], x), _channels(params["bias"], x)
    return (x - mean) * jax.lax.rsqrt(var + _EPSILON) * scale + bias


def _channels(leaf: Array, x: Array) -> Array:
    """One number for each channel, with as many axes as `x`: ranks must agree."""
    return leaf[(None,) * (x.ndim - 1)]
