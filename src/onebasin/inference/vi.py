"""mean_field_vi: variational inference with one independent Gaussian for each weight."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Int

from onebasin import _trees
from onebasin._types import Array, Key, Params
from onebasin.gaussian import DiagonalGaussian
from onebasin.inference.method import Method, Stats, StochasticLogDensity


class VIState(NamedTuple):
    """A draw, the Gaussian's mean and log std, the optimizer's state and the steps taken."""

    position: Params
    mean: Params
    log_std: Params
    optimizer_state: Any
    num_steps: Int[Array, ""]


class _Settings(NamedTuple):
    num_steps: int
    num_particles: int
    init_std: float
    optimizer: optax.GradientTransformation


def mean_field_vi(
    logdensity: StochasticLogDensity,
    *,
    num_steps: int = 5000,
    num_particles: int = 1,
    init_std: float = 0.05,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    r"""Maximize $\mathrm{ELBO} = \mathrm E_q[\log p(w, D)] + \mathrm H[q]$.

    $q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$; $\mu$ begins at the position and $\sigma$ at
    `init_std`; each of `num_steps` steps takes `num_particles` reparameterized draws. Then draws
    come from $q$. It underestimates variances where weights are correlated.
    Statistics: elbo (up to the posterior's constant).

    Raises: ValueError for counts below 1 or an init_std that is not positive.
    Source: Kingma and Welling (2014), arXiv 1312.6114; Blundell et al. (2015), arXiv 1505.05424.
    """
    for name, count in {"num_steps": num_steps, "num_particles": num_particles}.items():
        if count < 1:
            raise ValueError(f"{name} must be an int in the range [1, inf). Got {count}.")
    if not 0 < init_std < float("inf"):
        raise ValueError(f"init_std must be positive. Got {init_std}.")
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    settings = _Settings(num_steps, num_particles, init_std, optimizer)
    return Method(
        init=partial(_init, settings),
        step=Partial(partial(_step, settings), logdensity),
        num_warmup=num_steps,
        gaussian=_gaussian,
    )


def _gaussian(state: VIState) -> DiagonalGaussian:
    return DiagonalGaussian(state.mean, jax.tree.map(jnp.exp, state.log_std))


def _init(settings: _Settings, position: Params, key: Key) -> VIState:
    del key  # the contract hands one to every method; the mean begins where it is put
    log_std = jax.tree.map(lambda w: jnp.full_like(w, jnp.log(settings.init_std)), position)
    optimizer_state = settings.optimizer.init((position, log_std))
    return VIState(position, position, log_std, optimizer_state, jnp.zeros((), jnp.int32))


def _step(
    settings: _Settings, logdensity: StochasticLogDensity, key: Key, state: VIState
) -> tuple[VIState, Stats]:
    key_draws, key_batches = jax.random.split(key)

    def optimize() -> tuple[VIState, Array]:
        def loss(variational: tuple[Params, Params]) -> Array:
            mean, log_std = variational
            q = DiagonalGaussian(mean, jax.tree.map(jnp.exp, log_std))
            draws = q.sample(key_draws, settings.num_particles)
            keys = jax.random.split(key_batches, settings.num_particles)
            return -(jax.vmap(logdensity)(draws, keys).mean() + _entropy(log_std))

        now = (state.mean, state.log_std)
        value, gradient = jax.value_and_grad(loss)(now)
        updates, optimizer_state = settings.optimizer.update(gradient, state.optimizer_state, now)
        updated: Any = optax.apply_updates(now, updates)
        mean, log_std = updated
        return VIState(mean, mean, log_std, optimizer_state, state.num_steps + 1), -value

    def draw() -> tuple[VIState, Array]:
        position = jax.tree.map(lambda leaf: leaf[0], _gaussian(state).sample(key_draws, 1))
        elbo = logdensity(position, key_batches) + _entropy(state.log_std)
        return state._replace(position=position), elbo

    state, elbo = jax.lax.cond(state.num_steps < settings.num_steps, optimize, draw)
    return state, {"elbo": elbo}


def _entropy(log_std: Params) -> Array:
    total = sum((leaf.sum() for leaf in jax.tree.leaves(log_std)), jnp.zeros(()))
    return total + 0.5 * _trees.size(log_std) * jnp.log(2 * jnp.pi * jnp.e)
