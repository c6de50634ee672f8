"""When the std of a single weight says something: contraction, reliability and the null floor.

Every number stands beside the same number of aligned noise that has the autocorrelation of the
draws. Claims are about differences between cells with one seed, with Student's interval over seeds.
"""

import json
import re
from pathlib import Path

import pandas as pd

from onebasin import _trees
from onebasin.data.fingerprint import fingerprint
from onebasin.diagnostics import convergence
from onebasin.knowledge import weight_table
from onebasin.methods.estimate import estimate
from onebasin.methods.method import inits
from onebasin.run.begin import open_run
from onebasin.run.cache import Key, cached, key_of
from onebasin.run.methods import duration, method_of, with_defaults
from onebasin.run.run_directory import writing
from onebasin.run.setup import ProgressCallback, Setup, set_up
from onebasin.run.steps.knowledge import aligned_noise, knowledge_of
from onebasin.run.steps.sample import draw_by_sampler
from onebasin.run.weights import ArrayKnowledge
from onebasin.store.draws import load_samples
from onebasin.store.errors import StoreError
from onebasin.store.files import write_text
from onebasin.studies.claims import Claim, Direction, Findings, claim_over_seeds
from onebasin.studies.knowledge.cells import BASE, Cell, cells
from onebasin.studies.names import Scale
from onebasin.studies.tables import Columns, Row, distinct, tables_of, where

_PLACE: Columns = {"data": str, "factor": str, "level": str, "seed": int}
_RELIABILITIES = ("mean", "std", "std_between_units")
_KNOWN = (
    "contraction", "moved_share", "small_p_share", "significant_share", "relative_error",
    "rhat_median", "rhat_max", "ess_median", "same_unit_share",
)  # fmt: skip
_NUMBERS = (
    *_KNOWN,
    *(f"reliability_{kind}" for kind in _RELIABILITIES),
    *(f"null_reliability_{kind}" for kind in _RELIABILITIES),
)
TABLES: dict[str, Columns] = {
    "cells": {
        **_PLACE, "num_train": int, "num_weights": int, "num_draws": int,
        "predictions_rhat_max": float, "predictions_ess_min": float,
        **dict.fromkeys(_NUMBERS, float),
    },
    "arrays": {**_PLACE, "array": str, "num_weights": int, **dict.fromkeys(_NUMBERS, float)},
}  # fmt: skip
"""What the draws of each cell say of all weights, and of each array."""

_CELL_FILE = "cell.json"


def knowledge_key(scale: Scale) -> Key:
    """The key of the study: all cells, and their data."""
    chosen = list(cells(scale))
    return Key(
        arguments={"scale": scale},
        config={cell.name: cell.config.model_dump(mode="json") for cell in chosen},
        data={cell.name: fingerprint(set_up(cell.config).dataset) for cell in chosen},
    )


def knowledge(
    folder: Path, scale: Scale, on_progress: ProgressCallback, *, again: bool = False
) -> Findings:
    """The tables of all cells, and the claims. A cell that is done already is read from `folder`.

    Raises: StoreError if `folder` holds a cell that was measured with other settings or data.
    """
    chosen = list(cells(scale))
    on_progress(f"{len(chosen)} cells", 0.0, _hours(chosen))
    rows: dict[str, list[Row]] = {"cells": [], "arrays": []}
    for number, cell in enumerate(chosen):
        named = _named(on_progress, cell.name, number / len(chosen))
        for table, some in _kept_or_measured(folder, cell, named, again).items():
            rows[table] += some
    tables = tables_of(rows, TABLES)
    return Findings(tables, claims_of(tables["cells"]))


def _named(on_progress: ProgressCallback, name: str, share: float) -> ProgressCallback:
    """Progress of one cell, as progress of the study, of which a share is done."""
    return lambda what, fraction, details: on_progress(
        f"{name}: {what}", share, f"{100 * fraction:.0f} %, {details}"
    )


def _hours(chosen: list[Cell]) -> str:
    """How long sampling takes, from a few timed steps of the first cell.

    A step of another cell takes longer by its number of examples, weights and gradients.
    """
    costs = [_cost(cell, set_up(cell.config)) for cell in chosen]
    setup = set_up(chosen[0].config)
    least, most = (
        sum(cost * _num_steps(cell, name) for cost, cell in zip(costs, chosen, strict=True))
        for name in ("num_draws", "limit")
    )
    method, key = method_of(setup), setup.key("hours")
    starts = inits(setup.posterior.init, setup.config.method.num_chains, key=key)
    seconds = estimate(method, starts, 1, key=key).seconds / (1 + method.num_warmup) / costs[0]
    words = [duration(seconds * least)] + [duration(seconds * most)] * (most > least)
    return f"sampling takes about {' to '.join(words)}"


def _cost(cell: Cell, setup: Setup) -> float:
    """The relative cost of a step of the chains of a cell."""
    num_gradients = cell.config.method.num_chains * (cell.config.method.num_steps or 1)
    return float(len(setup.dataset.train) * _trees.size(setup.template) * num_gradients)


