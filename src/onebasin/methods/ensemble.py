"""deep_ensemble: maximum a posteriori networks from different starts and batch orders."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial

from onebasin._arguments import check_count
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Stats
from onebasin.types import Array, Key, Params


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
    r"""A method that trains one maximum a posteriori network in each chain.

    $\max_w \log p(w, D)$, by stochastic gradient ascent from each starting position. Each chain is
    one member of the ensemble. Its state after training is the only draw that matters, so ask
    `sample` for one draw. The method's statistic is `lp`, the log density in nats as the last step
    has estimated it.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params and a key, up to a constant:
            exact, or an unbiased estimate from a random batch.
        num_steps: How many steps of the optimizer a member takes, 1 or more. Default: 2000.
        optimizer: What makes steps of gradients. Default: Adam with a learning rate of 1e-3. Make
            it once: another object is another program.

    Raises:
        ValueError: If num_steps is below 1.
        TypeError: If the log density does not take params and a key.

    Examples:
        >>> method = ob.methods.deep_ensemble(lambda params, key: -((params - 0.5) ** 2).sum())
        >>> ob.sample(method, jnp.zeros((3, 1)), num_draws=1, key=key).params.round(1).ravel()
        array([0.5, 0.5, 0.5], dtype=float32)

    Source: Lakshminarayanan et al. (2017), arXiv 1612.01474, algorithm 1, without adversarial
    training and with a prior.
    """
    check_stochastic(logdensity)
    check_count("num_steps", num_steps)
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    return Method(
        init=Partial(_init, optimizer),
        step=Partial(_step, optimizer, logdensity),
        num_warmup=num_steps - 1,
        reduce_stats={"lp": "last"},
    )


def _init(optimizer: optax.GradientTransformation, position: Params, key: Key) -> EnsembleState:
    del key  # every method gets a key, but the start of a member is not random
    return EnsembleState(position, optimizer.init(position))


def _step(
    optimizer: optax.GradientTransformation,
    logdensity: StochasticLogDensity,
    state: EnsembleState,
    key: Key,
) -> tuple[EnsembleState, Stats]:
    lp, position, optimizer_state = climb(
        optimizer, logdensity, state.position, state.optimizer_state, key
    )
    return EnsembleState(position, optimizer_state), {"lp": lp}


def climb(
    optimizer: optax.GradientTransformation,
    logdensity: StochasticLogDensity,
    position: Params,
    optimizer_state: Any,
    key: Key,
) -> tuple[Array, Params, Any]:
    """One step of an optimizer up a log density.

    Returns:
        The log density where the step began, the position and the optimizer's state after it.
    """

    def loss(params: Params) -> Array:
        return -logdensity(params, key)

    value, gradient = jax.value_and_grad(loss)(position)
    updates, optimizer_state = optimizer.update(gradient, optimizer_state, position)
    return jnp.negative(value), optax.apply_updates(position, updates), optimizer_state
