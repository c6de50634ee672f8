"""sghmc: stochastic gradient Hamiltonian Monte Carlo, with the integrator of BlackJAX."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from onebasin._arguments import check_count
from onebasin._collections import with_statistics_of
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Stats
from onebasin.methods.sgld import (
    REDUCE_STATS,
    StochasticGradientState,
    cast,
    init,
    statistics,
)
from onebasin.methods.step_sizes import Schedule, check_step_size, check_temperature, value_at
from onebasin.types import Array, Key, Params


class _Settings(NamedTuple):
    num_steps: int
    friction: float
    step_size: float | Schedule
    temperature: float | Schedule


def sghmc(
    logdensity: StochasticLogDensity,
    *,
    step_size: float | Schedule,
    num_steps: int = 10,
    friction: float = 1.0,
    num_warmup: int = 200,
    temperature: float | Schedule = 1.0,
) -> Method:
    r"""A method that samples by Hamiltonian dynamics with friction and gradients of random batches.

    For each draw, momenta $r \sim \mathcal N(0, T I)$ are drawn anew, followed by `num_steps`
    steps, each with a batch of its own:
    $w' = w + \epsilon r$ and
    $r' = (1 - \epsilon \alpha)\, r + \epsilon \nabla \log \hat p(w', D)
    + \sqrt{2 \epsilon \alpha T}\, n$
    with standard normal noise $n$. No step is rejected, so draws are biased, the less the smaller
    $\epsilon$: halve it and compare. If `num_steps` is large, gradients with noise of variance $V$
    raise the temperature by $\epsilon V / (2 \alpha)$: smaller steps or more friction keep that
    small. Running statistics of a network stay as they are.

    Statistics: `lp`, the last estimate of the log density in nats, at the draw itself; `step_size`,
    $\epsilon$; `temperature`, $T$; `diverging`, whether a weight was no longer finite, at any step.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params and a key, up to a constant:
            exact, or an unbiased estimate from a random batch.
        step_size: $\epsilon$, positive, or a schedule of it by the number of draws:
            `polynomial_decay`, `cyclical_step_size`, or one of optax, which must be made only once,
            because another object is another program. It compares with the square root of a step
            size of `sgld`.
        num_steps: How many steps a draw takes, 1 or more. Default: 10.
        friction: $\alpha$, 0 or more, in units of one over time: momenta lose the share
            $\epsilon \alpha$ in a step. Default: 1.
        num_warmup: How many draws come before the first that is kept, 0 or more. Default: 200.
        temperature: $T$, 0 or more, or a schedule of it by the number of draws:
            `cyclical_temperature`. At 1 the posterior is sampled, at 0 the log density is climbed
            without noise. Default: 1.

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If the log density does not take params and a key, or a schedule is no function
            of the number of draws.

    Examples:
        >>> logdensity = posterior.minibatch_logdensity(32)
        >>> method = ob.methods.sghmc(logdensity, step_size=1e-3, num_steps=5, num_warmup=10)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> bool(samples.stats["diverging"].any())
        False

    Source: Chen, Fox and Guestrin (2014), arXiv 1402.4102, algorithm 2, with unit mass, the
    estimate of gradient noise at 0, and a temperature.
    """
    check_stochastic(logdensity)
    check_step_size(step_size)
    check_temperature(temperature)
    check_count("num_steps", num_steps)
    if not 0 <= friction < float("inf"):
        raise ValueError(f"friction must be in the range [0, inf). Got {friction}.")
    settings = _Settings(num_steps, friction, step_size, temperature)
    return Method(
        init=init,
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=REDUCE_STATS,
    )


def _step(
    settings: _Settings, logdensity: StochasticLogDensity, state: StochasticGradientState, key: Key
) -> tuple[StochasticGradientState, Stats]:
    from blackjax.sgmcmc.diffusions import sghmc as integrator  # late: its import computes
    from blackjax.util import generate_gaussian_noise

    step_size = value_at(settings.step_size, state.num_steps)
    temperature = value_at(settings.temperature, state.num_steps)
    key_momentum, key_steps = jax.random.split(key)
    noise = generate_gaussian_noise(key_momentum, state.position)
    momentum = cast(jax.tree.map(lambda n: jnp.sqrt(temperature) * n, noise), noise)

    def move(carry: tuple[Params, Params], key: Key) -> tuple[tuple[Params, Params], Array]:
        position, momentum = carry
        key_batch, key_noise = jax.random.split(key)
        # The gradient belongs to where the step goes. BlackJAX's own kernel takes it from where the
        # step begins, from one batch for all steps: its energy grows.
        ahead = jax.tree.map(lambda w, r: w + step_size * r, position, momentum)
        ahead = with_statistics_of(position, cast(ahead, position))
        lp, gradient = jax.value_and_grad(logdensity)(ahead, key_batch)
        _, after = integrator(settings.friction)(
            key_noise, position, momentum, gradient, step_size, temperature
        )
        return (ahead, cast(after, momentum)), lp

    keys = jax.random.split(key_steps, settings.num_steps)
    (position, _), lps = jax.lax.scan(move, (state.position, momentum), keys)
    stats = statistics(lps[-1], step_size, temperature, position)
    return StochasticGradientState(position, state.num_steps + 1), stats
