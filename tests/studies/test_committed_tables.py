"""The tables in docs: what the studies read today, and what the committed verdicts follow from."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from onebasin.studies.claims import Claim
from onebasin.studies.compact import measure as compact
from onebasin.studies.compare import measure as compare
from onebasin.studies.dynamics import measure as dynamics
from onebasin.studies.frontier.table import COLUMNS, markdown
from onebasin.studies.knowledge import measure as knowledge
from onebasin.studies.names import CLAIMING, PAPER
from onebasin.studies.pruning import claims as pruning
from onebasin.studies.tables import Tables, read_table, write_table
from onebasin.studies.transpositions import claims as transpositions, stability
from onebasin.studies.write import read_claims, read_tables

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
FRONTIERS = sorted((DOCS / "frontier").glob("*.csv"))
CLAIMS: dict[str, Callable[[Tables], list[Claim]]] = {
    "transpositions": lambda tables: [
        *transpositions.claims_of(tables),
        *stability.stability_claims(tables["stability"]),
    ],
    "dynamics": lambda tables: dynamics.claims_of(tables["pairs"]),
    "compact": lambda tables: compact.claims_of(tables["representations"]),
    "compare": lambda tables: compare.claims_of(tables["correlations"]),
    "pruning": lambda tables: pruning.claims_of(tables["curves"]),
    "knowledge": lambda tables: knowledge.claims_of(tables["cells"]),
}


def folder_of(name: str) -> Path:
    return DOCS / ("paper" if name in PAPER else "studies") / name


@pytest.mark.parametrize("name", CLAIMING)
def test_verdicts_follow_from_the_tables_in_docs(name: str) -> None:
    folder = folder_of(name)
    tables = read_tables(name, folder)
    assert {path.stem for path in folder.glob("*.csv")} == set(tables)
    claims, committed = CLAIMS[name](tables), read_claims(folder)
    assert [claim.claim for claim in claims] == [claim.claim for claim in committed]
    assert [claim.verdict for claim in claims] == [claim.verdict for claim in committed]
    for claim, old in zip(claims, committed, strict=True):
        assert [claim.estimate, *claim.interval] == pytest.approx(
            [old.estimate, *old.interval], rel=1e-12, abs=1e-15, nan_ok=True
        )


@pytest.mark.parametrize("name", CLAIMING)
def test_tables_in_docs_are_written_as_they_were_read(name: str, tmp_path: Path) -> None:
    for table, rows in read_tables(name, folder_of(name)).items():
        if table != "stability":  # whose counts may be missing, and are floats since
            write_table(tmp_path / "table.csv", rows)
            committed = folder_of(name) / f"{table}.csv"
            assert (tmp_path / "table.csv").read_bytes() == committed.read_bytes()


def test_comparisons_in_docs_follow_from_the_curves(tmp_path: Path) -> None:
    tables = read_tables("pruning", DOCS / "paper" / "pruning")
    write_table(tmp_path / "table.csv", pruning.comparisons(tables["curves"]))
    committed = DOCS / "paper" / "pruning" / "comparisons.csv"
    assert (tmp_path / "table.csv").read_bytes() == committed.read_bytes()


@pytest.mark.parametrize("path", FRONTIERS, ids=lambda path: path.stem)
def test_pages_of_the_frontier_in_docs_show_their_tables(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))
    # They may be older than the latest metric.
    table = read_table(path, {name: COLUMNS[name] for name in names}).reindex(columns=[*COLUMNS])
    assert markdown(table) in path.with_suffix(".md").read_text("utf-8")
