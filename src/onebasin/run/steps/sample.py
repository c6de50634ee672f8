"""The step that draws samples: HMC, the ensemble and variational inference."""

import jax
import numpy as np

from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.method import Method, inits
from onebasin.methods.sample import sample
from onebasin.run.methods import ensemble_of, final_gaussian, hmc_of, sampling_progress, vi_of
from onebasin.run.results import DataSizes, SampleResults
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.statistics import fitted_with_statistics, with_statistics
from onebasin.samples import Samples
from onebasin.store.draws import is_whole, load_samples, save_samples
from onebasin.store.variables import dims_of
from onebasin.types import Params


def draw_samples(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> SampleResults:
    """Draw samples by every method. Complete results of an interrupted step are kept."""
    draw_hmc(run, setup, on_progress)
    if not is_whole(run.samples("ensemble")):
        members = _ensemble(setup, "ensemble", on_progress)
        save_samples(run.samples("ensemble"), members, dims_of(setup.posterior.symmetry))
    if not run.compact("vi-unaligned").exists():
        _fit_vi(setup, on_progress).save(run.compact("vi-unaligned"), seed=setup.config.seed)
    data = setup.dataset
    return SampleResults(
        data=DataSizes(
            task=data.task,
            num_features=data.num_features,
            train=len(data.train),
            validation=len(data.validation),
            test=len(data.test),
        )
    )


def draw_hmc(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> None:
    """Draw samples by HMC, after those that an interrupted step has stored."""
    store = run.samples("hmc")
    if is_whole(store):
        _check_moved(load_samples(store))
        return
    chosen = setup.config.hmc
    drawn = sample(
        hmc_of(setup),
        _starts(run, setup, on_progress),
        chosen.num_draws,
        thin=chosen.thin,
        progress=sampling_progress(on_progress, f"HMC, {chosen.num_chains} chains"),
        transform=lambda drawn: with_statistics(setup.posterior, drawn),
        store=store,
        dims=dims_of(setup.posterior.symmetry),
        key=setup.key("hmc"),
    )
    _check_moved(drawn)


def _check_moved(drawn: Samples) -> None:
    """Check that some chain moved.

    Raises: ValueError if every draw is equal to the first draw of its chain.
    """
    ends = lambda leaf: bool((leaf[:, -1] == leaf[:, 0]).all())
    stays = lambda leaf: ends(leaf) and bool((np.asarray(leaf) == leaf[:, :1]).all())
    if drawn.num_draws > 1 and all(map(stays, jax.tree.leaves(drawn.params))):
        stats = drawn.stats
        raise ValueError(
            "At least one chain of HMC must move. No chain has left its start, with an "
            f"acceptance rate of {np.mean(stats['acceptance_rate']):.2g} at a step size of "
            f"{np.mean(stats['step_size']):.2g}. "
            "Lower hmc.step_size, or raise hmc.num_warmup."
        )


def _starts(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> Params:
    """Where the chains begin. Starts that are trained are stored, so that they stay the same."""
    chosen = setup.config.hmc
    if chosen.start == "map":
        store = run.samples("hmc-starts")
        if not is_whole(store):
            starts = _ensemble(setup, "hmc-starts", on_progress, chosen.num_chains)
            save_samples(store, starts, dims_of(setup.posterior.symmetry))
        members = load_samples(store, setup.template)
        return jax.tree.map(lambda leaf: leaf[:, 0], members.params)
    begin = setup.posterior.init if chosen.start == "init" else setup.posterior.init_from_prior
    return inits(begin, chosen.num_chains, key=setup.key("hmc-starts"))


def _ensemble(
    setup: Setup, purpose: str, on_progress: ProgressCallback, num_members: int | None = None
) -> Samples:
    num_members = setup.config.ensemble.num_members if num_members is None else num_members
    what = f"MAP networks, {num_members}"
    drawn = _run(setup, ensemble_of(setup), purpose, num_members, on_progress, what)
    return with_statistics(setup.posterior, drawn)


def _fit_vi(setup: Setup, on_progress: ProgressCallback) -> DiagonalGaussian:
    method = vi_of(setup)
    drawn = _run(setup, method, "vi", 1, on_progress, "variational inference")
    key, count = setup.key("vi-statistics"), setup.config.evaluation.num_gaussian_draws
    return fitted_with_statistics(setup.posterior, final_gaussian(method, drawn), count, key=key)


def _run(
    setup: Setup,
    method: Method,
    purpose: str,
    num_chains: int,
    on_progress: ProgressCallback,
    what: str,
) -> Samples:
    positions = inits(setup.posterior.init, num_chains, key=setup.key(f"{purpose}-starts"))
    return sample(
        method, positions, 1, progress=sampling_progress(on_progress, what), key=setup.key(purpose)
    )
