"""The contract of every inference method, and the one driver that runs them all.

A method is two pure functions. It knows a log density and params, nothing of networks.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._arguments import check_key, check_takes
from onebasin._types import Array, Key, Params
from onebasin.gaussians.gaussian import DiagonalGaussian

State = Any
Stats = Mapping[str, Any]
"""Scalars by ArviZ's names."""


StochasticLogDensity = Callable[[Params, Key], Float[Array, ""]]
"""A log density or an unbiased estimate of it from a random batch, in nats."""


def check_stochastic(logdensity: StochasticLogDensity) -> None:
    """Refuse a log density that does not take a key.

    Raises: TypeError.
    """
    hint = "Of one on all data make `lambda params, key: logdensity(params)`."
    check_takes("logdensity", logdensity, ("params", "key"), hint)


class Method(NamedTuple):
    """An inference method: how its state begins, and one step of it.

    - `init(position, key)` gives the state of one chain; `state.position` is its draw.
    - `step(key, state)` gives the next state and its statistics by ArviZ's names.
    - The first `num_warmup` steps adapt or train; the driver throws their draws away.
    - `gaussian(state)` is the posterior of a method that ends in one, else None.

    Where `init` and `step` are `jax.tree_util.Partial`s, the arrays they hold travel as
    arguments of the compiled program and not as constants in it.
    """

    init: Callable[[Params, Key], State]
    step: Callable[[Key, State], tuple[State, Stats]]
    num_warmup: int = 0
    gaussian: Callable[[State], DiagonalGaussian] | None = None


def inits(init: Callable[[Key], Params], key: Key, num_chains: int) -> Params:
    """Starting positions for `sample`: `init` at one key for each chain, stacked."""
    check_key(key)
    return jax.tree.map(jnp.asarray, jax.vmap(init)(jax.random.split(key, num_chains)))
