"""mclmc: microcanonical Langevin Monte Carlo by BlackJAX, tuned while it warms up. Unadjusted."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Bool, Float, Int

from onebasin import _trees
from onebasin._arguments import check_count, check_positive, check_takes
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
from onebasin.types import Array, Key, LogDensity, Params

_REDUCE_STATS: Reductions = {
    "lp": "last",
    "energy_variance": "mean",
    "diverging": "any",
    "step_size": "last",
    "momentum_decoherence_length": "last",
    "n_steps": "sum",
}

# The numbers of `make_L_step_size_adaptation` in blackjax.adaptation.mclmc_adaptation.
_FIRST_STEP_SIZE = 0.25
_NUM_EFFECTIVE_SAMPLES = 150
_DECAY = (_NUM_EFFECTIVE_SAMPLES - 1) / (_NUM_EFFECTIVE_SAMPLES + 1)
_TRUST = 1.5
_ORDER = 6  # the energy's error has a variance that grows with the sixth power of the step size
_LEAST_RATIO = 1e-8
_SHRINK = 0.8  # the largest step size from now on, as a share of one that was not finite


@cache
def _blackjax() -> Any:
    """BlackJAX's module and its kernel, imported late: its import computes."""
    from blackjax.mcmc import mclmc as blackjax_mclmc

    return blackjax_mclmc.init, blackjax_mclmc.build_kernel()


class _Settings(NamedTuple):
    num_steps: int
    step_size: float | None
    num_warmup: int
    energy_variance: float
    momentum_decoherence_length: float | None


class MCLMCState(NamedTuple):
    """The state of MCLMC: BlackJAX's, the number of draws so far, and what is tuned."""

    chain: Any
    num_draws: Int[Array, ""]
    step_size: Float[Array, ""]
    length: Float[Array, ""]
    ratio_sum: Float[Array, ""]
    weight_sum: Float[Array, ""]
    largest: Float[Array, ""]
    moments: Any

    @property
    def position(self) -> Params:
        """The draw."""
        return self.chain.position


def mclmc(
    logdensity: LogDensity,
    *,
    num_steps: int = 30,
    step_size: float | None = None,
    num_warmup: int = 200,
    energy_variance: float = 5e-4,
    momentum_decoherence_length: float | None = None,
) -> Method:
    r"""A method that samples by microcanonical Langevin Monte Carlo. It is not exact.

    A momentum $u$ of unit length moves with the $d$ weights $w$ by
    $$dw = u\,dt, \qquad
    du = (1 - u u^T)\,\nabla \log p(w, D)\,\frac{dt}{d - 1}
    + \text{noise that forgets } u \text{ over the length } L,$$
    whose stationary density in $w$ is $p(w | D)$. Each draw is `num_steps` steps of size $\epsilon$
    of McLachlan's integrator, at two gradients a step.

    No step is ever rejected, so draws have a bias that grows with $\epsilon$. Choose it for speed,
    and check it against an exact method, such as `adjusted_mclmc` or `hmc`: it is no reference.

    The warm-up moves $\epsilon$ of every chain, after every integrator step, to where the energy
    $E$ changes by $\operatorname{E}[\Delta E^2] / d =$ `energy_variance`. After it, $L$ is the root
    of the summed variances of the weights in its second half. The later stage of BlackJAX, which
    takes $L$ from the autocorrelation of a whole chain, is left out. With `num_warmup=0` both stay.

    Statistics: `lp`, the log density in nats; `energy_variance`, the mean of $\Delta E^2 / d$ over
    the integrator steps, in nats squared; `diverging`, whether an integrator step was not finite
    and was undone; `step_size`, $\epsilon$ at the start of the draw; `momentum_decoherence_length`,
    $L$; `n_steps`, the number of gradients, which is twice `num_steps`.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and differentiable, of 2 weights or more.
        num_steps: How many integrator steps a draw takes, 1 or more. Default: 30.
        step_size: The first $\epsilon$, positive, in units of the weights. A first step size that
            is far too small takes a long warm-up to forget. Default: $\sqrt d / 4$.
        num_warmup: How many draws adapt and are thrown away, 0 or more. Default: 200.
        energy_variance: The energy error that is aimed at, positive. The smaller it is, the smaller
            the bias and the steps, which shrink with its sixth root. Default: 5e-4.
        momentum_decoherence_length: The first $L$, positive. Default: $\sqrt d$.

    Raises:
        ValueError: If a number is out of its range, or there is one weight only.
        TypeError: If the log density takes other arguments than params.

    Examples:
        >>> method = ob.methods.mclmc(posterior.logdensity, num_steps=5, num_warmup=10)
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> int(samples.stats["n_steps"][0, 0])  # two gradients a step
        10

    Source: Robnik, De Luca, Silverstein and Seljak (2023), arXiv 2212.08549; Robnik, Cohn-Gordon
    and Seljak (2024), arXiv 2412.08876, for the bias. The tuning is stages 1 and 2 of BlackJAX's
    `mclmc_find_L_and_step_size`.
    """
    check_takes(
        "logdensity", logdensity, ("params",), "MCLMC needs it exact: fix the key of an estimate."
    )
    check_count("num_steps", num_steps)
    check_count("num_warmup", num_warmup, 0)
    check_positive("energy_variance", energy_variance)
    check_scales(step_size, momentum_decoherence_length)
    settings = _Settings(
        num_steps, step_size, num_warmup, energy_variance, momentum_decoherence_length
    )
    return Method(
        init=Partial(_init, settings, logdensity),
        step=Partial(_step, settings, logdensity),
        num_warmup=num_warmup,
        reduce_stats=_REDUCE_STATS,
    )


