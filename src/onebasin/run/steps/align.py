"""The step that aligns the draws of every method and counts transpositions between draws."""

import jax
import numpy as np

from onebasin.alignment.align import Alignment
from onebasin.alignment.problem import Round
from onebasin.alignment.reference import Reference, to
from onebasin.alignment.transpositions import transpositions_between_chains, transpositions_by_lag
from onebasin.gaussians.gaussian import load_gaussian
from onebasin.prediction.predict import network_outputs
from onebasin.run.results import (
    AlignmentQuality,
    AlignResults,
    LagTranspositions,
    Transpositions,
)
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.samples import Samples
from onebasin.store.draws import load_samples
from onebasin.symmetry.random_permutation import random_num_transpositions
from onebasin.types import Params


def align_samples(run: RunDirectory, setup: Setup, on_progress: ProgressCallback) -> AlignResults:
    """Align the sampler's draws to their reference, and the ensemble and VI to the same one."""
    like, kind = setup.template, setup.config.method.kind
    samples = load_samples(run.samples(kind), like)
    ensemble = load_samples(run.samples("ensemble"), like)
    mean = load_gaussian(run.compact("vi-unaligned"), like)[0].mean
    found = _align(setup, samples, setup.reference, on_progress)
    found.save(run.alignment(kind))
    changes = [_function_change(setup, found, samples)]
    for name, others in {"ensemble": ensemble, "vi": one_draw(mean)}.items():
        brought = _align(setup, others, to(found.reference), on_progress)
        brought.save(run.alignment(name))
        changes.append(_function_change(setup, brought, others))
    on_progress("counting transpositions", 0.5, "")
    baseline_mean, baseline_std = random_num_transpositions(setup.posterior.symmetry)
    symmetry, matching = setup.posterior.symmetry, setup.matching
    by_lag = transpositions_by_lag(samples, symmetry, matching)
    return AlignResults(
        alignment=AlignmentQuality(
            matching=found.matching,
            reference=setup.config.alignment.reference,
            objective=float(np.mean(found.objective)),
            converged_share=float(np.mean(found.converged)),
            max_function_change=max(changes),
        ),
        transpositions=Transpositions(
            between_chains=transpositions_between_chains(samples, symmetry, matching),
            by_lag=tuple(LagTranspositions(lag=lag, count=count) for lag, count in by_lag),
            baseline_mean=baseline_mean,
            baseline_std=baseline_std,
        ),
    )


def one_draw(params: Params) -> Samples:
    """Samples that consist of one network."""
    return Samples(jax.tree.map(lambda leaf: np.asarray(leaf)[None, None], params))


def _align(
    setup: Setup, samples: Samples, reference: Reference, on_progress: ProgressCallback
) -> Alignment:
    def on_round(now: Round) -> None:
        details = f"round {now.number}: {now.num_moved} of {now.num_draws} draws changed"
        on_progress("aligning", now.num_matched / now.num_draws, details)

    return setup.align(samples, reference, on_round)


def _function_change(setup: Setup, alignment: Alignment, samples: Samples) -> float:
    """The largest change of an output over test inputs and draws, divided by the largest output.

    Without rounding it is 0. Draws predict with their stored statistics, which alignment permutes
    too.
    """
    before, after = (
        network_outputs(setup.posterior, some.flatten(), setup.dataset.test.inputs, False)[0]
        for some in (samples, alignment.apply(samples))
    )
    largest = float(np.abs(before).max()) or 1.0
    return float(np.abs(after - before).max()) / largest
