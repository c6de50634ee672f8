"""The step that draws: HMC, the ensemble and variational inference."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from onebasin._types import Params
from onebasin.experiments.setup import Monitor, Setup
from onebasin.gaussian import DiagonalGaussian
from onebasin.inference.ensemble import deep_ensemble
from onebasin.inference.hmc import hmc
from onebasin.inference.method import Method, inits
from onebasin.inference.sample import Progress, sample
from onebasin.inference.vi import mean_field_vi
from onebasin.samples import Samples
from onebasin.store.draws import SampleWriter, is_whole, save_samples
from onebasin.store.run_directory import RunDirectory


def draw_samples(run: RunDirectory, setup: Setup, monitor: Monitor) -> dict[str, Any]:
    """Draw by every method; what is whole already is kept. Gives what results.json says of it."""
    if not is_whole(run.samples("hmc")):
        _draw_hmc(run, setup, monitor)
    if not is_whole(run.samples("ensemble")):
        save_samples(run.samples("ensemble"), _ensemble(setup, "ensemble", monitor))
    if not run.compact("vi-unaligned").exists():
        _fit_vi(setup, monitor).save(run.compact("vi-unaligned"), seed=setup.config.seed)
    data = setup.dataset
    sizes = {part: len(getattr(data, part)) for part in ("train", "validation", "test")}
    return {"data": {"task": data.task, "num_features": data.num_features, **sizes}}


def _draw_hmc(run: RunDirectory, setup: Setup, monitor: Monitor) -> None:
    chosen = setup.config.hmc
    method = hmc(
        setup.posterior.logdensity,
        num_steps=chosen.num_steps,
        step_size=chosen.step_size,
        num_warmup=chosen.num_warmup,
        target_acceptance=chosen.target_acceptance,
        adapt_mass=chosen.adapt_mass,
    )
    positions = _starts(setup, monitor)
    writer = SampleWriter(run.samples("hmc"))
    sample(
        method,
        setup.key("hmc"),
        positions,
        chosen.num_draws,
        thin=chosen.thin,
        progress=tell(monitor, f"HMC, {chosen.num_chains} chains"),
        on_chunk=writer.append,
    )
    writer.finish()


def _starts(setup: Setup, monitor: Monitor) -> Params:
    chosen, key = setup.config.hmc, setup.key("hmc-starts")
    if chosen.start == "map":
        members = _ensemble(setup, "hmc-starts", monitor, chosen.num_chains)
        return jax.tree.map(lambda leaf: leaf[:, 0], members.params)
    begin = setup.posterior.init if chosen.start == "init" else setup.posterior.init_from_prior
    return inits(begin, key, chosen.num_chains)


def _ensemble(
    setup: Setup, purpose: str, monitor: Monitor, num_members: int | None = None
) -> Samples:
    chosen = setup.config.ensemble
    num_members = chosen.num_members if num_members is None else num_members
    method = deep_ensemble(
        setup.posterior.minibatch_logdensity(_batch_size(setup, chosen.batch_size)),
        num_steps=chosen.num_steps,
        optimizer=_adam(chosen.learning_rate, chosen.num_steps),
    )
    return _run(setup, method, purpose, num_members, monitor, f"MAP networks, {num_members}")


def _fit_vi(setup: Setup, monitor: Monitor) -> DiagonalGaussian:
    chosen = setup.config.vi
    method = mean_field_vi(
        setup.posterior.minibatch_logdensity(_batch_size(setup, chosen.batch_size)),
        num_steps=chosen.num_steps,
        num_particles=chosen.num_particles,
        init_std=chosen.init_std,
        optimizer=_adam(chosen.learning_rate, chosen.num_steps),
    )
    samples = _run(setup, method, "vi", 1, monitor, "variational inference")
    assert method.gaussian is not None
    return method.gaussian(jax.tree.map(lambda leaf: np.asarray(leaf)[0, ...], samples.last_state))


def _run(
    setup: Setup, method: Method, purpose: str, num_chains: int, monitor: Monitor, what: str
) -> Samples:
    positions = inits(setup.posterior.init, setup.key(f"{purpose}-starts"), num_chains)
    return sample(method, setup.key(purpose), positions, 1, progress=tell(monitor, what))


def _adam(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))


def _batch_size(setup: Setup, wanted: int) -> int:
    return min(wanted, len(setup.dataset.train))


def tell(monitor: Monitor, what: str) -> Callable[[Progress], None]:
    """Tells a monitor how far sampling has come."""

    def listen(progress: Progress) -> None:
        names = {
            "acceptance_rate": "acceptance",
            "diverging": "divergent",
            "lp": "log density",
            "elbo": "ELBO",
        }
        shown = [f"{names[n]} {v:.3g}" for n, v in progress.stats.items() if n in names]
        rate = f"{progress.steps_per_second:.3g} steps/s"
        monitor(
            f"{what} ({progress.phase})",
            progress.num_steps / progress.total_steps,
            ", ".join([rate, *shown]),
        )

    return listen
