"""adjusted_mclmc: microcanonical Monte Carlo with a Metropolis test, by BlackJAX. It is exact."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Float, Int

from onebasin._arguments import check_count, check_takes
from onebasin.methods.method import Method
from onebasin.methods.microcanonical import (
    GRADIENTS_PER_STEP,
    check_num_weights,
    check_scales,
    first_moments,
    first_scale,
    length_of,
    with_position,
)
from onebasin.methods.reductions import Reductions, Stats
from onebasin.methods.warm_up import (
    check_target,
    first_averaging,
    with_averaged_step_size,
    with_restarted_step_size,
)
from onebasin.types import Array, Key, LogDensity, Params

_REDUCE_STATS: Reductions = {
    "lp": "last",
    "acceptance_rate": "mean",
    "diverging": "any",
    "step_size": "last",
    "momentum_decoherence_length": "last",
    "n_steps": "sum",
}

# The numbers of blackjax.adaptation.adjusted_mclmc_adaptation.
_FIRST_STEP_SIZE = 0.2
_LENGTH_FACTOR = 1.3


class _BlackJAX(NamedTuple):
    init: Any
    kernel: Any
    random_num_steps: Any


@cache
def _blackjax() -> _BlackJAX:
    """What is used of BlackJAX, imported late: its import computes."""
    from blackjax.mcmc import adjusted_mclmc as blackjax_mclmc
    from blackjax.mcmc.adjusted_mclmc_dynamic import make_random_trajectory_length_fn

    return _BlackJAX(
        blackjax_mclmc.init,
        blackjax_mclmc.build_kernel(),
        make_random_trajectory_length_fn(True),
    )


class _Settings(NamedTuple):
    max_steps: int
    step_size: float | None
    num_warmup: int
    target_acceptance: float
    momentum_decoherence_length: float | None


class AdjustedMCLMCState(NamedTuple):
    """The state of adjusted MCLMC: BlackJAX's, the number of draws so far, and what is adapted."""

    chain: Any
    num_draws: Int[Array, ""]
    step_size: Float[Array, ""]
    length: Float[Array, ""]
    dual_averaging: Any
    moments: Any

    @property
    def position(self) -> Params:
        """The draw."""
        return self.chain.position


def adjusted_mclmc(
    logdensity: LogDensity,
    *,
    max_steps: int = 100,
    step_size: float | None = None,
    num_warmup: int = 200,
    target_acceptance: float = 0.9,
    momentum_decoherence_length: float | None = None,
) -> Method:
    r"""A method that samples by microcanonical Monte Carlo with a Metropolis test. It is exact.

    For each draw, a momentum $u$ of unit length is drawn anew. Then $(w, u)$ moves as in `mclmc`,
    but without noise, by a random number of steps of size $\epsilon$. The end is accepted with
    probability $\min(1, e^{-\Delta E})$, in which $\Delta E$ is the error of the energy. The number
    of steps is about uniform from 1 to twice its mean $L / \epsilon$, as trajectories of one
    length may be periodic. Each step takes two gradients.

    The warm-up moves $\epsilon$ of every chain to where `target_acceptance` is met, by dual
    averaging. After two thirds of it, $L$ becomes 1.3 times the root of the summed variances of the
    weights in its second third, and dual averaging begins anew. With `num_warmup=0` both stay.

    Statistics: `lp`, the log density in nats; `acceptance_rate`, the acceptance probability, whose
    mean over steps is kept if draws are thinned; `diverging`, whether the energy grew by more than
    1000, at any step; `step_size`, $\epsilon$; `momentum_decoherence_length`, $L$; `n_steps`, the
    number of gradients.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and differentiable, of 2 weights or more.
        max_steps: The largest mean number of steps of a draw, 1 or more, in place of
            $L / \epsilon$ if that is larger. Default: 100.
        step_size: The first $\epsilon$, positive, in units of the weights.
            Default: $\sqrt d / 5$ for $d$ weights.
        num_warmup: How many draws adapt and are thrown away, 0 or more. Default: 200.
        target_acceptance: The mean acceptance probability that is aimed at, in (0, 1).
            Default: .9.
        momentum_decoherence_length: The first $L$, positive. Default: $\sqrt d$.

    Raises:
        ValueError: If a number is out of its range, or there is one weight only.
        TypeError: If the log density takes other arguments than params.

    Examples:
        >>> method = ob.methods.adjusted_mclmc(posterior.logdensity, max_steps=5, num_warmup=10)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> bool((samples.stats["acceptance_rate"] <= 1).all())
        True

    Source: Robnik, Cohn-Gordon and Seljak (2025), arXiv 2503.01707. The stages of the warm-up are
    those of BlackJAX's `adjusted_mclmc_find_L_and_step_size`, which then sets $L$ to a multiple of
    $\epsilon$: here $L$ stays what the variances say.
    """
    check_takes(
        "logdensity", logdensity, ("params",), "MCLMC needs it exact: fix the key of an estimate."
    )
    check_count("max_steps", max_steps)
    check_count("num_warmup", num_warmup, 0)
    check_target(target_acceptance)
    check_scales(step_size, momentum_decoherence_length)
    settings = _Settings(
        max_steps, step_size, num_warmup, target_acceptance, momentum_decoherence_length
    )
    return Method(
        init=Partial(_init, settings, logdensity),
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=_REDUCE_STATS,
    )


