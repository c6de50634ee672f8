"""nuts: the No-U-Turn Sampler by BlackJAX, whose trajectories end where they begin to turn back."""

from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial

from onebasin._arguments import check_count, check_takes
from onebasin.methods.method import Method
from onebasin.methods.reductions import Reductions, Stats
from onebasin.methods.warm_up import (
    HAMILTONIAN_STATS,
    HMCState,
    WarmUp,
    after_draw,
    check_warm_up,
    first_state,
    stats_of,
)
from onebasin.types import Key, LogDensity, Params

_REDUCE_STATS: Reductions = {**HAMILTONIAN_STATS, "tree_depth": "max"}


class _Settings(NamedTuple):
    max_depth: int
    warm_up: WarmUp


@cache
def _kernel() -> Any:
    """BlackJAX's kernel, imported late: its import computes, which fixes JAX's devices."""
    from blackjax.mcmc.nuts import build_kernel

    return build_kernel()


def nuts(
    logdensity: LogDensity,
    *,
    max_depth: int = 10,
    step_size: float = 1e-3,
    num_warmup: int = 200,
    target_acceptance: float = 0.8,
    adapt_mass: bool = True,
) -> Method:
    r"""A method that samples by the No-U-Turn Sampler, which chooses the number of leapfrog steps.

    For each draw, momenta $r \sim \mathcal N(0, M)$ are drawn anew. The trajectory of $(w, r)$ is
    doubled, forwards or backwards at random, until its two ends move towards each other, or
    `max_depth` times. The draw is one of its points, chosen by their weights $e^{-H(w, r)}$ in
    favour of the last doubling, with $H(w, r) = -\log p(w, D) + \tfrac12 r^T M^{-1} r$.

    The warm-up is that of `hmc`.

    Draws differ in their cost. Chains that are vectorized together wait for the longest
    trajectory among them: pass `batch_size=1` to `sample` if trajectories differ much.

    Statistics: those of `hmc`, and `tree_depth`, the number of doublings. `acceptance_rate` is the
    mean over the trajectory of $\min(1, e^{H - H'})$, and `n_steps` the number of leapfrog steps,
    which is also that of gradients: at most $2^{\text{max depth}} - 1$.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and differentiable.
        max_depth: How often a trajectory doubles at most, 1 or more. Default: 10.
        step_size: The first $\epsilon$, positive. Default: 1e-3.
        num_warmup: How many draws adapt and are thrown away, 0 or more. Default: 200.
        target_acceptance: The mean acceptance probability that is aimed at, in (0, 1).
            Default: .8.
        adapt_mass: Whether $M$ adapts too. Default: True.

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If the log density takes other arguments than params.

    Examples:
        >>> method = ob.methods.nuts(posterior.logdensity, max_depth=3, num_warmup=5)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=5, key=key)
        >>> bool((samples.stats["n_steps"] <= 2**3 - 1).all())
        True

    Source: Hoffman and Gelman (2014), arXiv 1111.4246, for doubling and the warm-up; Betancourt
    (2017), arXiv 1701.02434, appendix A, for the weights; Phan, Pradhan and Jankowiak (2019),
    arXiv 1912.11554, for trajectories without recursion.
    """
    check_takes(
        "logdensity", logdensity, ("params",), "NUTS needs it exact: fix the key of an estimate."
    )
    check_count("max_depth", max_depth)
    warm_up = WarmUp(step_size, num_warmup, target_acceptance, adapt_mass)
    check_warm_up(warm_up)
    settings = _Settings(max_depth, warm_up)
    return Method(
        init=Partial(_init, settings, logdensity),
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=_REDUCE_STATS,
    )


def _init(settings: _Settings, logdensity: LogDensity, position: Params, key: Key) -> HMCState:
    del key  # every method gets a key, but the start of NUTS is not random
    return first_state(settings.warm_up, logdensity, position)


def _step(
    settings: _Settings, logdensity: LogDensity, state: HMCState, key: Key
) -> tuple[HMCState, Stats]:
    chain, info = _kernel()(
        key, state.chain, logdensity, state.step_size, state.inverse_mass, settings.max_depth
    )
    depth = jnp.asarray(info.num_trajectory_expansions, jnp.int32)
    stats = {**stats_of(state, chain, info), "tree_depth": depth}
    return after_draw(settings.warm_up, state, chain, info.acceptance_rate), stats
