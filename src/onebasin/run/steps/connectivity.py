"""How far ensemble members lie from one valley: the rise of loss and error halfway between them."""

from itertools import combinations
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from onebasin import _trees
from onebasin._types import Params
from onebasin.intervals import t_interval
from onebasin.prediction.connectivity import line, midpoint_barrier
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import Setup
from onebasin.run.steps.summarize import load_alignment
from onebasin.store.draws import load_samples

_FRACTIONS = np.array([0.0, 0.5, 1.0])


def connectivity(run: RunDirectory, setup: Setup) -> dict[str, Any]:
    r"""Midpoint barriers of the test set over all pairs of members, before and after alignment.

    $L(\tfrac{a + b}{2}) - \tfrac12 [L(a) + L(b)]$ for the loss (NLL in nats) and the error (the
    share of wrong classes, or the RMSE). With BatchNorm each comes twice: with the mean of both
    members' statistics, and with statistics recomputed for the network halfway.

    Source: Entezari et al. (2021), arXiv 2110.06296, equation 1, at 1/2; Ainsworth et al. (2022),
    arXiv 2209.04836; for recomputed statistics Jordan et al. (2022), arXiv 2211.08403.
    """
    members = load_samples(run.samples("ensemble"), setup.template)
    aligned = load_alignment(run, setup, "ensemble").apply(members)
    found: dict[str, Any] = {}
    for when, samples in {"before": members, "after": aligned}.items():
        found[when] = _barriers(setup, samples.draws(), recalibrates=False)
        if setup.posterior.network.recalibrate is not None:
            found[f"{when}_recomputed"] = _barriers(setup, samples.draws(), recalibrates=True)
    return found


def _barriers(setup: Setup, networks: Params, recalibrates: bool) -> dict[str, Any]:
    """Of loss and error: each pair's barrier, their mean and its 95 % interval over pairs."""
    count = jax.tree.leaves(networks)[0].shape[0]
    pairs = list(combinations(range(count), 2))
    member = lambda row: jax.tree.map(lambda leaf: np.asarray(leaf)[row, ...], networks)
    halfway = _trees.stack([_middle(member(one), member(other)) for one, other in pairs])
    ends = _scores(setup, networks, recalibrates)
    middles = _scores(setup, halfway, recalibrates)
    found = {}
    for name, own in ends.items():
        along = [[own[a], middles[name][n], own[b]] for n, (a, b) in enumerate(pairs)]
        found[name] = _summary(midpoint_barrier(np.array(along), _FRACTIONS))
    return found


def _middle(one: Params, other: Params) -> Params:
    return jax.tree.map(lambda leaf: leaf[0, ...], line(one, other, _FRACTIONS[1:2]))


def _scores(
    setup: Setup, networks: Params, recalibrates: bool
) -> dict[str, Float[np.ndarray, " networks"]]:
    """The test loss and error of each network alone."""
    predictive = setup.predict(networks, recalibrates=recalibrates)
    rows = np.arange(predictive.num_draws)[:, None]
    each = [predictive.take(row).scores(setup.test_targets) for row in rows]
    column = lambda name: np.array([one[name] for one in each], np.float64)
    is_classification = setup.dataset.task == "classification"
    error = 1 - column("accuracy") if is_classification else column("rmse")
    return {"loss": column("nll"), "error": error}


def _summary(barriers: Float[np.ndarray, " pairs"]) -> dict[str, Any]:
    low, high = t_interval(barriers)
    # One pair alone has no interval, and JSON no NaN.
    interval = [float(low), float(high)] if len(barriers) > 1 else None
    return {"mean": float(barriers.mean()), "interval": interval, "pairs": barriers.tolist()}
