"""Barriers between ensemble members and between draws: by how much loss rises halfway."""

from itertools import combinations

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin.intervals import pair_interval
from onebasin.prediction.basin import BasinCheck, MeanBarrier, basin_check, mean_barrier
from onebasin.prediction.connectivity import line, midpoint_barrier
from onebasin.run.barriers import Barrier, Barriers, Basin, Connectivity
from onebasin.run.judge import scores_of
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup
from onebasin.run.steps.summarize import load_alignment
from onebasin.store.draws import load_samples
from onebasin.types import Params

_FRACTIONS = np.array([0.0, 0.5, 1.0])


def connectivity(run: RunDirectory, setup: Setup) -> Connectivity:
    r"""Midpoint barriers of the test set over all pairs of members, before and after alignment.

    $L(\tfrac{a + b}{2}) - \tfrac12 [L(a) + L(b)]$ for the loss (NLL in nats) and the error (the
    share of wrong classes, or the RMSE). With BatchNorm each barrier is computed twice: with the
    mean of both members' statistics, and with statistics recomputed for the network halfway.

    Source: Entezari et al. (2021), arXiv 2110.06296, equation 1, at 1/2; Ainsworth et al. (2022),
    arXiv 2209.04836; for recomputed statistics Jordan et al. (2022), arXiv 2211.08403.
    """
    members = load_samples(run.samples("ensemble"), setup.template)
    aligned = load_alignment(run, setup, "ensemble").apply(members)
    before, after = members.flatten(), aligned.flatten()
    renews = setup.posterior.network.recalibrate is not None
    return Connectivity(
        before=_barriers(setup, before, recalibrates=False),
        after=_barriers(setup, after, recalibrates=False),
        before_recomputed=_barriers(setup, before, recalibrates=True) if renews else None,
        after_recomputed=_barriers(setup, after, recalibrates=True) if renews else None,
    )


def basin(run: RunDirectory, setup: Setup) -> Basin | None:
    """Barriers of the test loss between draws of the sampler. None if there is one chain.

    Draws of a network with BatchNorm predict with recomputed statistics, as everywhere in a run.
    """
    kind = setup.config.method.kind
    samples = load_samples(run.samples(kind), setup.template)
    if samples.num_chains < 2:
        return None
    check = basin_check(
        samples,
        load_alignment(run, setup, kind),
        lambda networks: _losses_and_errors(setup, networks, recalibrates=True)[0],
        matching=setup.matching,
    )
    return basin_of(check)


def basin_of(check: BasinCheck) -> Basin:
    """The section of the results that holds what a check of the basin found."""
    within, within_aligned = check.within, check.within_aligned
    return Basin(
        loss=check.loss,
        unaligned=_barrier(check.unaligned),
        aligned=_barrier(check.aligned),
        matched=_barrier(check.matched),
        within=None if within is None else _barrier(within),
        within_aligned=None if within_aligned is None else _barrier(within_aligned),
        share_removed=check.share_removed,
        tolerance=check.tolerance,
        verdict=check.verdict,
        words=check.words,
    )


def _barriers(setup: Setup, networks: Params, recalibrates: bool) -> Barriers:
    count = jax.tree.leaves(networks)[0].shape[0]
    pairs = list(combinations(range(count), 2))
    member = lambda row: jax.tree.map(lambda leaf: np.asarray(leaf)[row, ...], networks)
    halfway = _trees.stack([_middle(member(one), member(other)) for one, other in pairs])
    found: list[Barrier] = []
    for own, middle in zip(
        _losses_and_errors(setup, networks, recalibrates),
        _losses_and_errors(setup, halfway, recalibrates),
        strict=True,
    ):
        along = [[own[a], middle[n], own[b]] for n, (a, b) in enumerate(pairs)]
        values = midpoint_barrier(np.array(along), _FRACTIONS)
        found.append(_barrier(mean_barrier(values, pair_interval(values, np.array(pairs)))))
    return Barriers(loss=found[0], error=found[1])


def _middle(one: Params, other: Params) -> Params:
    return jax.tree.map(lambda leaf: leaf[0, ...], line(one, other, _FRACTIONS[1:2]))


def _losses_and_errors(
    setup: Setup, networks: Params, recalibrates: bool
) -> tuple[Float[np.ndarray, " networks"], Float[np.ndarray, " networks"]]:
    """The test loss and error of each network alone."""
    predictive = setup.predict(networks, recalibrates=recalibrates)
    rows = np.arange(predictive.num_draws)[:, None]
    found = [scores_of(setup, predictive.take(row)) for row in rows]
    first = np.array([scores.first for scores in found])
    errors = 1 - first if setup.dataset.task == "classification" else first
    return np.array([scores.nll for scores in found]), errors


def _barrier(found: MeanBarrier) -> Barrier:
    return Barrier(mean=found.mean, interval=found.interval, pairs=tuple(found.pairs.tolist()))
