"""What MCLMC and its adjusted form share: their first lengths, and the rule of the length L."""

import math
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from onebasin import _trees
from onebasin._arguments import check_positive
from onebasin.types import Array, Params

GRADIENTS_PER_STEP = 2
"""McLachlan's integrator moves the position twice a step, each time with a gradient behind it."""


class _Welford(NamedTuple):
    init: Any
    update: Any
    final: Any


@cache
def _welford() -> _Welford:
    """BlackJAX's running variances, imported late: its import computes."""
    from blackjax.adaptation.mass_matrix import welford_algorithm

    return _Welford(*welford_algorithm(is_diagonal_matrix=True))


def check_num_weights(position: Params) -> None:
    """Refuse params of a single weight, whose momentum of unit length could only change its sign.

    Raises: ValueError.
    """
    if _trees.size(position) < 2:
        raise ValueError(
            "MCLMC must have 2 weights or more. Got 1. Use hmc for the density of one weight."
        )


def check_scales(step_size: float | None, momentum_decoherence_length: float | None) -> None:
    """Refuse a first step size or length that is given and not positive.

    Raises: ValueError.
    """
    if step_size is not None:
        check_positive("step_size", step_size)
    if momentum_decoherence_length is not None:
        check_positive("momentum_decoherence_length", momentum_decoherence_length)


def first_scale(given: float | None, share: float, position: Params) -> Float[Array, ""]:
    r"""A first step size or length: what is given, or else a share of $\sqrt d$ for $d$ weights."""
    default = share * math.sqrt(_trees.size(position))
    return jnp.asarray(default if given is None else given, ravel_pytree(position)[0].dtype)


def first_moments(position: Params) -> Any:
    """Running moments of the weights, before the first one is seen."""
    return _welford().init(_trees.size(position))


def with_position(moments: Any, position: Params) -> Any:
    """The moments with one more position."""
    return _welford().update(moments, ravel_pytree(position)[0])


def length_of(moments: Any, otherwise: Float[Array, ""], factor: float = 1.0) -> Float[Array, ""]:
    r"""$L = c \sqrt{\sum_i \operatorname{Var}[w_i]}$ for a factor $c$.

    It is `otherwise` if nothing has varied. Source: Robnik et al. (2023), arXiv 2212.08549;
    `mclmc_adaptation` of BlackJAX.
    """
    variances, num_positions, _ = _welford().final(moments)
    total = variances.sum()
    is_known = (num_positions > 1) & (total > 0) & jnp.isfinite(total)
    return jnp.where(is_known, factor * jnp.sqrt(total), otherwise).astype(otherwise.dtype)
