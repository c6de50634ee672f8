"""laplace and last_layer_laplace: Gaussians by the curvature at a maximum a posteriori."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from jaxtyping import Float, Int

from onebasin import _trees
from onebasin._arguments import check_count, check_positive, check_takes
from onebasin._collections import with_statistics_of, without_statistics
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.ensemble import climb
from onebasin.methods.method import Method, StochasticLogDensity, check_stochastic
from onebasin.methods.reductions import Stats
from onebasin.types import Array, Key, LogDensity, Params

_ROWS_AT_ONCE = 16
"""How many rows of a Hessian are computed together."""

_Unravel: TypeAlias = Callable[[Any], Params]


class LaplaceState(NamedTuple):
    r"""A draw, the mode, what deviations from it are made with, and the state of training.

    `scale` gives deviations from standard normal noise: the std of each weight, or for the block of
    `last_layer_laplace` a matrix $F$ whose $F F^\top$ is the covariance. `num_raised` counts the
    precisions that were below `least_precision`. Both are 0 before the first draw.
    """

    position: Params
    mode: Params
    scale: Float[Array, " weights"] | Float[Array, "weights weights"]
    num_raised: Int[Array, ""]
    optimizer_state: Any
    num_steps: Int[Array, ""]


class _Settings(NamedTuple):
    num_steps: int
    least_precision: float
    leaves: tuple[str, ...] | None
    optimizer: optax.GradientTransformation


class _Densities(NamedTuple):
    exact: LogDensity
    training: StochasticLogDensity


def laplace(
    logdensity: LogDensity,
    *,
    least_precision: float,
    num_steps: int = 2000,
    minibatch_logdensity: StochasticLogDensity | None = None,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    r"""A method that trains to a mode and fits one Gaussian for each weight to its curvature.

    First it climbs to a mode $w^*$ as `deep_ensemble` does. There it takes the diagonal of
    $-\nabla^2 \log p(w, D)$ on all data as the precisions $\lambda_i$ of independent Gaussians, by
    one Hessian-vector product for each weight. Then draws come from
    $\mathcal N(w^*_i, 1 / \max(\lambda_i, \lambda_0))$, which `method.gaussian(state)` gives. At
    the end of training of a network some $\lambda_i$ are negative. They are raised to
    `least_precision`, $\lambda_0$. `state.num_raised` says how many were raised: if they are many,
    train longer. Where weights correlate, variances are too small. Its statistic is `lp`, an
    estimate of the log density in nats: at the draw itself, and, while training, where the step
    began.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and twice differentiable.
        least_precision: $\lambda_0$, positive, in inverse squares of the weights' units. That of
            the prior, `1 / prior_std**2`, ignores negative curvature of the likelihood.
        num_steps: How many steps of the optimizer are taken, 0 or more. With 0 the positions are
            modes already, such as the members of a deep ensemble. Default: 2000.
        minibatch_logdensity: What training climbs, a function of params and a key: an unbiased
            estimate of `logdensity` from a random batch. Default: `logdensity` itself.
        optimizer: What makes steps of gradients. Default: Adam with a learning rate of 1e-3. Make
            it once: another object is another program.

    Raises:
        ValueError: If num_steps is negative, or least_precision is not positive.
        TypeError: If a log density takes other arguments.

    Examples:
        >>> import optax
        >>> logdensity = lambda params: -((params - 1) ** 2).sum()  # a variance of 1/2
        >>> method = ob.methods.laplace(logdensity, least_precision=1.0, optimizer=optax.sgd(0.1))
        >>> drawn = ob.sample(method, jnp.zeros((1, 2)), num_draws=1, key=key)
        >>> gaussian = method.gaussian(jax.tree.map(lambda leaf: leaf[0], drawn.last_state))
        >>> gaussian.std.round(3)
        Array([0.707, 0.707], dtype=float32)

    Source: MacKay (1992), A Practical Bayesian Framework for Backpropagation Networks, section 2;
    Daxberger et al. (2021), arXiv 2106.14806, section 2, for the diagonal.
    """
    settings = _check(num_steps, least_precision, None, optimizer)
    densities = _densities(logdensity, minibatch_logdensity)
    return _method(settings, densities, _gaussian)


def last_layer_laplace(
    logdensity: LogDensity,
    leaves: Sequence[str],
    *,
    least_precision: float,
    num_steps: int = 2000,
    minibatch_logdensity: StochasticLogDensity | None = None,
    optimizer: optax.GradientTransformation | None = None,
) -> Method:
    r"""A method that trains to a mode and fits a Gaussian to the curvature of a few leaves there.

    First it climbs to a mode as `deep_ensemble` does. There it takes the block $H$ of
    $-\nabla^2 \log p(w, D)$ that belongs to `leaves`, on all data. Then draws of these leaves come
    from the Gaussian around the mode with covariance $H^{-1}$. All other weights stay at the mode.

    The covariance is full, so `method.gaussian` is None: `summarize` the draws for a mean and a std
    of each weight. Memory grows with the square of the number of weights in `leaves`. For the last
    layer under a softmax, Gaussian or Poisson likelihood, $H$ is the generalized Gauss-Newton
    matrix, and none of its eigenvalues is below the smallest precision of the prior, but for
    rounding. For other leaves or likelihoods eigenvalues may be negative. They are raised to
    `least_precision`, and `state.num_raised` says how many. Its statistic is `lp`, as that of
    `laplace`.

    Args:
        logdensity: $\log p(w, D)$ in nats as a function of params alone, up to a constant, exact
            and twice differentiable.
        leaves: The paths of the leaves that vary, such as `("out/kernel", "out/bias")`.
        least_precision: The smallest eigenvalue of $H$ that is let through, positive, in inverse
            squares of the weights' units, such as `1 / prior_std**2`.
        num_steps: How many steps of the optimizer are taken, 0 or more. With 0 the positions are
            modes already, such as the members of a deep ensemble. Default: 2000.
        minibatch_logdensity: What training climbs, a function of params and a key: an unbiased
            estimate of `logdensity` from a random batch. Default: `logdensity` itself.
        optimizer: What makes steps of gradients. Default: Adam with a learning rate of 1e-3. Make
            it once: another object is another program.

    Raises:
        ValueError: If num_steps is negative, least_precision is not positive, or there are no
            leaves of these paths.
        TypeError: If a log density takes other arguments.

    Examples:
        >>> method = ob.methods.last_layer_laplace(
        ...     posterior.logdensity, ("out/kernel", "out/bias"), least_precision=1.0, num_steps=10
        ... )
        >>> positions = ob.methods.inits(posterior.init, 2, key=key)
        >>> samples = ob.sample(method, positions, num_draws=10, key=key)
        >>> stds = samples.select_chains(0).std()
        >>> bool((stds["out"]["bias"] > 0).all()), bool((stds["hidden_0"]["bias"] == 0).all())
        (True, True)

    Source: Daxberger et al. (2021), arXiv 2106.14806, section 2, for last-layer Laplace.
    """
    if isinstance(leaves, str) or not leaves:
        raise ValueError(
            f"leaves must hold one path or more. Got {leaves!r}. "
            'Pass paths of leaves, such as ("out/kernel", "out/bias").'
        )
    settings = _check(num_steps, least_precision, tuple(leaves), optimizer)
    return _method(settings, _densities(logdensity, minibatch_logdensity), None)


def _check(
    num_steps: int,
    least_precision: float,
    leaves: tuple[str, ...] | None,
    optimizer: optax.GradientTransformation | None,
) -> _Settings:
    check_count("num_steps", num_steps, 0)
    check_positive("least_precision", least_precision)
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    return _Settings(num_steps, least_precision, leaves, optimizer)


def _densities(exact: LogDensity, training: StochasticLogDensity | None) -> _Densities:
    hint = "Laplace needs it exact: pass an estimate as minibatch_logdensity."
    check_takes("logdensity", exact, ("params",), hint)
    if training is None:
        return _Densities(exact, Partial(_without_key, exact))
    check_stochastic(training)
    return _Densities(exact, training)


def _without_key(logdensity: LogDensity, params: Params, key: Key) -> Array:
    del key
    return logdensity(params)


def _method(
    settings: _Settings,
    densities: _Densities,
    gaussian: Callable[[LaplaceState], DiagonalGaussian] | None,
) -> Method:
    return Method(
        init=Partial(_init, settings),
        step=Partial(_step, settings, densities),
        num_warmup=settings.num_steps,
        gaussian=gaussian,
        reduce_stats={"lp": "last"},
    )


def _gaussian(state: LaplaceState) -> DiagonalGaussian:
    _, unravel = _raveled(None, state.mode)
    zeros = jax.tree.map(jnp.zeros_like, state.mode)
    return DiagonalGaussian(state.mode, with_statistics_of(zeros, unravel(state.scale)))


def _init(settings: _Settings, position: Params, key: Key) -> LaplaceState:
    del key  # every method gets a key, but the start of training is not random
    flat, _ = _raveled(settings.leaves, position)
    shape = flat.shape if settings.leaves is None else flat.shape * 2
    zero = jnp.zeros((), jnp.int32)
    scale = jnp.zeros(shape, flat.dtype)
    optimizer_state = settings.optimizer.init(position)
    return LaplaceState(position, position, scale, zero, optimizer_state, zero)


def _step(
    settings: _Settings, densities: _Densities, state: LaplaceState, key: Key
) -> tuple[LaplaceState, Stats]:
    key_draw, key_batch = jax.random.split(key)
    is_training = state.num_steps < settings.num_steps
    choose = partial(jnp.where, is_training)

    def measure(turn: Array, _: tuple[Array, Array]) -> tuple[Array, Array]:
        # Bound to the turn, or the compiler would compute it at every step, ahead of the loop.
        mode, _ = jax.lax.optimization_barrier((state.mode, turn))
        return _measure(settings, densities.exact, mode)

    # A loop of one turn or none: vectorized chains would compute a branch at every step.
    is_due = (state.num_steps == settings.num_steps).astype(jnp.int32)
    scale, num_raised = jax.lax.fori_loop(0, is_due, measure, (state.scale, state.num_raised))
    point = jax.tree.map(choose, state.mode, _draw(settings.leaves, state.mode, scale, key_draw))
    lp, climbed, optimizer_state = climb(
        settings.optimizer, densities.training, point, state.optimizer_state, key_batch
    )
    state = LaplaceState(
        position=jax.tree.map(choose, climbed, point),
        mode=jax.tree.map(choose, climbed, state.mode),
        scale=scale,
        num_raised=num_raised,
        optimizer_state=jax.tree.map(choose, optimizer_state, state.optimizer_state),
        num_steps=state.num_steps + 1,
    )
    return state, {"lp": lp}


def _measure(settings: _Settings, logdensity: LogDensity, mode: Params) -> tuple[Array, Array]:
    """The scale of deviations from a mode, and how many precisions were raised."""
    flat, unravel = _raveled(settings.leaves, mode)
    gradient = jax.grad(lambda flat: -logdensity(unravel(flat)))

    def row(index: Array) -> Array:
        basis = jnp.zeros_like(flat).at[index].set(1)
        return jax.jvp(gradient, (flat,), (basis,))[1]

    entries = row if settings.leaves is not None else lambda index: row(index)[index]
    indices = jnp.arange(flat.size)
    curvature = jax.lax.map(entries, indices, batch_size=min(_ROWS_AT_ONCE, flat.size))
    directions = None
    if settings.leaves is not None:
        curvature, directions = jnp.linalg.eigh(curvature)
    num_raised = (curvature < settings.least_precision).sum(dtype=jnp.int32)
    stds = 1 / jnp.sqrt(jnp.maximum(curvature, settings.least_precision))
    return (stds if directions is None else directions * stds[None]), num_raised


def _draw(leaves: tuple[str, ...] | None, mode: Params, scale: Array, key: Key) -> Params:
    flat, unravel = _raveled(leaves, mode)
    noise = jax.random.normal(key, flat.shape, flat.dtype)
    return unravel(flat + (scale * noise if leaves is None else scale @ noise))


def _raveled(leaves: tuple[str, ...] | None, mode: Params) -> tuple[jax.Array, _Unravel]:
    """The weights that vary as a vector, and how params of them and of the others are made."""
    if leaves is None:
        flat, unravel = ravel_pytree(without_statistics(mode))
        return flat, lambda flat: with_statistics_of(mode, unravel(flat))
    named = _trees.named_leaves(mode)
    unknown = sorted({*leaves} - {*named})
    if unknown:
        raise ValueError(
            f"leaves must be paths of the params, which are {', '.join(named)}. "
            f"Got {', '.join(map(repr, unknown))}."
        )
    flat, unravel = ravel_pytree([named[name] for name in leaves])

    def whole(flat: Any) -> Params:
        return _trees.rebuild(named | dict(zip(leaves, unravel(flat), strict=True)), mode)

    return flat, whole