def _init(
    settings: _Settings, logdensity: LogDensity, position: Params, key: Key
) -> AdjustedMCLMCState:
    del key  # every method gets a key, but the start of this one is not random
    check_num_weights(position)
    step_size = first_scale(settings.step_size, _FIRST_STEP_SIZE, position)
    return AdjustedMCLMCState(
        chain=_blackjax().init(position, logdensity),
        num_draws=jnp.zeros((), jnp.int32),
        step_size=step_size,
        length=first_scale(settings.momentum_decoherence_length, 1.0, position),
        dual_averaging=first_averaging(settings.target_acceptance, step_size),
        moments=first_moments(position),
    )


def _step(
    settings: _Settings, logdensity: LogDensity, state: AdjustedMCLMCState, key: Key
) -> tuple[AdjustedMCLMCState, Stats]:
    key, key_steps = jax.random.split(key)
    mean_steps = jnp.clip(state.length / state.step_size, 1, settings.max_steps)
    num_steps = _blackjax().random_num_steps(key_steps, mean_steps)
    chain, info = _blackjax().kernel(
        key, state.chain, logdensity, state.step_size, integration_steps_params=(num_steps,)
    )
    stats = {
        "lp": chain.logdensity,
        "acceptance_rate": info.acceptance_rate,
        "diverging": info.is_divergent,
        "step_size": state.step_size,
        "momentum_decoherence_length": state.length,
        "n_steps": GRADIENTS_PER_STEP * num_steps,
    }
    state = state._replace(chain=chain, num_draws=state.num_draws + 1)
    if settings.num_warmup == 0:
        return state, stats
    adapt = lambda: _adapted(settings, state, info.acceptance_rate)
    return jax.lax.cond(state.num_draws <= settings.num_warmup, adapt, lambda: state), stats


def _adapted(
    settings: _Settings, state: AdjustedMCLMCState, acceptance: Float[Array, ""]
) -> AdjustedMCLMCState:
    """The state after a draw of the warm-up."""
    third = settings.num_warmup // 3
    is_last = state.num_draws == settings.num_warmup
    state = with_averaged_step_size(settings.target_acceptance, state, acceptance, is_last)
    is_second_third = (state.num_draws > third) & (state.num_draws <= 2 * third)
    see = lambda: state._replace(moments=with_position(state.moments, state.position))
    state = jax.lax.cond(is_second_third, see, lambda: state)
    end = lambda: _with_length(settings, state)
    return jax.lax.cond(state.num_draws == 2 * third, end, lambda: state)


def _with_length(settings: _Settings, state: AdjustedMCLMCState) -> AdjustedMCLMCState:
    """Take the length from the variances, and restart the step size."""
    length = length_of(state.moments, state.length, _LENGTH_FACTOR)
    return with_restarted_step_size(settings.target_acceptance, state._replace(length=length))
