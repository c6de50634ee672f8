"""The step that compares representations with all draws, Gaussians by weight, and networks."""

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from onebasin.gaussians.compare import (
    kl_divergence,
    mean_over_weights,
    median_over_weights,
    wasserstein2,
)
from onebasin.gaussians.gaussian import DiagonalGaussian, LowRankGaussian, load_gaussian
from onebasin.knowledge import compare_tables, gaussian_table, load_table
from onebasin.knowledge.reliability import ALL
from onebasin.run import representations as known
from onebasin.run.judge import Judge
from onebasin.run.kinds import title_of
from onebasin.run.results import CompareResults, Comparison, Distances, Evaluated
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup
from onebasin.run.steps.connectivity import basin, connectivity
from onebasin.run.steps.predictions import save_predictions
from onebasin.run.weights import WeightDifferences
from onebasin.samples import Samples
from onebasin.store.draws import load_samples

if TYPE_CHECKING:
    import xarray

_FALSE_DISCOVERY_RATE, _MARGIN = 0.05, 0.2


def compare_methods(
    run: RunDirectory, setup: Setup, on_progress: ProgressCallback
) -> CompareResults:
    """Evaluate every representation, compare Gaussians weight by weight, and save predictions."""
    kind = setup.config.method.kind
    on_progress("predicting", 0.0, title_of(kind))
    samples = load_samples(run.samples(kind), setup.template)
    judge = Judge(setup, setup.predict(samples.flatten()))
    save_predictions(run.predictions, setup, judge.reference)
    evaluated = (
        *_of_draws(judge, samples),
        *_of_gaussians(run, judge, on_progress),
        *_of_networks(run, judge),
    )
    on_progress("comparing weights", 1.0, "")
    comparisons = tuple(_comparisons(run, setup))
    on_progress("barriers between networks", 1.0, "")
    return CompareResults(
        representations=evaluated,
        comparisons=comparisons,
        connectivity=connectivity(run, setup),
        basin=basin(run, setup),
    )


def _of_draws(judge: Judge, samples: Samples) -> Iterator[Evaluated]:
    """All draws, one chain if there are several, and kept draws."""
    kind, total = judge.setup.config.method.kind, judge.reference.num_draws
    scores = judge(judge.reference)
    yield Evaluated(representation=known.all_draws(kind, total), scores=scores)
    if samples.num_chains > 1:
        scores = judge.held_out_chain(samples.num_chains, samples.num_draws)
        yield Evaluated(representation=known.one_chain(kind, samples.num_draws), scores=scores)
    for count in judge.setup.config.evaluation.kept:
        if count < total:
            scores = judge.kept(_thinnings(judge.setup, total, count))
            yield Evaluated(representation=known.kept_draws(count), scores=scores)


def _of_gaussians(
    run: RunDirectory, judge: Judge, on_progress: ProgressCallback
) -> Iterator[Evaluated]:
    low_ranks = [
        known.low_rank(rank, is_tempered=is_tempered)
        for rank in judge.setup.config.compact.ranks
        for is_tempered in (True, False)
    ]
    gaussians = [
        known.DIRECT, known.COMPACT, known.REFINED, *low_ranks, known.COMPACT_ENSEMBLE, known.VI,
    ]  # fmt: skip
    for number, representation in enumerate(gaussians, 1):
        on_progress("predicting", number / (len(gaussians) + 1), representation.label)
        gaussian = _load(run, judge.setup, representation.key)
        scores = judge.gaussian(representation.key, gaussian)
        yield Evaluated(representation=representation, scores=scores)


def _of_networks(run: RunDirectory, judge: Judge) -> Iterator[Evaluated]:
    """The mean network, and the members of the ensemble."""
    mean = _load(run, judge.setup, known.COMPACT.key).mean
    yield Evaluated(representation=known.COMPACT_MEAN, scores=judge.network(mean))
    ensemble = load_samples(run.samples("ensemble"), judge.setup.template)
    members = judge.setup.predict(ensemble.flatten())
    yield Evaluated(representation=known.members(members.num_draws), scores=judge(members))


def _thinnings(setup: Setup, total: int, count: int) -> list[Int[np.ndarray, " rows"]]:
    """Rows of evenly spaced draws, one selection for each position of the first draw."""
    offsets = np.linspace(0, total / count, setup.config.evaluation.num_thinnings, False)
    return [(np.arange(count) * total / count + offset).astype(int) for offset in offsets]


def _load(run: RunDirectory, setup: Setup, key: str) -> DiagonalGaussian | LowRankGaussian:
    return load_gaussian(run.compact(key), setup.template)[0]


def _comparisons(run: RunDirectory, setup: Setup) -> Iterator[Comparison]:
    weight_tables = _weight_tables(run, setup)
    for first, second in permutations(known.COMPARED, 2):
        comparison = compare_tables(
            weight_tables[first.key],
            weight_tables[second.key],
            false_discovery_rate=_FALSE_DISCOVERY_RATE,
            margin=_MARGIN,
        ).sel(array_name=ALL)
        shares = {
            name: float(comparison[f"share_{name}"]) for name in WeightDifferences.model_fields
        }
        yield Comparison(
            first=first.key,
            second=second.key,
            weights=WeightDifferences(**shares),
            aligned=_distances(run, setup, first.key, second.key),
            unaligned=_distances(run, setup, first.key_unaligned, second.key_unaligned),
        )


def _weight_tables(run: RunDirectory, setup: Setup) -> dict[str, "xarray.Dataset"]:
    """The tables of weights of the compared Gaussians. Members of an ensemble are independent."""
    ensemble = load_samples(run.samples("ensemble"), setup.template)
    num_members = ensemble.num_chains * ensemble.num_draws
    tables = {known.COMPACT.key: load_table(run.weights)}
    for key, num_draws in ((known.COMPACT_ENSEMBLE.key, num_members), (known.VI.key, None)):
        gaussian = _load(run, setup, key)
        assert isinstance(gaussian, DiagonalGaussian)
        tables[key] = gaussian_table(gaussian, setup.posterior.symmetry, num_draws)
    return tables


def _distances(run: RunDirectory, setup: Setup, first: str, second: str) -> Distances:
    ours, theirs = (_load(run, setup, key) for key in (first, second))
    assert isinstance(ours, DiagonalGaussian)
    assert isinstance(theirs, DiagonalGaussian)
    divergence = kl_divergence(ours, theirs)
    return Distances(
        kl=median_over_weights(divergence),
        kl_mean=mean_over_weights(divergence),
        wasserstein2=mean_over_weights(wasserstein2(ours, theirs)),
    )
