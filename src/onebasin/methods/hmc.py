"""hmc: Hamiltonian Monte Carlo by BlackJAX, adapting its step size (and mass) while it warms up."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._arguments import check_takes
from onebasin.methods.method import Method
from onebasin.methods.reductions import Reductions, Stats
from onebasin.types import Array, Key, LogDensity, Params

_REDUCE_STATS: Reductions = {
    "lp": "last",
    "energy": "last",
    "acceptance_rate": "mean",
    "diverging": "any",
    "step_size": "last",
}


class _BlackJAX(NamedTuple):
    init: Any
    kernel: Any
    mass_matrix_adaptation: Any
    dual_averaging_adaptation: Any
    build_schedule: Any


@cache
def _blackjax() -> _BlackJAX:
    """What is used of BlackJAX, imported late: its import computes, which fixes JAX's devices."""
    from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
    from blackjax.adaptation.staged_adaptation import build_schedule
    from blackjax.adaptation.step_size import dual_averaging_adaptation
    from blackjax.mcmc import hmc as blackjax_hmc

    return _BlackJAX(
        blackjax_hmc.init,
        blackjax_hmc.build_kernel(),
        mass_matrix_adaptation,
        dual_averaging_adaptation,
        build_schedule,
    )


class _Settings(NamedTuple):
    num_steps: int
    step_size: float
    num_warmup: int
    target_acceptance: float
    adapt_mass: bool


class HMCState(NamedTuple):
    """BlackJAX's `HMCState`, the number of steps taken, and what is adapted."""

    chain: Any
    num_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    inverse_mass: Float[Array, " weights"]
    dual_averaging: Any
    mass_adaptation: Any

    @property
    def position(self) -> Params:
        """The draw."""
        return self.chain.position


def hmc(
    logdensity: LogDensity,
    *,
    num_steps: int = 60,
    step_size: float = 1e-3,
    num_warmup: int = 200,
    target_acceptance: float = 0.8,
    adapt_mass: bool = False,
) -> Method:
    r"""A method that samples by Hamiltonian Monte Carlo, with a fixed number of leapfrog steps.

    For each draw, momenta $r \sim \mathcal N(0, M)$ are drawn anew. Then $(w, r)$ moves by
    `num_steps` leapfrog steps of size $\epsilon$ at constant
    $H(w, r) = -\log p(w, D) + \tfrac12 r^T M^{-1} r$, but for the error of the steps. The end, of
    energy $H'$, is accepted with probability $\min(1, e^{H - H'})$.

    The warm-up moves $\epsilon$ of every chain from `step_size` to where `target_acceptance` is
    met, by dual averaging. With `adapt_mass`, $M^{-1}$ becomes the variance of each weight in
    Stan's expanding windows. Otherwise $M$ is the identity. With `num_warmup=0` both stay.

    Statistics: `lp`, the log density in nats; `energy`, $H$; `acceptance_rate`, the acceptance
    probability, whose mean over steps is kept if draws are thinned; `diverging`, whether $H$ grew
    by more than 1000, at any step; `step_size`, $\epsilon$.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and differentiable.
        num_steps: How many leapfrog steps a draw takes, 1 or more. Default: 60.
        step_size: The first $\epsilon$, positive. Default: 1e-3.
        num_warmup: How many draws adapt and are thrown away, 0 or more. Default: 200.
        target_acceptance: The mean acceptance probability that is aimed at, in (0, 1).
            Default: .8.
        adapt_mass: Whether $M$ adapts too. Default: False.

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
    _check(num_steps, step_size, num_warmup, target_acceptance)
    settings = _Settings(num_steps, step_size, num_warmup, target_acceptance, adapt_mass)
    return Method(
        init=Partial(_init, settings, logdensity),
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=_REDUCE_STATS,
    )


def _check(num_steps: int, step_size: float, num_warmup: int, target_acceptance: float) -> None:
    if num_steps < 1:
        raise ValueError(f"num_steps must be an int in the range [1, inf). Got {num_steps}.")
    if not 0 < step_size < float("inf"):
        raise ValueError(f"step_size must be positive. Got {step_size}.")
    if num_warmup < 0:
        raise ValueError(f"num_warmup must be an int in the range [0, inf). Got {num_warmup}.")
    if not 0 < target_acceptance < 1:
        raise ValueError(f"target_acceptance must lie in (0, 1). Got {target_acceptance}.")


def _init(settings: _Settings, logdensity: LogDensity, position: Params, key: Key) -> HMCState:
    del key  # every method gets a key, but the start of HMC is not random
    init_averaging, _, _ = _blackjax().dual_averaging_adaptation(settings.target_acceptance)
    init_mass, _, _ = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    dtype = jax.tree.leaves(position)[0].dtype
    mass = init_mass(_trees.size(position))
    return HMCState(
        _blackjax().init(position, logdensity),
        jnp.zeros((), jnp.int32),
        jnp.asarray(settings.step_size, dtype),
        jnp.ones(_trees.size(position), dtype),
        init_averaging(jnp.asarray(settings.step_size, dtype)),
        mass,
    )


def _step(
    settings: _Settings, logdensity: LogDensity, state: HMCState, key: Key
) -> tuple[HMCState, Stats]:
    chain, info = _blackjax().kernel(
        key, state.chain, logdensity, state.step_size, state.inverse_mass, settings.num_steps
    )
    stats = {
        "lp": chain.logdensity,
        "energy": info.energy,
        "acceptance_rate": info.acceptance_rate,
        "diverging": info.is_divergent,
        "step_size": state.step_size,
    }
    state = state._replace(chain=chain, num_steps=state.num_steps + 1)
    if settings.num_warmup == 0:
        return state, stats
    adapt = lambda: _adapt(settings, state, info.acceptance_rate)
    return jax.lax.cond(state.num_steps <= settings.num_warmup, adapt, lambda: state), stats


def _adapt(settings: _Settings, state: HMCState, acceptance: Float[Array, ""]) -> HMCState:
    _, update, final = _blackjax().dual_averaging_adaptation(settings.target_acceptance)
    averaging = update(state.dual_averaging, acceptance)
    is_last = state.num_steps == settings.num_warmup
    step_size = jnp.where(is_last, final(averaging), jnp.exp(averaging.log_step_size))
    state = state._replace(
        dual_averaging=averaging, step_size=step_size.astype(state.step_size.dtype)
    )
    if not settings.adapt_mass:
        return state
    schedule = jnp.asarray(_blackjax().build_schedule(settings.num_warmup))
    is_slow, is_window_end = schedule[state.num_steps - 1]
    state = jax.lax.cond(is_slow == 1, lambda: _see(state), lambda: state)
    return jax.lax.cond(is_window_end == 1, lambda: _end_window(settings, state), lambda: state)


def _see(state: HMCState) -> HMCState:
    _, update, _ = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    return state._replace(mass_adaptation=update(state.mass_adaptation, state.position))


def _end_window(settings: _Settings, state: HMCState) -> HMCState:
    """Take the window's variances as inverse mass, reset them, and restart the step size."""
    _, _, final_mass = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    init, _, final = _blackjax().dual_averaging_adaptation(settings.target_acceptance)
    mass = final_mass(state.mass_adaptation)
    step_size = final(state.dual_averaging)
    return state._replace(
        mass_adaptation=mass,
        inverse_mass=mass.inverse_mass_matrix.astype(state.inverse_mass.dtype),
        dual_averaging=init(step_size),
        step_size=step_size.astype(state.step_size.dtype),
    )