def _init(settings: _Settings, logdensity: LogDensity, position: Params, key: Key) -> MCLMCState:
    check_num_weights(position)
    init, _ = _blackjax()
    step_size = first_scale(settings.step_size, _FIRST_STEP_SIZE, position)
    return MCLMCState(
        chain=init(position, logdensity, key),
        num_draws=jnp.zeros((), jnp.int32),
        step_size=step_size,
        length=first_scale(settings.momentum_decoherence_length, 1.0, position),
        ratio_sum=jnp.zeros_like(step_size),
        weight_sum=jnp.zeros_like(step_size),
        largest=jnp.full_like(step_size, jnp.inf),
        moments=first_moments(position),
    )


def _step(
    settings: _Settings, logdensity: LogDensity, state: MCLMCState, key: Key
) -> tuple[MCLMCState, Stats]:
    _, kernel = _blackjax()

    def advance(number: Array, carry: tuple[MCLMCState, Array, Array]):
        state, squares, is_diverging = carry
        chain, info = kernel(
            jax.random.fold_in(key, number),
            state.chain,
            logdensity,
            inverse_mass_matrix=1.0,
            L=state.length,
            step_size=state.step_size,
        )
        change = info.energy_change.astype(squares.dtype)
        state = _tuned(settings, state._replace(chain=chain), change, info.nonans)
        return state, squares + change**2, is_diverging | ~info.nonans

    begin = (state, jnp.zeros_like(state.step_size), jnp.asarray(False))
    after, squares, is_diverging = jax.lax.fori_loop(0, settings.num_steps, advance, begin)
    stats = {
        "lp": after.chain.logdensity,
        "energy_variance": squares / (settings.num_steps * _trees.size(state.position)),
        "diverging": is_diverging,
        "step_size": state.step_size,
        "momentum_decoherence_length": state.length,
        "n_steps": jnp.asarray(GRADIENTS_PER_STEP * settings.num_steps, jnp.int32),
    }
    return _after_draw(settings, after), stats


def _tuned(
    settings: _Settings, state: MCLMCState, change: Float[Array, ""], is_finite: Bool[Array, ""]
) -> MCLMCState:
    """The state after an integrator step, with another step size if it belongs to the warm-up."""
    if settings.num_warmup == 0:
        return state
    is_warm_up = state.num_draws < settings.num_warmup
    is_second_half = is_warm_up & (state.num_draws >= settings.num_warmup // 2)
    tune = lambda: _with_step_size(settings, state, change, is_finite)
    see = lambda: with_position(state.moments, state.position)
    moments = jax.lax.cond(is_second_half, see, lambda: state.moments)
    return jax.lax.cond(is_warm_up, tune, lambda: state)._replace(moments=moments)


def _with_step_size(
    settings: _Settings, state: MCLMCState, change: Float[Array, ""], is_finite: Bool[Array, ""]
) -> MCLMCState:
    r"""The step size at which $\operatorname{E}[\Delta E^2] \propto \epsilon^6$ meets its aim.

    Steps far from the aim count less, and old steps are forgotten. A step that is not finite only
    lowers the largest step size. Source: `predictor` in blackjax.adaptation.mclmc_adaptation.
    """
    aim = settings.energy_variance * _trees.size(state.position)
    ratio = change**2 / aim + _LEAST_RATIO
    weight = jnp.exp(-0.5 * (jnp.log(ratio) / (_ORDER * _TRUST)) ** 2)
    ratio_sum = _DECAY * state.ratio_sum + weight * ratio / state.step_size**_ORDER
    weight_sum = _DECAY * state.weight_sum + weight
    wanted = (ratio_sum / weight_sum) ** (-1 / _ORDER)
    moved = state._replace(
        step_size=jnp.minimum(wanted, state.largest), ratio_sum=ratio_sum, weight_sum=weight_sum
    )
    smaller = _SHRINK * state.step_size
    shrunk = state._replace(step_size=smaller, largest=smaller)
    return jax.tree.map(lambda a, b: jnp.where(is_finite, a, b), moved, shrunk)


def _after_draw(settings: _Settings, state: MCLMCState) -> MCLMCState:
    state = state._replace(num_draws=state.num_draws + 1)
    if settings.num_warmup == 0:
        return state
    is_last = state.num_draws == settings.num_warmup
    length = jnp.where(is_last, length_of(state.moments, state.length), state.length)
    return state._replace(length=length)
