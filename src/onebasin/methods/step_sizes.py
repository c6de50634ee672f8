"""Schedules: step sizes and temperatures as functions of the number of steps taken."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Float, Int

from onebasin._arguments import check_count, check_positive, check_takes
from onebasin._frozen_partial import FrozenPartial
from onebasin.types import Array

Schedule: TypeAlias = Callable[[Int[Array, ""]], Float[Array, ""]]
"""A number that depends on how many steps were taken, warm-up included. Those of optax fit."""


def polynomial_decay(first: float, *, delay: float = 1000.0, power: float = 0.55) -> Schedule:
    r"""Step sizes that decay slowly enough for SGLD to converge to the posterior.

    After $t$ steps the step size is $\epsilon_0 (1 + t / b)^{-\gamma}$. It begins at `first`,
    $\epsilon_0$, and falls once $t$ is as large as `delay`, $b$. With `power`, $\gamma$, in
    (.5, 1], the step sizes have an infinite sum and a finite sum of squares. Two schedules of the
    same numbers are equal, so that a method made again is not compiled again.

    Raises:
        ValueError: If a number is out of its range.

    Examples:
        >>> step_size = ob.methods.polynomial_decay(0.1, delay=10.0, power=1.0)
        >>> print(step_size(jnp.array([0, 10, 90])))
        [0.1  0.05 0.01]

    Source: Welling and Teh (2011), Bayesian Learning via Stochastic Gradient Langevin Dynamics,
    equation 2 and section 5.1, with $a = \epsilon_0 b^\gamma$.
    """
    check_positive("first", first)
    check_positive("delay", delay)
    if not 0.5 < power <= 1:
        raise ValueError(f"power must lie in (0.5, 1]. Got {power}.")
    return FrozenPartial(_polynomial_decay, first, delay, power)


def cyclical_step_size(first: float, cycle_length: int) -> Schedule:
    r"""Step sizes that fall along a cosine in every cycle, and jump back at its end.

    After $t$ steps the step size is
    $\tfrac{\epsilon_0}{2} [\cos(\pi\, (t \bmod C) / C) + 1]$ with `first`, $\epsilon_0$, and
    `cycle_length`, $C$. The large steps at the beginning of a cycle are meant to leave a mode, the
    small steps at its end to sample one. Give it to `sgld` or `sghmc` together with
    `cyclical_temperature` of the same cycle length. Two schedules of the same numbers are equal.

    Raises:
        ValueError: If first is not positive, or cycle_length is below 2.

    Examples:
        One draw from the end of each of five cycles:

        >>> method = ob.methods.sgld(
        ...     posterior.minibatch_logdensity(32),
        ...     step_size=ob.methods.cyclical_step_size(1e-4, 50),
        ...     temperature=ob.methods.cyclical_temperature(50),
        ...     num_warmup=100,  # two cycles
        ... )
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=5, thin=50, key=key)
        >>> samples.stats["temperature"].min()
        np.float32(1.0)

    Source: Zhang et al. (2020), arXiv 1902.03932, equation 1, with $t = k - 1$.
    """
    check_positive("first", first)
    check_count("cycle_length", cycle_length, 2)
    return FrozenPartial(_cyclical_step_size, first, cycle_length)


def cyclical_temperature(
    cycle_length: int, *, exploration: float = 0.8, temperature: float = 1.0
) -> Schedule:
    r"""Temperatures that are 0 in the exploration stage of every cycle, and not in the other.

    The first `exploration` of a cycle, a share in [0, 1), climbs the log density without noise. The
    rest samples at `temperature`. To keep the last draw of every cycle, give `sample` a `thin` of
    `cycle_length`, and the method a `num_warmup` that is a multiple of it. If `thin` is smaller,
    some draws come from the exploration stage: leave out those whose statistic `temperature` is 0.
    Two schedules of the same numbers are equal.

    Raises:
        ValueError: If a number is out of its range.

    Examples:
        >>> temperature = ob.methods.cyclical_temperature(4, exploration=0.5)
        >>> print(temperature(jnp.arange(6)))
        [0. 0. 1. 1. 0. 0.]

    Source: Zhang et al. (2020), arXiv 1902.03932, algorithm 1.
    """
    check_count("cycle_length", cycle_length, 2)
    if not 0 <= exploration < 1:
        raise ValueError(f"exploration must lie in [0, 1). Got {exploration}.")
    check_positive("temperature", temperature)
    return FrozenPartial(_cyclical_temperature, cycle_length, exploration, temperature)


def check_step_size(step_size: float | Schedule) -> None:
    """Refuse a step size that is not positive, or no function of the number of steps.

    Raises: ValueError or TypeError.
    """
    _check_kind("step_size", step_size, "polynomial_decay(1e-4)")
    if not callable(step_size):
        check_positive("step_size", step_size)


def check_temperature(temperature: float | Schedule) -> None:
    """Refuse a temperature that is negative, or no function of the number of steps.

    Raises: ValueError or TypeError.
    """
    _check_kind("temperature", temperature, "cyclical_temperature(1000)")
    if not callable(temperature) and not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be in the range [0, inf). Got {temperature}.")


def value_at(schedule: float | Schedule, num_steps: Int[Array, ""]) -> Any:
    """The value of a schedule, or the number itself, as a float array.

    Its type is not given, because BlackJAX calls it a float.
    """
    return jnp.asarray(schedule(num_steps) if callable(schedule) else schedule, float)


def _polynomial_decay(first: float, delay: float, power: float, step: Array) -> Array:
    return first * (1 + step / delay) ** -power


def _cyclical_step_size(first: float, cycle_length: int, step: Array) -> Array:
    return first / 2 * (jnp.cos(jnp.pi * (step % cycle_length) / cycle_length) + 1)


def _cyclical_temperature(
    cycle_length: int, exploration: float, temperature: float, step: Array
) -> Array:
    is_exploring = step % cycle_length < exploration * cycle_length
    return jnp.where(is_exploring, 0.0, temperature)


def _check_kind(name: str, schedule: float | Schedule, example: str) -> None:
    if not isinstance(schedule, (int, float)):
        check_takes(name, schedule, ("num_steps",), f"Pass a float or {example}.")
