"""The inference methods of a run with the settings of its config, and their progress in words."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np
import optax

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin._frozen_partial import FrozenPartial
from onebasin.diagnostics import Converged
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.adjusted_mclmc import adjusted_mclmc
from onebasin.methods.ensemble import deep_ensemble
from onebasin.methods.estimate import Estimate
from onebasin.methods.hmc import hmc
from onebasin.methods.laplace import laplace, last_layer_laplace
from onebasin.methods.mclmc import mclmc
from onebasin.methods.method import Method, StochasticLogDensity
from onebasin.methods.nuts import nuts
from onebasin.methods.sample import Progress
from onebasin.methods.sghmc import sghmc
from onebasin.methods.sgld import sgld
from onebasin.methods.step_sizes import (
    cyclical_step_size,
    cyclical_temperature,
    polynomial_decay,
)
from onebasin.methods.swag import swag
from onebasin.methods.vi import mean_field_vi
from onebasin.run.kinds import KINDS, MethodName
from onebasin.run.sections import MethodConfig
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.samples import Samples


def method_of(setup: Setup) -> Method:
    """The sampler of the config. What the config leaves out has the default of the builder."""
    chosen = setup.config.method
    builder, make = _BUILDERS[chosen.kind]
    keys = [key for key in KINDS[chosen.kind].keys if key not in _OF_SAMPLE]
    values = {key: getattr(chosen, key) for key in keys}
    given = {key: value for key, value in values.items() if value is not None}
    return make(builder, setup, **given)


_OF_SAMPLE = ("thin", "most_draws")
"""Keys that `sample` reads, not the builder."""


def until_of(setup: Setup) -> Converged | None:
    """When the draws of the sampler have converged. None if as many are drawn in any case."""
    chosen = setup.config.method
    if chosen.limit == chosen.num_draws:
        return None
    return Converged(least_draws=chosen.num_draws, quantities=setup.test_predictions)


def with_defaults(config: MethodConfig) -> MethodConfig:
    """The section of the sampler, with the defaults of its builder in place of None.

    What stays None is not read, or depends on the posterior.
    """
    builder, _ = _BUILDERS[config.kind]
    missing = {key for key in KINDS[config.kind].keys if getattr(config, key) is None}
    arguments = inspect.signature(builder).parameters
    found = {key: arguments[key].default for key in missing if key in arguments}
    known = {key: value for key, value in found.items() if value is not inspect.Parameter.empty}
    if "most_draws" in missing:
        known["most_draws"] = config.limit
    return config.model_copy(update=known)


def _exact_density(builder: Callable[..., Method], setup: Setup, **settings: Any) -> Method:
    return builder(setup.posterior.logdensity, **settings)


def _batches(
    builder: Callable[..., Method],
    setup: Setup,
    *,
    step_size: float,
    batch_size: int,
    schedule: str,
    **settings: Any,
) -> Method:
    """A method of stochastic gradients. In cycles, `thin` is the length of a cycle."""
    changing: Any = step_size
    if schedule == "polynomial":
        changing = polynomial_decay(step_size)
    if schedule == "cyclical":
        thin = setup.config.method.thin
        assert thin is not None
        changing = cyclical_step_size(step_size, thin)
        settings["temperature"] = cyclical_temperature(thin)
    return builder(minibatches(setup, batch_size), step_size=changing, **settings)


def _iterates(
    builder: Callable[..., Method],
    setup: Setup,
    *,
    learning_rate: float,
    batch_size: int,
    **settings: Any,
) -> Method:
    optimizer = _optimizer(optax.sgd, learning_rate)
    return builder(minibatches(setup, batch_size), optimizer=optimizer, **settings)


def _curvature(
    builder: Callable[..., Method], setup: Setup, least_precision: float | None = None
) -> Method:
    """A Laplace approximation at trained networks: the starts are the modes."""
    settings: dict[str, Any] = {}
    if builder is last_layer_laplace:  # the last layer of a built-in network is `out`
        names = _trees.named_leaves(setup.template)
        settings["leaves"] = [name for name in names if "out" in name.split("/")]
    precision = least_precision or _prior_precision(setup)
    density = setup.posterior.logdensity
    return builder(density, least_precision=precision, num_steps=0, **settings)


def _prior_precision(setup: Setup) -> float:
    """The smallest precision that the prior gives a weight."""
    stds = jax.tree.leaves(without_statistics(setup.posterior.prior_std))
    return 1 / max(float(np.max(std)) for std in stds) ** 2


_BUILDERS: dict[MethodName, tuple[Callable[..., Method], Callable[..., Method]]] = {
    "hmc": (hmc, _exact_density),
    "nuts": (nuts, _exact_density),
    "mclmc": (mclmc, _exact_density),
    "adjusted_mclmc": (adjusted_mclmc, _exact_density),
    "sgld": (sgld, _batches),
    "sghmc": (sghmc, _batches),
    "swag": (swag, _iterates),
    "laplace": (laplace, _curvature),
    "last_layer_laplace": (last_layer_laplace, _curvature),
}
"""The builder of each kind, and the function that gives it the posterior and the settings."""


def ensemble_of(setup: Setup) -> Method:
    """The training of maximum a posteriori networks."""
    chosen = setup.config.ensemble
    return deep_ensemble(
        minibatches(setup, chosen.batch_size),
        num_steps=chosen.num_steps,
        optimizer=decaying_adam(chosen.learning_rate, chosen.num_steps),
    )


def vi_of(setup: Setup) -> Method:
    """Mean-field variational inference."""
    chosen = setup.config.vi
    return mean_field_vi(
        minibatches(setup, chosen.batch_size),
        num_steps=chosen.num_steps,
        num_particles=chosen.num_particles,
        init_std=chosen.init_std,
        optimizer=decaying_adam(chosen.learning_rate, chosen.num_steps),
    )


def minibatches(setup: Setup, batch_size: int) -> StochasticLogDensity:
    """The log density from batches. A batch holds at most all training examples."""
    return setup.posterior.minibatch_logdensity(min(batch_size, len(setup.dataset.train)))


def decaying_adam(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    """Adam with a learning rate that falls to zero along a cosine."""
    return _optimizer(_adam, learning_rate, num_steps)


def _adam(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))


def _optimizer(
    make: Callable[..., optax.GradientTransformation], *numbers: float | int
) -> optax.GradientTransformation:
    """The optimizer of some numbers.

    Two of these with the same numbers are equal. So a method that is made again is not compiled
    again.
    """
    return optax.GradientTransformation(
        cast(Any, FrozenPartial(_optimizer_init, make, numbers)),
        cast(Any, FrozenPartial(_optimizer_update, make, numbers)),
    )


def _optimizer_init(
    make: Callable[..., optax.GradientTransformation], numbers: tuple[float | int, ...], params: Any
) -> Any:
    return make(*numbers).init(params)


def _optimizer_update(
    make: Callable[..., optax.GradientTransformation],
    numbers: tuple[float | int, ...],
    updates: Any,
    state: Any,
    params: Any = None,
) -> tuple[Any, Any]:
    return make(*numbers).update(updates, state, params)


def final_gaussian(method: Method, samples: Samples) -> DiagonalGaussian:
    """The Gaussian at the end of the first chain of a method."""
    assert method.gaussian is not None
    return method.gaussian(jax.tree.map(lambda leaf: np.asarray(leaf)[0, ...], samples.last_state))


def estimate_in_words(found: Estimate, config: MethodConfig, num_warmup: int) -> str:
    """What a sampling will take, until the first check of its draws and at most."""
    thin = config.thin or 1
    share = (num_warmup + config.num_draws * thin) / (num_warmup + config.limit * thin)
    seconds = duration(share * found.seconds)
    if config.limit > config.num_draws:
        seconds += f" to {duration(found.seconds)}"
    return f"about {seconds}, {found.disk_bytes / 1e6:.3g} MB on disk"


def duration(seconds: float) -> str:
    """Seconds in words: in seconds, minutes or hours."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def sampling_progress(on_progress: ProgressCallback, stage: str) -> Callable[[Progress], None]:
    """A callback for `sample` that reports the progress of a stage of the run."""

    def on_chunk(progress: Progress) -> None:
        names = {
            "rhat_max": "worst R-hat",
            "rhat_lp": "R-hat of the log density",
            "ess_min": "least ESS",
            "acceptance_rate": "acceptance",
            "diverging": "divergent",
            "lp": "log density",
            "elbo": "ELBO",
        }
        digits = 4 if progress.phase == "check" else 3
        shown = [f"{names[n]} {v:.{digits}g}" for n, v in progress.stats.items() if n in names]
        if progress.phase in ("warmup", "draws"):
            shown.insert(0, f"{progress.steps_per_second:.3g} steps/s")
        if progress.resumed_steps:
            shown.append(f"resumed at step {progress.resumed_steps}")
        on_progress(
            f"{stage} ({progress.phase})",
            progress.num_steps / progress.total_steps,
            ", ".join(shown),
        )

    return on_chunk