def _num_steps(cell: Cell, num_draws: str) -> int:
    method = with_defaults(cell.config.method)
    return (method.num_warmup or 0) + getattr(method, num_draws) * (method.thin or 1)


def _kept_or_measured(
    folder: Path, cell: Cell, on_progress: ProgressCallback, again: bool
) -> dict[str, list[Row]]:
    setup = set_up(cell.config)
    place = folder / re.sub(r"[^a-z0-9.]+", "-", cell.name)
    return cached(
        place / "numbers",
        key_of(cell.config, setup.dataset, factor=cell.factor, level=cell.level),
        lambda: _measure(cell, setup, place / "run", on_progress, again),
        _load,
        lambda there, rows: write_text(there / _CELL_FILE, json.dumps(rows) + "\n"),
        again=again,
    )


def _load(folder: Path) -> dict[str, list[Row]]:
    path = folder / _CELL_FILE
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} must hold a cell. Got: {error!r}. Pass --again.") from None


def _measure(
    cell: Cell, setup: Setup, path: Path, on_progress: ProgressCallback, again: bool
) -> dict[str, list[Row]]:
    """Draw, align, and compare with aligned noise. The draws stay in the folder of the cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = open_run(path, setup, again=again)
    with writing(path):
        draw_by_sampler(run, setup, on_progress)
    samples = load_samples(run.samples(setup.config.method.kind), setup.template).load()
    on_progress("aligning", 0.0, "")
    alignment = setup.align(samples, setup.reference)
    noise = aligned_noise(setup, samples)
    on_progress("table of weights", 0.0, "")
    prior_std = setup.posterior.tempered_prior_std
    found = knowledge_of(weight_table(alignment, samples, prior_std=prior_std, nulls=[noise]))
    mixed = convergence(setup.test_predictions(samples))
    place: Row = {
        "data": cell.data, "factor": cell.factor, "level": cell.level, "seed": cell.config.seed,
    }  # fmt: skip
    about: Row = {
        "num_train": len(setup.dataset.train),
        "num_draws": samples.num_chains * samples.num_draws,
        "predictions_rhat_max": mixed["rhat_max"],
        "predictions_ess_min": mixed["ess_min"],
    }
    return {
        "cells": [{**place, **about, **_numbers(found)}],
        "arrays": [
            {**place, "array": name, **_numbers(one)} for name, one in found.by_array.items()
        ],
    }


def _numbers(found: ArrayKnowledge) -> Row:
    kinds = {"": found.reliability, "null_": found.null_reliability}
    return {
        "num_weights": found.num_weights,
        **{name: getattr(found, name) for name in _KNOWN},
        **{
            f"{prefix}reliability_{kind}": getattr(some, kind)
            for prefix, some in kinds.items()
            for kind in _RELIABILITIES
        },
    }


_CONTRASTS: tuple[tuple[str, str, tuple[str, str], tuple[str, str], Direction], ...] = (
    ("more examples tell more about a weight", "contraction",
     (BASE, ""), ("examples", "100"), ">"),
    ("a wider network tells less about a weight", "contraction",
     ("width", "128"), ("width", "16"), "<"),
    ("a wider prior leaves more for the data to tell", "contraction",
     ("prior std", "3"), ("prior std", "0.3"), ">"),
    ("a colder posterior contracts more", "contraction",
     ("temperature", "0.25"), ("temperature", "4"), ">"),
)  # fmt: skip


def claims_of(rows: pd.DataFrame) -> list[Claim]:
    """The claims of each kind of cell against noise, and those that compare two kinds."""
    found: list[Claim] = []
    for data, factor, level in distinct(rows, "data", "factor", "level"):
        some = where(rows, data=data, factor=factor, level=level)
        words = data if factor in (BASE, "data") else f"{data}, {factor} {level}"
        found += _against_noise(words, some)
    for claim, column, first, second, direction in _CONTRASTS:
        one, other = (
            where(rows, factor=factor, level=level).set_index("seed")[column]
            for factor, level in (first, second)
        )
        if len(one) and len(other):
            statistic = f"{column}, {' '.join(first).strip()} minus {' '.join(second).strip()}"
            found.append(claim_over_seeds(claim, statistic, one - other, direction, 0.0))
    return found


def _against_noise(words: str, rows: pd.DataFrame) -> list[Claim]:
    gap = lambda kind: rows[f"reliability_{kind}"] - rows[f"null_reliability_{kind}"]
    return [
        claim_over_seeds(
            f"{words}: halves of the chains order stds alike, more than for noise",
            "Spearman correlation of stds, draws minus noise", gap("std"), ">", 0.1,
        ),
        claim_over_seeds(
            f"{words}: so they do between units at one position",
            "the same of stds less the mean of their position", gap("std_between_units"), ">", 0.1,
        ),
        claim_over_seeds(
            f"{words}: more stds than by chance are smaller than those of aligned noise",
            "share of weights with a p-value of at most .05",
            rows["small_p_share"], ">", 0.05,
        ),
    ]  # fmt: skip
