"""The step that fits Gaussians to aligned and unaligned draws, and computes the null floor."""

from typing import TYPE_CHECKING

import jax
import numpy as np

from onebasin import _trees
from onebasin._collections import without_statistics
from onebasin.alignment.align import Alignment
from onebasin.alignment.bring import permute_gaussian
from onebasin.alignment.effective_size import LEAST_ESS
from onebasin.alignment.null import rms
from onebasin.diagnostics import convergence, sampler_health, weight_convergence
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian, load_gaussian, summarize
from onebasin.knowledge import save_table, weight_table
from onebasin.prediction.tempering import fit_temperature, temper
from onebasin.run.methods import sampling_progress
from onebasin.run.refinement import Refinement, fit_inputs, refined
from onebasin.run.representations import low_rank
from onebasin.run.results import LowRank, SummarizeResults
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.steps.knowledge import aligned_noise, balanced_table, knowledge_of
from onebasin.run.trust import (
    ArrayFloor,
    Convergence,
    Diagnostics,
    NullFloor,
    SamplerHealth,
    warning_of,
)
from onebasin.samples import Samples
from onebasin.store.draws import load_samples
from onebasin.types import Params

if TYPE_CHECKING:
    import xarray

_MOST_TEMPERING_DRAWS = 100


def summarize_samples(
    run: RunDirectory, setup: Setup, on_progress: ProgressCallback
) -> SummarizeResults:
    """Save every Gaussian and the table of weights. Returns what they say in numbers."""
    like, kind = setup.template, setup.config.method.kind
    samples = load_samples(run.samples(kind), like)
    alignment = load_alignment(run, setup, kind)
    aligned = alignment.apply(samples).load()  # it is used many times
    direct, compact = summarize(samples), summarize(aligned)
    direct.save(run.compact("direct"))
    compact.save(run.compact("compact"))
    _refine(run, setup, samples, compact, on_progress)
    low_ranks = _summarize_low_ranks(run, setup, samples, aligned, on_progress)
    _summarize_others(run, setup)
    on_progress("null floor", 0.3, "aligning noise")
    noise = aligned_noise(setup, samples)
    null = summarize(noise, mcse=False)
    null.save(run.compact("null"))
    on_progress("table of weights", 0.6, "errors and effective sample sizes of all weights")
    samples, prior_std = samples.load(), setup.posterior.tempered_prior_std
    table, balanced = weight_table(alignment, samples, prior_std=prior_std, nulls=[noise]), None
    save_table(run.weights, table)
    if setup.has_scales:
        on_progress("table of weights", 0.7, "errors and effective sample sizes, balanced")
        balanced = balanced_table(setup, alignment, samples, noise)
        save_table(run.balanced_weights, balanced)
    on_progress("diagnostics", 0.8, "R-hat and effective sample sizes of predictions")
    return SummarizeResults(
        weights=knowledge_of(table),
        balanced_weights=None if balanced is None else knowledge_of(balanced),
        null_floor=floor_of(
            *map(without_statistics, (compact.std, null.std, direct.std)), ess=ess_by_array(table)
        ),
        low_rank=low_ranks,
        diagnostics=_diagnostics(setup, samples, aligned),
    )


def _diagnostics(setup: Setup, samples: Samples, aligned: Samples) -> Diagnostics:
    stats = samples.stats
    predictions = Convergence.model_validate(convergence(setup.test_predictions(samples)))
    log_density = None
    if "lp" in stats:
        found = convergence(np.asarray(stats["lp"])[..., None])
        log_density = Convergence.model_validate(found)
    means = {
        name: float(np.mean(stats[name])) if name in stats else None
        for name in ("tree_depth", "energy_variance")
    }
    return Diagnostics(
        warning=warning_of(setup.config.method.kind, predictions, log_density),
        sampler=SamplerHealth.model_validate(sampler_health(samples) | means),
        predictions=predictions,
        log_density=log_density,
        weights_unaligned=Convergence.model_validate(weight_convergence(samples)),
        weights_aligned=Convergence.model_validate(weight_convergence(aligned)),
    )


