"""The paper's experiments on disk: tables, figures and claims, each experiment in a folder."""

import difflib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast, get_args

from matplotlib.figure import Figure

from onebasin.plots.exhibit import png
from onebasin.plots.numbers import fixed
from onebasin.plots.theme import Theme
from onebasin.run.setup import Monitor, silent
from onebasin.store.errors import StoreError
from onebasin.store.files import write_bytes, write_text
from onebasin.store.tables import read_table, write_table
from onebasin.studies.all import Experiment, experiments_in
from onebasin.studies.claims import Claim, Scale, Tables
from onebasin.studies.compact import figures as compact
from onebasin.studies.compare import figures as compare
from onebasin.studies.dynamics import figures as dynamics
from onebasin.studies.pruning import figures as pruning
from onebasin.studies.transpositions import figures as transpositions

Drawings: TypeAlias = Mapping[str, Callable[[Theme], Figure]]
"""How each figure of an experiment is drawn, by the name of its file."""

FIGURES: dict[str, Callable[[Tables], Drawings]] = {
    "transpositions": transpositions.figures,
    "dynamics": dynamics.figures,
    "compact": compact.figures,
    "compare": compare.figures,
    "prune": pruning.figures,
}
"""The figures of each experiment, drawn from its tables alone."""

_CLAIMS = "claims.json"


def write_paper(
    name: str, scale: str, out: Path, monitor: Monitor = silent, *, again: bool = False
) -> dict[str, list[Claim]]:
    """Take one experiment, or all, and write what they find; gives the claims of each.

    An experiment whose claims are there is not repeated unless `again`. `claims.json` in `out`
    joins those of all experiments that are there.

    Raises: ValueError for an unknown name or scale; StoreError where a folder holds the findings
    of another scale.
    """
    experiments = experiments_in(out)
    names = list(experiments) if name == "all" else [name]
    check_choice("An experiment", name, [*experiments, "all"])
    check_choice("A scale", scale, list(get_args(Scale)))
    if not again:
        for one in names:
            _check_scale(out / one, scale)
    for number, one in enumerate(names):
        if again or not (out / one / _CLAIMS).exists():

            def told(what: str, fraction: float, details: str, one: str = one) -> None:
                monitor(f"{one}: {what}", fraction, details)

            monitor(one, number / len(names), "")
            _take(experiments[one], one, cast(Scale, scale), out / one, told)
        _join(out)
    return {one: read_claims(out / one) for one in names}


def check_choice(what: str, value: str, choices: list[str]) -> None:
    """Raise ValueError where a value is none of the choices, with the nearest one as a hint."""
    if value not in choices:
        near = difflib.get_close_matches(value, choices, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{what} must be one of {', '.join(choices)}. Got {value!r}.{hint}")


def _check_scale(folder: Path, scale: str) -> None:
    if (folder / _CLAIMS).exists() and (found := _read(folder)["scale"]) != scale:
        raise StoreError(
            f"A folder holds the findings of one scale. Got scale {scale} for {folder}, which "
            f"holds {found}. Name another folder with --out, or pass --again to replace them."
        )


def _take(experiment: Experiment, name: str, scale: Scale, folder: Path, monitor: Monitor) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CLAIMS).unlink(missing_ok=True)
    begin = time.perf_counter()
    findings = experiment(scale, monitor)
    for table, rows in findings.tables.items():
        write_table(folder / f"{table}.csv", rows)
    draw_figures(name, folder)
    found = {
        "experiment": name,
        "scale": scale,
        "seconds": round(time.perf_counter() - begin, 1),
        "claims": [_without_nan(claim._asdict()) for claim in findings.claims],
    }
    # Last, so that claims that are there say that everything is.
    write_text(folder / _CLAIMS, json.dumps(found, indent=1, allow_nan=False) + "\n")


def draw_figures(name: str, folder: Path) -> None:
    """Draw the figures of an experiment anew from the tables in its folder."""
    tables = {path.stem: read_table(path) for path in sorted(folder.glob("*.csv"))}
    for figure, draw in FIGURES[name](tables).items():
        write_bytes(folder / f"{figure}.png", png(draw))


def _join(out: Path) -> None:
    found = {p.parent.name: _read(p.parent) for p in sorted(out.glob(f"*/{_CLAIMS}"))}
    write_text(out / _CLAIMS, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _CLAIMS
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} must be JSON. Got: {error}. Pass --again.") from error


def read_claims(folder: Path) -> list[Claim]:
    """The claims of an experiment from its folder.

    Raises: StoreError where the file is damaged.
    """
    found: list[dict[str, Any]] = _read(folder)["claims"]
    for claim in found:
        claim["estimate"] = _nan_for_none(claim["estimate"])
        claim["interval"] = tuple(_nan_for_none(bound) for bound in claim["interval"])
    return [Claim(**claim) for claim in found]


def claim_rows(claims: Mapping[str, list[Claim]]) -> list[list[str]]:
    """A header and a row for each claim, as text."""
    rows = [["experiment", "claim", "estimate", "95 % interval", "seeds", "claimed", "verdict"]]
    for name, some in claims.items():
        for claim in some:
            low, high = (fixed(None if math.isnan(x) else x) for x in claim.interval)
            claimed = f"{claim.direction} {claim.threshold:g}"
            estimate = fixed(None if math.isnan(claim.estimate) else claim.estimate)
            interval = f"{low} to {high}"
            seeds = str(claim.num_seeds)
            rows.append([name, claim.claim, estimate, interval, seeds, claimed, claim.verdict])
    return rows


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a single seed has no interval."""
    low, high = (x if math.isfinite(x) else None for x in values["interval"])
    estimate = values["estimate"] if math.isfinite(values["estimate"]) else None
    return {**values, "estimate": estimate, "interval": [low, high]}


def _nan_for_none(value: float | None) -> float:
    return math.nan if value is None else value
