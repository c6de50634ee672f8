"""Method: the contract of every inference method, which `sample` runs.

A method is two pure functions. It knows a log density and params, nothing of networks.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from onebasin._arguments import check_count, check_key, check_takes
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.reductions import Reduction, Stats, check_reductions
from onebasin.types import Array, Key, Params

State: TypeAlias = Any
"""What a step hands to the next: a pytree with the draw as its `position`."""


@runtime_checkable
class Init(Protocol):
    """How the state of one chain begins."""

    def __call__(self, position: Params, /, *, key: Key) -> State:
        """The state that begins at a position."""
        ...


@runtime_checkable
class Step(Protocol):
    """One step of one chain: the next state, and the statistics of the step."""

    def __call__(self, state: State, /, *, key: Key) -> tuple[State, Stats]:
        """The next state and the statistics of the step, a dict of scalars."""
        ...


StochasticLogDensity: TypeAlias = Callable[[Params, Key], Float[Array, ""]]
"""A log density or an unbiased estimate of it from a random batch, in nats."""


def check_stochastic(logdensity: StochasticLogDensity) -> None:
    """Refuse a log density that does not take a key.

    Raises: TypeError.
    """
    hint = "Of one on all data make `lambda params, key: logdensity(params)`."
    check_takes("logdensity", logdensity, ("params", "key"), hint)


def _copied(reductions: Mapping[str, Reduction]) -> dict[str, Reduction]:
    # A dict whatever was given: JAX looks into it, and hashes the words that it finds.
    return dict(reductions)


class Method(eqx.Module):
    """An inference method: how its state begins, one step of it, and what becomes of statistics.

    If `init` and `step` are `jax.tree_util.Partial`s, the arrays they hold travel as arguments of
    the compiled program and not as constants in it. Methods that are made again from the same
    functions share one program. To change a field, use `dataclasses.replace`.

    Args:
        init: `init(position, key=key)` gives the state of one chain. `state.position` is its draw.
        step: `step(state, key=key)` gives the next state and the statistics of the step: a dict of
            scalars, by ArviZ's names (`lp`, `diverging`, `acceptance_rate`) if it has one.
        num_warmup: How many steps adapt or train before the first draw, 0 or more. `sample` throws
            their draws away. Default: 0.
        gaussian: `gaussian(state)` is the posterior of a method that ends in a Gaussian. Default:
            None, for a method that does not.
        reduce_stats: How the statistics of all steps between two kept draws become one number, by
            their names, if `sample` thins: `last` is the value at the kept draw itself; `mean`,
            `sum`, `min`, `max` and `any` are over all steps since the draw before. A statistic that
            is not named is reduced by `last`, so that it belongs to the draw beside it. Name those
            that count something, such as acceptances: what happens between kept draws is lost
            otherwise.

    Raises:
        ValueError: If reduce_stats names a reduction that is not known, or num_warmup is negative.

    Examples:
        >>> from collections import namedtuple
        >>> State = namedtuple("State", "position")
        >>> def step(state, key):  # a random walk
        ...     position = state.position + jax.random.normal(key, (3,))
        ...     return State(position), {"is_positive": position[0] > 0}
        >>> init = lambda position, key: State(position)
        >>> method = ob.methods.Method(init, step, reduce_stats={"is_positive": "mean"})
        >>> ob.sample(method, jnp.zeros((2, 3)), 5, thin=10, key=key).stats["is_positive"].shape
        (2, 5)
    """

    init: Init
    step: Step
    num_warmup: int = 0
    gaussian: Callable[[State], DiagonalGaussian] | None = None
    reduce_stats: Mapping[str, Reduction] = eqx.field(converter=_copied, default_factory=dict)

    def __check_init__(self):
        check_count("num_warmup", self.num_warmup, 0)
        check_reductions(self.reduce_stats)


def inits(init: Callable[[Key], Params], num_chains: int, *, key: Key) -> Params:
    """Starting positions for `sample`: `init` at one key for each chain, stacked.

    Raises:
        TypeError: If the key is none of JAX's.
        ValueError: If there is no chain.

    Examples:
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> positions["out"]["bias"].shape
        (2, 10)
    """
    check_key(key)
    check_count("num_chains", num_chains)
    return jax.tree.map(jnp.asarray, jax.vmap(init)(jax.random.split(key, num_chains)))
