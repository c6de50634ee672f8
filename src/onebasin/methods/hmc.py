"""hmc: Hamiltonian Monte Carlo by BlackJAX, adapting its step size (and mass) while it warms up."""

from functools import cache
from typing import Any, NamedTuple

import jax
from jax.tree_util import Partial

from onebasin._arguments import check_count, check_takes
from onebasin.methods.method import Method
from onebasin.methods.reductions import Stats
from onebasin.methods.warm_up import (
    HAMILTONIAN_STATS,
    HMCState,
    WarmUp,
    after_draw,
    check_warm_up,
    first_state,
    stats_of,
)
from onebasin.types import Array, Key, LogDensity, Params


class _Settings(NamedTuple):
    num_steps: int
    jitter: float
    warm_up: WarmUp


@cache
def _kernel() -> Any:
    """BlackJAX's kernel, imported late: its import computes, which fixes JAX's devices."""
    from blackjax.mcmc.hmc import build_kernel

    return build_kernel()


def hmc(
    logdensity: LogDensity,
    *,
    num_steps: int = 60,
    step_size: float = 1e-3,
    num_warmup: int = 200,
    target_acceptance: float = 0.65,
    adapt_mass: bool = True,
    jitter: float = 0.0,
) -> Method:
    r"""A method that samples by Hamiltonian Monte Carlo, with a given number of leapfrog steps.

    For each draw, momenta $r \sim \mathcal N(0, M)$ are drawn anew. Then $(w, r)$ moves by
    `num_steps` leapfrog steps of size $\epsilon$ at constant
    $H(w, r) = -\log p(w, D) + \tfrac12 r^T M^{-1} r$, but for the error of the steps. The end, of
    energy $H'$, is accepted with probability $\min(1, e^{H - H'})$.

    The warm-up moves $\epsilon$ of every chain from `step_size` to where `target_acceptance` is
    met, by dual averaging. With `adapt_mass`, $M^{-1}$ becomes the variance of each weight in
    Stan's expanding windows. Otherwise $M$ is the identity. With `num_warmup=0` both stay.

    Statistics: `lp`, the log density in nats; `energy`, $H$; `acceptance_rate`, the acceptance
    probability, whose mean over steps is kept if draws are thinned; `diverging`, whether $H$ grew
    by more than 1000, at any step; `step_size`, $\epsilon$; `n_steps`, the number of leapfrog
    steps, which is also that of gradients.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and differentiable.
        num_steps: How many leapfrog steps a draw takes, 1 or more. Default: 60.
        step_size: The first $\epsilon$, positive. Default: 1e-3.
        num_warmup: How many draws adapt and are thrown away, 0 or more. Default: 200.
        target_acceptance: The mean acceptance probability that is aimed at, in (0, 1).
            Default: .65, which gives more effective draws for a gradient than .8.
        adapt_mass: Whether $M$ adapts too. Default: True. It helps most if weights have very
            different scales.
        jitter: How far the number of leapfrog steps varies, in [0, 1). Each draw takes a random
            number of steps, uniform on the integers from $(1 - j) n$ to $(1 + j) n$, both rounded,
            and at least 1, for a jitter $j$ and `num_steps` $n$. It keeps trajectories from ending
            near their start again and again, as they do if their length is a period of the
            target. Default: 0, always `num_steps`.

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If the log density takes other arguments than params.

    Examples:
        >>> method = ob.hmc(posterior.logdensity, num_steps=5, num_warmup=10)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> bool((samples.stats["acceptance_rate"] <= 1).all())
        True

    Source: Neal (2011), arXiv 1206.1901, sections 2.3 and 3.2; Hoffman and Gelman (2014),
    arXiv 1111.4246, algorithm 5, for dual averaging.
    """
    check_takes(
        "logdensity", logdensity, ("params",), "HMC needs it exact: fix the key of an estimate."
    )
    check_count("num_steps", num_steps)
    if not 0 <= jitter < 1:
        raise ValueError(f"jitter must lie in [0, 1). Got {jitter}.")
    warm_up = WarmUp(step_size, num_warmup, target_acceptance, adapt_mass)
    check_warm_up(warm_up)
    settings = _Settings(num_steps, jitter, warm_up)
    return Method(
        init=Partial(_init, settings, logdensity),
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=HAMILTONIAN_STATS,
    )


def _init(settings: _Settings, logdensity: LogDensity, position: Params, key: Key) -> HMCState:
    del key  # every method gets a key, but the start of HMC is not random
    return first_state(settings.warm_up, logdensity, position)


def _step(
    settings: _Settings, logdensity: LogDensity, state: HMCState, key: Key
) -> tuple[HMCState, Stats]:
    num_steps, key = _num_steps(settings, key)
    chain, info = _kernel()(
        key, state.chain, logdensity, state.step_size, state.inverse_mass, num_steps
    )
    stats = stats_of(state, chain, info)
    return after_draw(settings.warm_up, state, chain, info.acceptance_rate), stats


def _num_steps(settings: _Settings, key: Key) -> tuple[int | Array, Key]:
    """The number of leapfrog steps of a draw, and the key of the rest of it."""
    num_steps, jitter = settings.num_steps, settings.jitter
    if jitter == 0:
        return num_steps, key
    key, key_steps = jax.random.split(key)
    fewest, most = max(1, round((1 - jitter) * num_steps)), round((1 + jitter) * num_steps)
    return jax.random.randint(key_steps, (), fewest, most + 1), key
