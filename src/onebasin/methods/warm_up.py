"""The warm-up that HMC and NUTS share: step size by dual averaging, mass in Stan's windows."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from onebasin import _trees
from onebasin._arguments import check_count, check_positive
from onebasin.methods.reductions import Reductions, Stats
from onebasin.types import Array, LogDensity, Params

HAMILTONIAN_STATS: Reductions = {
    "lp": "last",
    "energy": "last",
    "acceptance_rate": "mean",
    "diverging": "any",
    "step_size": "last",
    "n_steps": "sum",
}
"""The statistics of HMC, which are also among those of NUTS."""


class _BlackJAX(NamedTuple):
    init: Any
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
        blackjax_hmc.init, mass_matrix_adaptation, dual_averaging_adaptation, build_schedule
    )


class WarmUp(NamedTuple):
    """The settings of the warm-up: those of `hmc` and `nuts` by the same names."""

    step_size: float
    num_warmup: int
    target_acceptance: float
    adapt_mass: bool


class HMCState(NamedTuple):
    """The state of HMC and NUTS: BlackJAX's, the number of draws so far, and what is adapted."""

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


def check_target(target_acceptance: float) -> None:
    """Refuse a target acceptance outside of (0, 1).

    Raises: ValueError.
    """
    if not 0 < target_acceptance < 1:
        raise ValueError(f"target_acceptance must lie in (0, 1). Got {target_acceptance}.")


def check_warm_up(warm_up: WarmUp) -> None:
    """Refuse settings out of their range.

    Raises: ValueError.
    """
    check_positive("step_size", warm_up.step_size)
    check_count("num_warmup", warm_up.num_warmup, 0)
    check_target(warm_up.target_acceptance)


def first_state(warm_up: WarmUp, logdensity: LogDensity, position: Params) -> HMCState:
    """The state before the first draw."""
    init_mass, _, _ = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    dtype = jax.tree.leaves(position)[0].dtype
    step_size = jnp.asarray(warm_up.step_size, dtype)
    return HMCState(
        _blackjax().init(position, logdensity),
        jnp.zeros((), jnp.int32),
        step_size,
        jnp.ones(_trees.size(position), dtype),
        first_averaging(warm_up.target_acceptance, step_size),
        init_mass(_trees.size(position)),
    )


def first_averaging(target_acceptance: float, step_size: Float[Array, ""]) -> Any:
    """Dual averaging before the first draw."""
    init, _, _ = _blackjax().dual_averaging_adaptation(target_acceptance)
    return init(step_size)


def stats_of(state: HMCState, chain: Any, info: Any) -> Stats:
    """The statistics of a draw: the state before it, BlackJAX's state after it, and its info."""
    return {
        "lp": chain.logdensity,
        "energy": info.energy,
        "acceptance_rate": info.acceptance_rate,
        "diverging": info.is_divergent,
        "step_size": state.step_size,
        "n_steps": jnp.asarray(info.num_integration_steps, jnp.int32),
    }


def after_draw(
    warm_up: WarmUp, state: HMCState, chain: Any, acceptance: Float[Array, ""]
) -> HMCState:
    """The state after a draw, adapted if the draw belongs to the warm-up."""
    state = state._replace(chain=chain, num_steps=state.num_steps + 1)
    if warm_up.num_warmup == 0:
        return state
    adapt = lambda: _adapt(warm_up, state, acceptance)
    return jax.lax.cond(state.num_steps <= warm_up.num_warmup, adapt, lambda: state)


def _adapt(warm_up: WarmUp, state: HMCState, acceptance: Float[Array, ""]) -> HMCState:
    is_last = state.num_steps == warm_up.num_warmup
    state = with_averaged_step_size(warm_up.target_acceptance, state, acceptance, is_last)
    if not warm_up.adapt_mass:
        return state
    schedule = jnp.asarray(_blackjax().build_schedule(warm_up.num_warmup))
    is_slow, is_window_end = schedule[state.num_steps - 1]
    state = jax.lax.cond(is_slow == 1, lambda: _see(state), lambda: state)
    return jax.lax.cond(is_window_end == 1, lambda: _end_window(warm_up, state), lambda: state)


def _see(state: HMCState) -> HMCState:
    _, update, _ = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    return state._replace(mass_adaptation=update(state.mass_adaptation, state.position))


def _end_window(warm_up: WarmUp, state: HMCState) -> HMCState:
    """Take the window's variances as inverse mass, reset them, and restart the step size."""
    _, _, final_mass = _blackjax().mass_matrix_adaptation(is_diagonal_matrix=True)
    mass = final_mass(state.mass_adaptation)
    state = state._replace(
        mass_adaptation=mass,
        inverse_mass=mass.inverse_mass_matrix.astype(state.inverse_mass.dtype),
    )
    return with_restarted_step_size(warm_up.target_acceptance, state)


def with_averaged_step_size(
    target_acceptance: float, state: Any, acceptance: Float[Array, ""], is_last: Bool[Array, ""]
) -> Any:
    """A state after one more draw of dual averaging: the averaged step size if it is the last.

    The state is a named tuple with a `step_size` and its `dual_averaging`.
    """
    _, update, final = _blackjax().dual_averaging_adaptation(target_acceptance)
    averaging = update(state.dual_averaging, acceptance)
    step_size = jnp.where(is_last, final(averaging), jnp.exp(averaging.log_step_size))
    return state._replace(
        dual_averaging=averaging, step_size=step_size.astype(state.step_size.dtype)
    )


def with_restarted_step_size(target_acceptance: float, state: Any) -> Any:
    """A state whose dual averaging begins anew at the step size that it has averaged so far."""
    init, _, final = _blackjax().dual_averaging_adaptation(target_acceptance)
    step_size = final(state.dual_averaging)
    return state._replace(
        dual_averaging=init(step_size), step_size=step_size.astype(state.step_size.dtype)
    )
