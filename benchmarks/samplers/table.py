"""The table of samplers: every cell against today's baseline of the same data and seed."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.samplers.cells import predictive_of
from benchmarks.samplers.kinds import BASELINE
from onebasin.intervals import t_interval

QUANTITIES = ("predictions", "weights", "squares")
HEADER = [
    "sampler", "seeds", "ESS / 1,000 gradients", "predictions", "weights", "squares", "a second",
    "R-hat", "least ESS", "TV", "std", "NLL",
]  # fmt: skip

Cell = dict[str, Any]


def load_cells(folder: Path) -> list[Cell]:
    """All cells below a folder that have a baseline beside them.

    The cells of one subfolder were measured on one machine, so seconds are compared within it. Of
    cells that were measured twice, one with seconds counts, and else the last by name.
    """
    cells = {path: json.loads(path.read_text("utf-8")) for path in sorted(folder.rglob("*.json"))}
    place = lambda path, cell: (path.parent, cell["data"], cell["seed"])
    baselines = {
        place(path, cell): cell | {"path": path}
        for path, cell in cells.items()
        if cell["sampler"] == BASELINE
    }
    found = {}
    for path, cell in cells.items():
        baseline = baselines.get(place(path, cell))
        if baseline is not None:
            name = cell["data"], cell["seed"], cell["sampler"]
            if name not in found or cell["seconds"] or not found[name]["seconds"]:
                found[name] = cell | {"path": path, "baseline": baseline}
    return list(found.values())


def rows_of(cells: Iterable[Cell], data: str) -> list[list[str]]:
    """A row a sampler, in Markdown's words: means over seeds, ratios to the baseline by seed."""
    here = [cell for cell in cells if cell["data"] == data]
    names = sorted({cell["sampler"] for cell in here})
    return [_row(name, [cell for cell in here if cell["sampler"] == name]) for name in names]


def ratio(cell: Cell, quantity: str, per: str = "num_gradients") -> float:
    """Effective draws for a gradient (or a second), as a multiple of the baseline's."""
    rate = lambda one: (one[f"{quantity} ess_median"] or np.nan) / one[per]
    return rate(cell) / rate(cell["baseline"])


def _row(name: str, cells: Sequence[Cell]) -> list[str]:
    mean = lambda key: float(np.mean([np.nan if c[key] is None else c[key] for c in cells]))
    rates = [1000 * (c["predictions ess_median"] or np.nan) / c["num_gradients"] for c in cells]
    ratios = {quantity: [ratio(cell, quantity) for cell in cells] for quantity in QUANTITIES}
    timed = [cell for cell in cells if cell["seconds"] and cell["baseline"]["seconds"]]
    seconds = [ratio(cell, "predictions", "seconds") for cell in timed]
    tv = [
        predictive_of(c["path"]).total_variation(predictive_of(c["baseline"]["path"]))
        for c in cells
    ]
    return [
        name,
        str(len(cells)),
        f"{np.mean(rates):.1f}",
        *(_interval(ratios[quantity]) for quantity in QUANTITIES),
        _interval(seconds),
        f"{mean('predictions rhat_max'):.3f}",
        f"{mean('predictions ess_min'):.0f}",
        f"{np.mean(tv):.4f}",
        f"{mean('rms_std'):.3f}",
        f"{mean('nll'):.4f}",
    ]


def _interval(values: Sequence[float]) -> str:
    if len(values) == 0:
        return "-"
    if len(values) < 2 or not np.isfinite(values).all():
        return f"{np.mean(values):.2f}"
    low, high = t_interval(np.asarray(values))
    return f"{np.mean(values):.2f} ± {(high - low) / 2:.2f}"


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a table of Markdown."""
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
