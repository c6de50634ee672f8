"""swag: a Gaussian of the iterates of stochastic gradient ascent."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Bool, Int

from onebasin._arguments import check_count
from onebasin._collections import map_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.ensemble import climb
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Stats
from onebasin.types import Array, Key, Params


class SWAGState(NamedTuple):
    """An iterate or a draw, the moments of the iterates, the optimizer's state, and the steps.

    `variance` is the mean of the squared deviations of the collected iterates from their `mean`.
    """

    position: Params
    mean: Params
    variance: Params
    optimizer_state: Any
    num_steps: Int[Array, ""]


class _Settings(NamedTuple):
    num_burn_in: int
    num_collected: int
    collect_every: int
    optimizer: optax.GradientTransformation

    @property
    def num_training(self) -> int:
        return self.num_burn_in + self.num_collected * self.collect_every


def swag(
    logdensity: StochasticLogDensity,
    *,
    optimizer: optax.GradientTransformation,
    num_burn_in: int = 1000,
    num_collected: int = 1000,
    collect_every: int = 1,
) -> Method:
    r"""A method that fits one independent Gaussian for each weight to iterates of training.

    Training climbs the log density with a constant learning rate. After the burn-in, the mean
    $\mu$ and the variance $\overline{w^2} - \mu^2$ of the iterates $w$ are collected. Then draws
    come from $\mathcal N(\mu, \mathrm{diag}(\sigma^2))$ (SWAG-Diagonal), which
    `method.gaussian(state)` gives. $\sigma$ is the spread of the iterates: it depends on the
    learning rate and the batches, and equals that of the posterior only by choice of these. With an
    exact log density the iterates converge, and $\sigma$ shrinks to 0. The low-rank part of SWAG is
    left out. Its statistic is `lp`, an estimate of the log density in nats: at the draw itself,
    and, while training, where the step began.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params and a key, up to a constant: an
            unbiased estimate from a random batch.
        optimizer: What makes steps of gradients, of a constant and high learning rate, such as
            `optax.sgd(1e-5)`. Gradients are of the sum over all data. Make it once: another object
            is another program.
        num_burn_in: How many steps come before the first that is collected, 0 or more.
            Default: 1000.
        num_collected: How many iterates are collected, 2 or more. Default: 1000.
        collect_every: How many steps there are from one collected iterate to the next, 1 or more.
            Default: 1.

    Raises:
        ValueError: If a count is out of its range.
        TypeError: If the log density does not take params and a key.

    Examples:
        >>> import optax
        >>> logdensity = lambda params, key: -0.5 * (
        ...     (params - 3 + jax.random.normal(key, params.shape)) ** 2
        ... ).sum()
        >>> method = ob.methods.swag(logdensity, optimizer=optax.sgd(0.5), num_collected=5000)
        >>> drawn = ob.sample(method, jnp.ones((1, 3)), num_draws=1, key=key)
        >>> gaussian = method.gaussian(jax.tree.map(lambda leaf: leaf[0], drawn.last_state))
        >>> gaussian.mean.round(1), gaussian.std.round(1)  # .5 / (2 - .5) is the variance
        (array([3., 3., 3.], dtype=float32), Array([0.6, 0.6, 0.6], dtype=float32))

    Source: Maddox et al. (2019), arXiv 1902.02476, section 3, SWAG-Diagonal; Welford (1962) for
    the running variance, which rounds less than $\overline{w^2} - \mu^2$.
    """
    check_stochastic(logdensity)
    check_count("num_burn_in", num_burn_in, 0)
    check_count("num_collected", num_collected, 2)
    check_count("collect_every", collect_every)
    settings = _Settings(num_burn_in, num_collected, collect_every, optimizer)
    return Method(
        init=Partial(_init, optimizer),
        step=Partial(_step, settings, logdensity),
        num_warmup=settings.num_training,
        gaussian=_gaussian,
        reduce_stats={"lp": "last"},
    )


def _gaussian(state: SWAGState) -> DiagonalGaussian:
    std = jax.tree.map(jnp.sqrt, state.variance)
    return DiagonalGaussian(state.mean, map_statistics(jnp.zeros_like, std))


def _init(optimizer: optax.GradientTransformation, position: Params, key: Key) -> SWAGState:
    del key  # every method gets a key, but the start is not random
    zeros = jax.tree.map(jnp.zeros_like, position)
    return SWAGState(position, zeros, zeros, optimizer.init(position), jnp.zeros((), jnp.int32))


def _step(
    settings: _Settings, logdensity: StochasticLogDensity, state: SWAGState, key: Key
) -> tuple[SWAGState, Stats]:
    key_draw, key_batch = jax.random.split(key)
    is_training = state.num_steps < settings.num_training
    choose = partial(jnp.where, is_training)
    draw = jax.tree.map(lambda leaf: leaf[0], _gaussian(state).sample(1, key=key_draw))
    point = jax.tree.map(choose, state.position, draw)
    lp, iterate, optimizer_state = climb(
        settings.optimizer, logdensity, point, state.optimizer_state, key_batch
    )
    num_steps = state.num_steps + 1
    collected, rest = jnp.divmod(num_steps - settings.num_burn_in, settings.collect_every)
    is_collected = is_training & (collected > 0) & (rest == 0)
    state = _collect(state, iterate, collected, is_collected)
    state = state._replace(
        position=jax.tree.map(choose, iterate, point),
        optimizer_state=jax.tree.map(choose, optimizer_state, state.optimizer_state),
        num_steps=num_steps,
    )
    return state, {"lp": lp}


def _collect(
    state: SWAGState, iterate: Params, count: Int[Array, ""], is_collected: Bool[Array, ""]
) -> SWAGState:
    """The moments with an iterate, the `count`-th, if it is to be collected."""
    count = jnp.maximum(count, 1)
    weigh = lambda change: jnp.where(is_collected, change / count, 0)
    mean = jax.tree.map(lambda m, w: m + weigh(w - m), state.mean, iterate)
    variance = jax.tree.map(
        lambda v, w, before, after: v + weigh((w - before) * (w - after) - v),
        *(state.variance, iterate, state.mean, mean),
    )
    return state._replace(mean=mean, variance=variance)
