"""The step that draws samples: by the sampler, the ensemble and variational inference."""

from typing import Any

import jax
import numpy as np

from onebasin.gaussians.gaussian import DiagonalGaussian
from onebasin.methods.estimate import estimate
from onebasin.methods.method import Method, inits
from onebasin.methods.sample import sample
from onebasin.run.kinds import KINDS, MethodName, title_of
from onebasin.run.methods import (
    ensemble_of,
    estimate_in_words,
    final_gaussian,
    method_of,
    sampling_progress,
    until_of,
    vi_of,
)
from onebasin.run.results import DataSizes, SampleResults
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.statistics import fitted_with_statistics, with_statistics
from onebasin.samples import Samples
from onebasin.store.draws import is_whole, load_samples, num_committed, save_samples
from onebasin.store.variables import dims_of
from onebasin.types import Params


def draw_samples(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> SampleResults:
    """Draw samples by every method. Complete results of an interrupted step are kept."""
    draw_by_sampler(run, setup, on_progress)
    _draw_ensemble(run, setup, on_progress)
    if not run.compact("vi-unaligned").exists():
        _fit_vi(setup, on_progress).save(run.compact("vi-unaligned"), seed=setup.config.seed)
    data = setup.dataset
    num_draws = num_committed(run.samples(setup.config.method.kind))
    assert num_draws is not None
    return SampleResults(
        num_draws=num_draws,
        data=DataSizes(
            task=data.task,
            num_features=data.num_features,
            train=len(data.train),
            validation=len(data.validation),
            test=len(data.test),
            target_name=data.target_name,
            feature_names=data.feature_names,
            class_names=data.class_names,
            notes=data.notes,
        ),
    )


def draw_by_sampler(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> None:
    """Draw samples by the sampler of the config, after those that an interrupted step has stored.

    Raises: ValueError if the chains diverge or do not move.
    """
    chosen = setup.config.method
    store = run.samples(chosen.kind)
    if is_whole(store):
        check_draws(load_samples(store), chosen.kind)
        return
    what = f"{title_of(chosen.kind)}, {chosen.num_chains} chains"
    method, starts = method_of(setup), _starts(run, setup, on_progress)
    choices: dict[str, Any] = {
        "num_draws": chosen.limit,
        "thin": chosen.thin or 1,
        "until": until_of(setup),
        "key": setup.key(chosen.kind),
    }
    if num_committed(store) is None:
        on_progress(f"{what} (compiling)", 0.0, "")
        found = estimate(method, starts, **choices)
        on_progress(f"{what} (estimate)", 0.0, estimate_in_words(found, chosen, method.num_warmup))
    drawn = sample(
        method,
        starts,
        progress=sampling_progress(on_progress, what),
        transform=lambda drawn: with_statistics(setup.posterior, drawn),
        store=store,
        dims=dims_of(setup.posterior.symmetry),
        **choices,
    )
    check_draws(drawn, chosen.kind)


def check_draws(drawn: Samples, kind: MethodName) -> None:
    """Check that all draws are finite and that some chain moved.

    Raises: ValueError if a draw is not finite, or if every draw is equal to the first draw of its
    chain.
    """
    title, leaves = title_of(kind), jax.tree.leaves(drawn.params)
    if not all(np.isfinite(leaf).all() for leaf in leaves):
        raise ValueError(f"The draws of {title} must be finite. Got NaN or infinity. {_mend(kind)}")
    ends = lambda leaf: bool((leaf[:, -1] == leaf[:, 0]).all())
    stays = lambda leaf: ends(leaf) and bool((np.asarray(leaf) == leaf[:, :1]).all())
    if drawn.num_draws > 1 and all(map(stays, leaves)):
        raise ValueError(
            f"At least one chain of {title} must move. No chain has left its start"
            f"{_rates(drawn)}. {_mend(kind)}"
        )


def _rates(drawn: Samples) -> str:
    """The mean acceptance rate and step size in words, if the sampler has these statistics."""
    names = {"acceptance_rate": "an acceptance rate", "step_size": "a step size"}
    stats = {words: drawn.stats[name] for name, words in names.items() if name in drawn.stats}
    found = [f"{words} of {np.mean(values):.2g}" for words, values in stats.items()]
    return f", with {' and '.join(found)}" if found else ""


def _mend(kind: MethodName) -> str:
    """What to change if a sampler diverges or stays where it began."""
    keys = KINDS[kind].keys
    if "step_size" in keys:
        return "Lower method.step_size, or raise method.num_warmup."
    if "learning_rate" in keys:
        return "Change method.learning_rate."
    return "Raise ensemble.num_steps, so that training comes nearer to a mode."


def _starts(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> Params:
    """Where the chains begin. Starts that are trained are stored, so that they stay the same."""
    chosen = setup.config.method
    purpose = f"{chosen.kind}-starts"
    if chosen.start == "ensemble":
        _draw_ensemble(run, setup, on_progress)
        return _networks(run, setup, "ensemble", chosen.num_chains)
    if chosen.start == "map":
        store = run.samples(purpose)
        if not is_whole(store):
            starts = _ensemble(setup, purpose, on_progress, chosen.num_chains)
            save_samples(store, starts, dims_of(setup.posterior.symmetry))
        return _networks(run, setup, purpose, chosen.num_chains)
    begin = setup.posterior.init if chosen.start == "init" else setup.posterior.init_from_prior
    return inits(begin, chosen.num_chains, key=setup.key(purpose))


def _networks(run: RunDirectory, setup: Setup, name: str, count: int) -> Params:
    """The first networks of a store that holds one draw of each chain."""
    members = load_samples(run.samples(name), setup.template)
    return jax.tree.map(lambda leaf: leaf[:count, 0], members.params)


def _draw_ensemble(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> None:
    """Train the ensemble if it is not stored."""
    if not is_whole(run.samples("ensemble")):
        members = _ensemble(setup, "ensemble", on_progress)
        save_samples(run.samples("ensemble"), members, dims_of(setup.posterior.symmetry))


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
