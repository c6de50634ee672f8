"""Whether a posterior's uncertainty prunes networks that were trained without Bayes.

Each cell is a network size on a data set with one seed. Claims are about differences in accuracy
on the same networks, with Student's interval over seeds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import jax
import numpy as np

from onebasin import _trees
from onebasin.gaussians.compare import rank_correlation
from onebasin.prediction.predictive import Predictive
from onebasin.pruning.prune import pruned_copies
from onebasin.pruning.variance_shares import average_over_units, variance_shares
from onebasin.run.cache import Key, cached, key_of
from onebasin.run.setup import ProgressCallback, set_up
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text
from onebasin.studies.claims import Findings
from onebasin.studies.names import Scale
from onebasin.studies.pruning.cell import (
    NUM_CHAINS,
    NUM_PRUNED,
    Cell,
    Posteriors,
    fit,
    health,
)
from onebasin.studies.pruning.claims import COMPARISONS, CURVES, PLACE, claims_of, comparisons
from onebasin.studies.pruning.scores import (
    Pruned,
    conditioned,
    curvature,
    dark_inputs,
    scores_at_start,
    scores_in_basin,
    scores_misaligned,
    scores_of_mean,
)
from onebasin.studies.tables import Columns, Row, table_of
from onebasin.types import Params

KEEPS = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
"""The shares of weights kept: as in the paper, but fewer large shares and one more small share."""

_INPUTS = (("digits", 1), ("mnist", 2), ("mnist", 1))
"""Data and pool, in rising number of inputs. A pool of 2 turns 28 x 28 pixels into 14 x 14."""
_WIDTHS = (32, 128, 512)

_CELL_FILE = "cell.json"

_SHARES = ("arrays", "inputs_and_outputs", "units")
_CORRELATIONS = ("chains", "chains_units", "chains_averaged", "vi")
_HEALTH = ("hmc_accuracy", "acceptance_rate", "step_size", "rhat_median", "ess_median")
CELLS: Columns = {
    **PLACE, "seed": int, "num_train": int, "num_draws": int, "share_dark_inputs": float,
    **{f"std_share_{name}": float for name in _SHARES}, "std_mean": float,
    **{f"std_correlation_{name}": float for name in _CORRELATIONS},
    **dict.fromkeys(_HEALTH, float),
}  # fmt: skip
TABLES: dict[str, Columns] = {"curves": CURVES, "cells": CELLS, "comparisons": COMPARISONS}
"""The tables: all curves, the properties of each cell, and the comparisons of curves."""

Measured: TypeAlias = tuple[list[Row], Row]
"""The curves of a cell, and its properties."""

_AT_ONCE = 64 // len(KEEPS)
"""How many scores are evaluated together: their pruned copies fill a chunk of 64 predictions."""


def cells(scale: Scale) -> Iterator[Cell]:
    """The cells of a scale, the cheapest first."""
    if scale == "smoke":
        spent = {"num_draws": 8, "num_warmup": 8, "num_steps": 5, "num_training_steps": 60}
        yield from (Cell("digits", 1, 8, seed, 200, 100, **spent) for seed in range(2))
        return
    spent = {"num_draws": 30, "num_warmup": 20, "num_steps": 80, "num_training_steps": 1000}
    sizes = {"digits": (None, None), "mnist": (1000, 2000)}
    inputs, widths = (_INPUTS[:2], _WIDTHS[:1]) if scale == "small" else (_INPUTS, _WIDTHS)
    for width in widths:
        for data, pool in inputs:
            yield from (Cell(data, pool, width, seed, *sizes[data], **spent) for seed in range(5))


def pruning_key(scale: Scale) -> Key:
    """The key of the study: all cells, and their data."""
    found = {_name(cell): _cell_key(cell) for cell in cells(scale)}
    return Key(
        arguments={"scale": scale, **{name: key.arguments for name, key in found.items()}},
        data={name: text for name, key in found.items() for text in key.data.values()},
    )


def pruning(
    folder: Path, scale: Scale, on_progress: ProgressCallback, *, again: bool = False
) -> Findings:
    """Every score on every network, with comparisons and claims.

    A cell that `folder` holds already is measured again only if `again` is true.

    Raises: StoreError if `folder` holds a cell that was measured with other settings or data.
    """
    chosen = list(cells(scale))
    curves: list[Row] = []
    about: list[Row] = []
    for number, cell in enumerate(chosen):
        on_progress("pruning", number / len(chosen), _name(cell))
        some, one = _kept_or_measured(folder, cell, again)
        curves += some
        about.append(one)
    return findings(curves, about)


def _name(cell: Cell) -> str:
    return f"{cell.data}, pool {cell.pool}, {cell.width} units, seed {cell.seed}"


def _cell_key(cell: Cell) -> Key:
    dataset = set_up(cell.config).dataset
    return key_of(cell.config, dataset, cell=cell._asdict(), keeps=KEEPS)


def _kept_or_measured(folder: Path, cell: Cell, again: bool) -> Measured:
    return cached(
        folder / f"{cell.data}-{cell.pool}-{cell.width}-{cell.seed}",
        _cell_key(cell),
        lambda: measure(cell, fit(cell)),
        _load,
        _save,
        again=again,
    )


def _load(folder: Path) -> Measured:
    path = folder / _CELL_FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        return found["curves"], found["about"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} must hold a cell. Got: {error!r}. Pass --again.") from None


def _save(folder: Path, measured: Measured) -> None:
    curves, about = measured
    write_text(folder / _CELL_FILE, json.dumps({"curves": curves, "about": about}) + "\n")


def findings(curves: list[Row], about: list[Row]) -> Findings:
    """Comparisons and claims from the curves."""
    table = table_of(curves, CURVES)
    others = {"cells": table_of(about, CELLS), "comparisons": comparisons(table)}
    return Findings({"curves": table, **others}, claims_of(table))


def measure(cell: Cell, found: Posteriors) -> Measured:
    """The curves of one cell, averaged over its networks, and the properties of the cell."""
    where: Row = {
        "data": cell.data,
        "num_inputs": found.setup.dataset.num_features,
        "width": cell.width,
        "seed": cell.seed,
    }
    posterior_fisher = curvature(found, found.aligned.flatten(), "posterior")
    members = range(NUM_CHAINS, NUM_CHAINS + NUM_PRUNED)
    networks: dict[str, list[dict[str, np.ndarray]]] = {
        "members": [
            _points(found, scores_in_basin(found, posterior_fisher, member))
            | _points(found, scores_misaligned(found, posterior_fisher, member))
            | _points(found, conditioned(found, member, KEEPS))
            for member in members
        ],
        "starts": [_points(found, scores_at_start(found, chain)) for chain in range(NUM_CHAINS)],
        "HMC mean": [_points(found, scores_of_mean(found, found.compact, "hmc-mean"))],
        "VI mean": [_points(found, scores_of_mean(found, found.vi, "vi-mean"))],
    }
    curves = [
        {**where, "networks": kind, "score": score, "keep": keep, "accuracy": acc, "nll": nll}
        for kind, points in networks.items()
        for score in points[0]
        for keep, acc, nll in np.mean([one[score] for one in points], axis=0).tolist()
    ]
    return curves, {**where, **_about(cell, found)}


def _points(found: Posteriors, pruned: Pruned) -> dict[str, np.ndarray]:
    """The points [keep, accuracy, nll] at every share, by score."""
    names, points = [*pruned.scores, *pruned.copies], {}
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        copies = [_copies(pruned, name) for name in some]
        predictive = found.setup.predict(jax.tree.map(lambda *x: np.concatenate(x), *copies))
        for number, name in enumerate(some):
            row = number * len(KEEPS)
            points[name] = _curve(found, predictive.take(np.arange(row, row + len(KEEPS))))
    return points


def _copies(pruned: Pruned, name: str) -> Params:
    if name in pruned.copies:
        return pruned.copies[name]
    return pruned_copies(pruned.params, pruned.scores[name], KEEPS)


def _curve(found: Posteriors, predictive: Predictive) -> np.ndarray:
    rows = []
    for place, keep in enumerate(KEEPS):
        scores = predictive.take(np.array([place])).scores(found.setup.test_targets)
        rows.append([keep, scores["accuracy"], scores["nll"]])
    return np.array(rows)


def _about(cell: Cell, found: Posteriors) -> Row:
    """The properties of a cell: convergence, shares of the variance of stds, and correlations.

    The correlations compare the stds of the two chains with each other, and HMC's std with VI's.
    """
    symmetry = found.setup.posterior.symmetry
    shares = variance_shares(symmetry, found.compact.std)
    flat = lambda tree: _trees.ravel_batch(tree, 0).astype(np.float64)
    chains = [found.aligned.select_chains(chain).std() for chain in range(NUM_CHAINS)]
    one, two = (flat(std) for std in chains)
    of_inputs = [flat(average_over_units(symmetry, std)) for std in chains]
    return {
        "num_train": len(found.setup.dataset.train),
        "num_draws": NUM_CHAINS * cell.num_draws,
        "share_dark_inputs": float(dark_inputs(found).mean()),
        **{f"std_share_{name.replace(' ', '_')}": share for name, share in shares.items()},
        "std_mean": float(flat(found.compact.std).mean()),
        "std_correlation_chains": rank_correlation(one, two),
        "std_correlation_chains_units": rank_correlation(one - of_inputs[0], two - of_inputs[1]),
        "std_correlation_chains_averaged": rank_correlation(*of_inputs),
        "std_correlation_vi": rank_correlation(flat(found.compact.std), flat(found.vi.std)),
        **health(found),
    }
