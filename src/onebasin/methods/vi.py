"""mean_field_vi and refine: fits of one independent Gaussian for each weight."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._arguments import check_count, check_positive
from onebasin._collections import map_statistics, without_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Stats
from onebasin.types import Array, Key, Params

DrawsObjective: TypeAlias = Callable[[Params, Key], Float[Array, ""]]
"""What a fit maximizes, a function of several draws (leaves lead with the draw) and a key."""


class VIState(NamedTuple):
    """A draw, the Gaussian's mean and log std, the optimizer's state and the steps taken."""

    position: Params
    mean: Params
    log_std: Params
    optimizer_state: Any
    num_steps: Int[Array, ""]


class _Settings(NamedTuple):
    num_steps: int
    num_particles: int
    optimizer: optax.GradientTransformation


class _Problem(NamedTuple):
    """The arrays that a fit depends on: they travel as arguments of the compiled program."""

    objective: DrawsObjective
    init_std: Params | float
    anchor: DiagonalGaussian | None
    entropy: Float[Array, ""]
    pull: Float[Array, ""]


def mean_field_vi(
    logdensity: StochasticLogDensity,
    *,
    num_steps: int = 5000,
    num_particles: int = 1,
    init_std: float = 0.05,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    r"""A method that fits one independent Gaussian for each weight to a posterior.

    $\max_q \mathrm E_q[\log p(w, D)] + \mathrm H[q]$ (the ELBO, in nats) over
    $q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$, by gradients of reparameterized draws
    $\mu + \sigma \varepsilon$. $\mu$ begins at the position, $\sigma$ at `init_std`. After
    `num_steps` steps, draws come from $q$, which `method.gaussian(state)` gives. It underestimates
    the variances of weights that are correlated. Its statistic is `elbo`, up to the posterior's
    constant.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params and a key, up to a constant:
            exact, or an unbiased estimate from a random batch.
        num_steps: How many steps of the optimizer are taken, 1 or more. Default: 5000.
        num_particles: How many draws of $q$ estimate each gradient, 1 or more. Default: 1.
        init_std: The first $\sigma$ of all weights, positive, in their units. Default: .05.
        optimizer: What makes steps of gradients. Default: Adam with a learning rate of 1e-3. Make
            it once: another object is another program.

    Raises:
        ValueError: If a count is below 1, or init_std is not positive.
        TypeError: If the log density does not take params and a key.

    Examples:
        >>> logdensity = lambda params, key: -0.5 * (params**2).sum()  # a standard normal
        >>> chosen = {"num_particles": 8, "init_std": 0.8, "num_steps": 2000}
        >>> method = ob.methods.mean_field_vi(logdensity, **chosen)
        >>> drawn = ob.sample(method, jnp.ones((1, 3)), num_draws=1, key=key)
        >>> method.gaussian(jax.tree.map(lambda leaf: leaf[0], drawn.last_state)).std.round(1)
        Array([1., 1., 1.], dtype=float32)

    Source: Kingma and Welling (2014), arXiv 1312.6114, section 2.3; Blundell et al. (2015),
    arXiv 1505.05424, section 3, for weights.
    """
    check_stochastic(logdensity)
    check_positive("init_std", init_std)
    settings = _check(num_steps, num_particles, optimizer)
    objective = mean_logdensity(logdensity)
    return _method(settings, _Problem(objective, init_std, None, jnp.ones(()), jnp.zeros(())))


def refine(
    objective: DrawsObjective,
    anchor: DiagonalGaussian,
    *,
    init_std: Params | None = None,
    entropy: float = 1.0,
    pull: float = 0.0,
    num_steps: int = 3000,
    num_particles: int = 8,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    r"""A method that moves a Gaussian from where it stands to where an objective is larger.

    $\max_q \mathrm E[O(w_1 \dots w_S)] + h\, \mathrm H[q] - \lambda\, \mathrm{KL}(q \| a)$, in
    nats, over independent Gaussians $q$, of which $w_1 \dots w_S$ are draws. $q$ begins around the
    position. With $O$ the mean log density, $h = 1$ and $\lambda = 0$ this is variational
    inference. The larger $\lambda$, the nearer $q$ stays to $a$. In the end draws come from $q$,
    which `method.gaussian(state)` gives. Its statistic is `elbo`, the sum above without the pull.

    Args:
        objective: $O$ in nats, a function of draws, whose leaves lead with the draw, and a key:
            `mean_logdensity`, `predictive_match`, or a sum of your own.
        anchor: $a$, such as the mean and std of aligned samples. Its stds must be positive.
        init_std: The std that $q$ begins with, shaped like the params, in their units. Default:
            that of the anchor.
        entropy: $h$, 0 or more. At 0 nothing but the objective keeps stds from shrinking.
            Default: 1.
        pull: $\lambda$, 0 or more. Default: 0.
        num_steps: How many steps of the optimizer are taken, 1 or more. Default: 3000.
        num_particles: $S$, the number of draws that estimate each gradient, 1 or more. Default: 8.
        optimizer: What makes steps of gradients. Default: Adam with a learning rate of 1e-3. Make
            it once: another object is another program.

    Raises:
        ValueError: If a count is below 1, entropy or pull is negative, or a std of the anchor is 0.

    Examples:
        >>> anchor = ob.DiagonalGaussian(jnp.zeros(3), jnp.ones(3))
        >>> logdensity = lambda params, key: -0.5 * ((params - 2) ** 2).sum()
        >>> objective = ob.methods.mean_logdensity(logdensity)
        >>> method = ob.methods.refine(objective, anchor, pull=1.0)
        >>> drawn = ob.sample(method, jnp.zeros((1, 3)), num_draws=1, key=key)
        >>> method.gaussian(jax.tree.map(lambda leaf: leaf[0], drawn.last_state)).mean.round(1)
        array([1., 1., 1.], dtype=float32)

    Source: Blundell et al. (2015), arXiv 1505.05424, section 3, for $h = 1$ and $\lambda = 0$; the
    pull to an anchor is ours.
    """
    stds = jax.tree.leaves(without_statistics(anchor.std))
    if min(float(jnp.min(leaf)) for leaf in stds) <= 0:
        raise ValueError(
            "The anchor of a refinement must have a positive std for every weight. Got 0. "
            "Replace zeros by the smallest std that you want to tell apart."
        )
    for name, weight in {"entropy": entropy, "pull": pull}.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{name} must be in the range [0, inf). Got {weight}.")
    settings = _check(num_steps, num_particles, optimizer)
    anchor = DiagonalGaussian(anchor.mean, anchor.std)  # Monte Carlo errors may be NaN
    init_std = anchor.std if init_std is None else init_std
    weights = jnp.asarray(entropy, float), jnp.asarray(pull, float)
    return _method(settings, _Problem(objective, init_std, anchor, *weights))


def mean_logdensity(logdensity: StochasticLogDensity) -> DrawsObjective:
    r"""An objective for `refine`, in nats: the mean log density of the draws.

    $\tfrac1S \sum_s \log p(w_s, D)$ for draws $w_1 \dots w_S$, each with a key of its own. With it
    `refine` is variational inference, as `mean_field_vi`.

    Raises:
        TypeError: If the log density does not take params and a key.

    Examples:
        >>> objective = ob.methods.mean_logdensity(lambda params, key: params.sum())
        >>> float(objective(jnp.array([[1.0, 2.0], [3.0, 4.0]]), key))
        5.0
    """
    check_stochastic(logdensity)
    return Partial(_mean_logdensity, logdensity)


def _mean_logdensity(logdensity: StochasticLogDensity, draws: Params, key: Key) -> Array:
    num_draws = jax.tree.leaves(draws)[0].shape[0]
    return jax.vmap(logdensity)(draws, jax.random.split(key, num_draws)).mean()


def _check(
    num_steps: int, num_particles: int, optimizer: optax.GradientTransformation | None
) -> _Settings:
    check_count("num_steps", num_steps)
    check_count("num_particles", num_particles)
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    return _Settings(num_steps, num_particles, optimizer)


def _method(settings: _Settings, problem: _Problem) -> Method:
    return Method(
        init=Partial(_init, settings, problem),
        step=Partial(_step, settings, problem),
        num_warmup=settings.num_steps,
        gaussian=_gaussian,
        reduce_stats={"elbo": "last"},
    )


def _gaussian(state: VIState) -> DiagonalGaussian:
    std = jax.tree.map(jnp.exp, state.log_std)
    return DiagonalGaussian(state.mean, map_statistics(jnp.zeros_like, std))


def _init(settings: _Settings, problem: _Problem, position: Params, key: Key) -> VIState:
    del key  # every method gets a key, but the start of the mean is not random
    std = problem.init_std
    stds = jax.tree.map(lambda _: std, position) if isinstance(std, (int, float)) else std
    log_std = jax.tree.map(lambda w, s: jnp.log(jnp.full_like(w, s)), position, stds)
    optimizer_state = settings.optimizer.init((position, log_std))
    return VIState(position, position, log_std, optimizer_state, jnp.zeros((), jnp.int32))


def _step(
    settings: _Settings, problem: _Problem, state: VIState, key: Key
) -> tuple[VIState, Stats]:
    key_draws, key_objective = jax.random.split(key)

    def loss(variational: tuple[Params, Params]) -> tuple[Array, tuple[Array, Params]]:
        mean, log_std = variational
        q = DiagonalGaussian(mean, jax.tree.map(jnp.exp, log_std))
        draws = q.sample(settings.num_particles, key=key_draws)
        value = problem.objective(draws, key_objective) + problem.entropy * _entropy(log_std)
        penalty = 0.0 if problem.anchor is None else problem.pull * _divergence(q, problem.anchor)
        return penalty - value, (value, draws)

    now = (state.mean, state.log_std)
    (_, (value, draws)), gradient = jax.value_and_grad(loss, has_aux=True)(now)
    updates, optimizer_state = settings.optimizer.update(gradient, state.optimizer_state, now)
    updated: Any = optax.apply_updates(now, updates)
    mean, log_std = updated
    optimized = VIState(mean, mean, log_std, optimizer_state, state.num_steps + 1)
    drawn = state._replace(position=jax.tree.map(lambda leaf: leaf[0], draws))
    # With vectorized chains a branch would compute both sides anyway. Draws need few steps.
    is_optimizing = state.num_steps < settings.num_steps
    state = jax.tree.map(partial(jnp.where, is_optimizing), optimized, drawn)
    return state, {"elbo": value}


def _entropy(log_std: Params) -> Array:
    log_std = without_statistics(log_std)
    total = sum((leaf.sum() for leaf in jax.tree.leaves(log_std)), jnp.zeros(()))
    return total + 0.5 * _trees.size(log_std) * jnp.log(2 * jnp.pi * jnp.e)


def _divergence(q: DiagonalGaussian, anchor: DiagonalGaussian) -> Array:
    r"""$\mathrm{KL}(q \| a)$, summed over weights, in nats."""

    def divergence(mean: Array, std: Array, anchor_mean: Array, anchor_std: Array) -> Array:
        squares = (std**2 + (mean - anchor_mean) ** 2) / (2 * anchor_std**2)
        return (jnp.log(anchor_std / std) + squares - 0.5).sum()

    trees = q.mean, q.std, anchor.mean, anchor.std
    terms = jax.tree.map(divergence, *map(without_statistics, trees))
    return sum(jax.tree.leaves(terms), jnp.zeros(()))