def load_alignment(run: RunDirectory, setup: Setup, name: str) -> Alignment:
    """The alignment of a method's draws."""
    return Alignment.load(run.alignment(name), setup.posterior.symmetry)


def _refine(
    run: RunDirectory,
    setup: Setup,
    samples: Samples,
    compact: DiagonalGaussian,
    on_progress: ProgressCallback,
) -> None:
    """Refine the compact Gaussian and save the result."""
    chosen = setup.config.refinement
    refinement = Refinement(chosen.elbo, chosen.predictive, chosen.pull, chosen.num_particles)
    fit, on_chunk = fit_inputs(setup, samples), sampling_progress(on_progress, "refining")
    found = refined(setup, compact, fit, refinement, chosen.num_steps, on_chunk)
    found.save(run.compact("refined"), **chosen.model_dump())


def _summarize_low_ranks(
    run: RunDirectory,
    setup: Setup,
    samples: Samples,
    aligned: Samples,
    on_progress: ProgressCallback,
) -> tuple[LowRank, ...]:
    """Save each low-rank Gaussian, untempered and with its residual std tempered.

    Tempering uses validation inputs.
    """
    reference = setup.predict(samples.flatten(), "validation")
    num_draws = min(_MOST_TEMPERING_DRAWS, setup.config.evaluation.num_gaussian_draws)
    found: list[LowRank] = []
    for rank in setup.config.compact.ranks:
        on_progress("low rank", 0.1, f"rank {rank}: tempering the residual")
        whole = summarize(aligned, rank)
        assert isinstance(whole, LowRankGaussian)
        whole.save(run.compact(low_rank(rank, is_tempered=False).key))
        scale = fit_temperature(
            whole,
            lambda draws: setup.predict(draws, "validation"),
            reference,
            num_draws,
            key=setup.key(f"temper-{rank}"),
        )
        tempered = run.compact(low_rank(rank, is_tempered=True).key)
        temper(whole, scale).save(tempered, residual_scale=scale)
        found.append(LowRank(rank=rank, residual_share=whole.residual_share, residual_scale=scale))
    return tuple(found)


def _summarize_others(run: RunDirectory, setup: Setup) -> None:
    like = setup.template
    ensemble = load_samples(run.samples("ensemble"), like)
    summarize(ensemble).save(run.compact("direct-ensemble"))
    together = load_alignment(run, setup, "ensemble").apply(ensemble)
    summarize(together).save(run.compact("compact-ensemble"))
    gaussian, _ = load_gaussian(run.compact("vi-unaligned"), like)
    found = load_alignment(run, setup, "vi").permutation
    assert isinstance(gaussian, DiagonalGaussian)
    permute_gaussian(gaussian, setup.posterior.symmetry, found[0, 0]).save(run.compact("vi"))


def ess_by_array(table: "xarray.Dataset") -> dict[str, np.ndarray]:
    """The effective sample sizes of the stds of each array."""
    sizes, names = table["ess_std"].values, table["array"].values
    return {str(name): sizes[names == name] for name in np.unique(names)}


def floor_of(
    compact: Params, null: Params, direct: Params, ess: dict[str, np.ndarray]
) -> NullFloor:
    """The aligned, null and unaligned stds compared, and effective sample sizes of aligned stds."""
    floors, unaligned = (_trees.named_leaves(tree) for tree in (null, direct))
    below = jax.tree.map(lambda std, floor: std < floor, compact, null)
    all_sizes = np.concatenate([*ess.values()])
    return NullFloor(
        std=rms(compact),
        null_std=rms(null),
        unaligned_std=rms(direct),
        share_below=float(_trees.ravel_batch(below, 0).mean()),
        ess_median=float(np.median(all_sizes)),
        undecided_share=float((all_sizes < LEAST_ESS).mean()),
        by_array={
            name: ArrayFloor(
                std=rms(std),
                null_std=rms(floors[name]),
                unaligned_std=rms(unaligned[name]),
                ess_median=float(np.median(ess[name])),
            )
            for name, std in _trees.named_leaves(compact).items()
        },
    )
