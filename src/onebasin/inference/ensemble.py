"""deep_ensemble: maximum a posteriori networks from different starts and batch orders."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial

from onebasin._types import Array, Key, Params
from onebasin.inference.method import Method, Stats, StochasticLogDensity, check_stochastic


class EnsembleState(NamedTuple):
    """The weights of one member and its optimizer's state."""

    position: Params
    optimizer_state: Any


def deep_ensemble(
    logdensity: StochasticLogDensity,
    *,
    num_steps: int = 2000,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    """Maximize the log density by `num_steps` steps of an optimizer (default: Adam, 1e-3).

    Each chain is one member; the state after training is its only draw that matters, so ask
    for one. `logdensity(params, key)` may be exact or an estimate from a random batch.
    Statistics: lp (of the last batch).

    Raises: ValueError for num_steps below 1;
    TypeError for a log density that does not take params and a key.
    Source: Lakshminarayanan et al. (2017), arXiv 1612.01474.
    """
    check_stochastic(logdensity)
    if num_steps < 1:
        raise ValueError(f"num_steps must be an int in the range [1, inf). Got {num_steps}.")
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    return Method(
        init=Partial(_init, optimizer),
        step=Partial(_step, optimizer, logdensity),
        num_warmup=num_steps - 1,
    )


def _init(optimizer: optax.GradientTransformation, position: Params, key: Key) -> EnsembleState:
    del key  # the contract hands one to every method; members begin where they are put
    return EnsembleState(position, optimizer.init(position))


def _step(
    optimizer: optax.GradientTransformation,
    logdensity: StochasticLogDensity,
    key: Key,
    state: EnsembleState,
) -> tuple[EnsembleState, Stats]:
    def loss(params: Params) -> Array:
        return -logdensity(params, key)

    value, gradient = jax.value_and_grad(loss)(state.position)
    updates, optimizer_state = optimizer.update(gradient, state.optimizer_state, state.position)
    position = optax.apply_updates(state.position, updates)
    return EnsembleState(position, optimizer_state), {"lp": jnp.negative(value)}
