"""sgld: stochastic gradient Langevin dynamics by BlackJAX."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Float, Int

from onebasin._collections import with_statistics_of
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Reductions, Stats
from onebasin.methods.step_sizes import Schedule, check_step_size, check_temperature, value_at
from onebasin.types import Array, Key, Params

REDUCE_STATS: Reductions = {
    "lp": "last",
    "step_size": "last",
    "temperature": "last",
    "diverging": "any",
}


class StochasticGradientState(NamedTuple):
    """The draw, and how many steps were taken."""

    position: Params
    num_steps: Int[Array, ""]


class _Settings(NamedTuple):
    step_size: float | Schedule
    temperature: float | Schedule


def sgld(
    logdensity: StochasticLogDensity,
    *,
    step_size: float | Schedule,
    num_warmup: int = 1000,
    temperature: float | Schedule = 1.0,
) -> Method:
    r"""A method that samples by Langevin dynamics with gradients of random batches.

    A step moves the params by
    $w' = w + \epsilon \nabla \log \hat p(w, D) + \sqrt{2 \epsilon T}\, n$, where $\hat p$ is the
    estimate from one batch and $n$ is standard normal noise. No step is rejected, so draws are
    biased: the step size stays finite, and the noise of the gradient is taken for a gradient.
    Around a Gaussian posterior of precision $\Lambda$, with the covariance $V$ of that noise,
    the covariance $\Sigma$ of the draws solves
    $\Lambda \Sigma + \Sigma \Lambda - \epsilon \Lambda \Sigma \Lambda = 2 T I + \epsilon V$.
    Without gradient noise it is $T (\Lambda - \tfrac{\epsilon}{2} \Lambda^2)^{-1}$, too wide. The
    bias falls with $\epsilon$: halve it and compare. Steps diverge if $\epsilon$ is above
    $2 / \lambda_{\max}(\Lambda)$. Running statistics of a network stay as they are.

    Statistics: `lp`, the estimate of the log density in nats where the step began; `step_size`,
    $\epsilon$; `temperature`, $T$; `diverging`, whether a weight was no longer finite, at any step.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params and a key, up to a constant:
            exact, or an unbiased estimate from a random batch.
        step_size: $\epsilon$, positive, or a schedule of it: `polynomial_decay`,
            `cyclical_step_size`, or one of optax, which must be made only once, because another
            object is another program.
        num_warmup: How many steps come before the first draw, 0 or more. Default: 1000.
        temperature: $T$, 0 or more, or a schedule of it: `cyclical_temperature`. At 1 the
            posterior is sampled, at 0 the log density is climbed without noise. Default: 1.

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If the log density does not take params and a key, or a schedule is no function
            of the number of steps.

    Examples:
        >>> logdensity = posterior.minibatch_logdensity(32)
        >>> method = ob.methods.sgld(logdensity, step_size=1e-5, num_warmup=10)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, thin=5, key=key)
        >>> bool(samples.stats["diverging"].any())
        False

    Source: Welling and Teh (2011), Bayesian Learning via Stochastic Gradient Langevin Dynamics,
    equation 4, with $\epsilon$ in place of their $\epsilon / 2$. The covariance follows from
    equating those of $w$ and $w'$.
    """
    check_stochastic(logdensity)
    check_step_size(step_size)
    check_temperature(temperature)
    return Method(
        init=init,
        step=Partial(_step, _Settings(step_size, temperature), logdensity),
        num_warmup=num_warmup,
        reduce_stats=REDUCE_STATS,
    )


def init(position: Params, key: Key) -> StochasticGradientState:
    """The state that begins at a position."""
    del key  # every method gets a key, but the start is not random
    return StochasticGradientState(position, jnp.zeros((), jnp.int32))


def _step(
    settings: _Settings, logdensity: StochasticLogDensity, state: StochasticGradientState, key: Key
) -> tuple[StochasticGradientState, Stats]:
    from blackjax.sgmcmc.diffusions import overdamped_langevin  # late: its import computes

    key_batch, key_noise = jax.random.split(key)
    step_size = value_at(settings.step_size, state.num_steps)
    temperature = value_at(settings.temperature, state.num_steps)
    lp, gradient = jax.value_and_grad(logdensity)(state.position, key_batch)
    position = overdamped_langevin()(key_noise, state.position, gradient, step_size, temperature)
    position = with_statistics_of(state.position, cast(position, state.position))
    stats = statistics(lp, step_size, temperature, position)
    return StochasticGradientState(position, state.num_steps + 1), stats


def cast(tree: Params, like: Params) -> Params:
    """The tree with the dtypes of another one."""
    return jax.tree.map(lambda leaf, old: leaf.astype(old.dtype), tree, like)


def statistics(
    lp: Float[Array, ""],
    step_size: Float[Array, ""],
    temperature: Float[Array, ""],
    position: Params,
) -> Stats:
    """The statistics of a step that ends at a position."""
    is_finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(position)]
    return {
        "lp": lp,
        "step_size": step_size,
        "temperature": temperature,
        "diverging": ~jnp.stack(is_finite).all(),
    }
