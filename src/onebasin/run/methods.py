"""The inference methods of a run with the settings of its config, and their progress in words."""

from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np
import optax

from onebasin._frozen_partial import FrozenPartial
from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.ensemble import deep_ensemble
from onebasin.methods.hmc import hmc
from onebasin.methods.method import Method, StochasticLogDensity
from onebasin.methods.sample import Progress
from onebasin.methods.vi import mean_field_vi
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.samples import Samples


def hmc_of(setup: Setup) -> Method:
    """Hamiltonian Monte Carlo of the posterior."""
    chosen = setup.config.hmc
    return hmc(
        setup.posterior.logdensity,
        num_steps=chosen.num_steps,
        step_size=chosen.step_size,
        num_warmup=chosen.num_warmup,
        target_acceptance=chosen.target_acceptance,
        adapt_mass=chosen.adapt_mass,
    )


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
    """Adam with a learning rate that falls to zero along a cosine.

    Two of these with the same numbers are equal. So a method that is made again is not compiled
    again.
    """
    return optax.GradientTransformation(
        cast(Any, FrozenPartial(_adam_init, learning_rate, num_steps)),
        cast(Any, FrozenPartial(_adam_update, learning_rate, num_steps)),
    )


def _adam(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))


def _adam_init(learning_rate: float, num_steps: int, params: Any) -> Any:
    return _adam(learning_rate, num_steps).init(params)


def _adam_update(
    learning_rate: float, num_steps: int, updates: Any, state: Any, params: Any = None
) -> tuple[Any, Any]:
    return _adam(learning_rate, num_steps).update(updates, state, params)


def final_gaussian(method: Method, samples: Samples) -> DiagonalGaussian:
    """The Gaussian at the end of the first chain of a method."""
    assert method.gaussian is not None
    return method.gaussian(jax.tree.map(lambda leaf: np.asarray(leaf)[0, ...], samples.last_state))


def sampling_progress(on_progress: ProgressCallback, stage: str) -> Callable[[Progress], None]:
    """A callback for `sample` that reports the progress of a stage of the run."""

    def on_chunk(progress: Progress) -> None:
        names = {
            "acceptance_rate": "acceptance",
            "diverging": "divergent",
            "lp": "log density",
            "elbo": "ELBO",
        }
        shown = [f"{names[n]} {v:.3g}" for n, v in progress.stats.items() if n in names]
        rate = f"{progress.steps_per_second:.3g} steps/s"
        if progress.resumed_steps:
            shown.append(f"resumed at step {progress.resumed_steps}")
        on_progress(
            f"{stage} ({progress.phase})",
            progress.num_steps / progress.total_steps,
            ", ".join([rate, *shown]),
        )

    return on_chunk
