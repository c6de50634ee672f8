"""Studies with claims on disk: tables, figures and claims, each study in a folder."""

import json
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib.figure import Figure

from onebasin.plots.exhibit import png
from onebasin.plots.numbers import fixed
from onebasin.plots.theme import Theme
from onebasin.run.cache import Key, cached, check_key
from onebasin.run.setup import ProgressCallback, silent
from onebasin.store.errors import StoreError
from onebasin.store.files import write_bytes, write_text
from onebasin.studies.all import TABLES, Study, studies_in
from onebasin.studies.claims import Claim, Findings
from onebasin.studies.compact import figures as compact
from onebasin.studies.compare import figures as compare
from onebasin.studies.dynamics import figures as dynamics
from onebasin.studies.knowledge import figures as knowledge
from onebasin.studies.names import CLAIMING, PAPER, Scale, check_choice, checked_scale
from onebasin.studies.pruning import figures as pruning
from onebasin.studies.tables import Tables, read_table, write_table
from onebasin.studies.transpositions import figures as transpositions

Drawings: TypeAlias = Mapping[str, Callable[[Theme], Figure]]
"""The functions that draw the figures of a study, by the names of the files."""

FIGURES: dict[str, Callable[[Tables], Drawings]] = {
    "transpositions": transpositions.figures,
    "dynamics": dynamics.figures,
    "compact": compact.figures,
    "compare": compare.figures,
    "pruning": pruning.figures,
    "knowledge": knowledge.figures,
}
"""The figures of each study, drawn from its tables alone."""

_CLAIMS = "claims.json"


def write_study(
    name: str, scale: str, out: Path, on_progress: ProgressCallback = silent, *, again: bool = False
) -> dict[str, list[Claim]]:
    """Run one study, or all of the paper with the name "paper", and write its findings.

    A study that is done already is repeated only if `again` is true. `claims.json` in `out`
    collects the claims of all studies in `out`. Returns the claims of each study that was asked
    for.

    Raises: ValueError if the name or the scale is unknown. StoreError if a folder holds findings
    of another scale, of other data or of another version.
    """
    check_choice("A study with claims", name, [*CLAIMING, "paper"])
    chosen = checked_scale(scale)
    names = list(PAPER) if name == "paper" else [name]
    studies = studies_in(out, names if again else ())
    keys = {name: studies[name].key(chosen) for name in names}
    if not again:
        # All folders are checked before the first study, which may take hours.
        for name, key in keys.items():
            _check_folder(out / name, key)
    found: dict[str, list[Claim]] = {}
    for number, (name, key) in enumerate(keys.items()):
        on_progress(name, number / len(names), "")
        take = partial(_take, studies[name], chosen, out / name, _named(on_progress, name))
        save = partial(_save, name, chosen, time.perf_counter())
        found[name] = cached(out / name, key, take, partial(_load, name), save, again=again).claims
        _join(out)
    return found


def _check_folder(folder: Path, key: Key) -> None:
    if (folder / _CLAIMS).exists():
        check_key(folder, key)


def _named(on_progress: ProgressCallback, name: str) -> ProgressCallback:
    return lambda what, fraction, details: on_progress(f"{name}: {what}", fraction, details)


def _take(study: Study, scale: Scale, folder: Path, on_progress: ProgressCallback) -> Findings:
    (folder / _CLAIMS).unlink(missing_ok=True)
    return study.measure(scale, on_progress)


def _save(name: str, scale: Scale, begin: float, folder: Path, findings: Findings) -> None:
    for table_name, table in findings.tables.items():
        write_table(folder / f"{table_name}.csv", table)
    draw_figures(name, folder)
    found = {
        "experiment": name,
        "scale": scale,
        "seconds": round(time.perf_counter() - begin, 1),
        "claims": [_without_nan(claim._asdict()) for claim in findings.claims],
    }
    write_text(folder / _CLAIMS, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _load(name: str, folder: Path) -> Findings:
    return Findings(read_tables(name, folder), read_claims(folder))


def draw_figures(name: str, folder: Path) -> None:
    """Draw the figures of a study from the tables in its folder."""
    for figure, draw in FIGURES[name](read_tables(name, folder)).items():
        write_bytes(folder / f"{figure}.png", png(draw))


def read_tables(name: str, folder: Path) -> Tables:
    """The tables of a study from its folder.

    Raises: StoreError if a table is missing, or has other columns than the study writes.
    """
    tables = TABLES[name].items()
    return {table: read_table(folder / f"{table}.csv", columns) for table, columns in tables}


def _join(out: Path) -> None:
    found = {p.parent.name: _read(p.parent) for p in sorted(out.glob(f"*/{_CLAIMS}"))}
    write_text(out / _CLAIMS, json.dumps(found, indent=1, allow_nan=False) + "\n")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _CLAIMS
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} must be JSON. Got: {error}. Pass --again.") from error


def read_claims(folder: Path) -> list[Claim]:
    """The claims of a study from its folder.

    Raises: StoreError if the file is damaged.
    """
    found: list[dict[str, Any]] = _read(folder)["claims"]
    for claim in found:
        claim["estimate"] = _nan_for_none(claim["estimate"])
        claim["interval"] = tuple(_nan_for_none(bound) for bound in claim["interval"])
    return [Claim(**claim) for claim in found]


def claim_rows(claims: Mapping[str, list[Claim]]) -> list[list[str]]:
    """A header and a row for each claim, as text."""
    rows = [["study", "claim", "estimate", "95 % interval", "seeds", "claimed", "verdict"]]
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
    """The values with None for NaN, which JSON does not have. One seed has no interval."""
    low, high = (x if math.isfinite(x) else None for x in values["interval"])
    estimate = values["estimate"] if math.isfinite(values["estimate"]) else None
    return {**values, "estimate": estimate, "interval": [low, high]}


def _nan_for_none(value: float | None) -> float:
    return math.nan if value is None else value
