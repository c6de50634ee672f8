"""write_aligned_report: the figures of aligned draws and the page that explains them."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from onebasin._collections import own_names, without_statistics
from onebasin.aligned.folder import AlignedFolder
from onebasin.aligned.results import AlignedResults
from onebasin.gaussians import DiagonalGaussian, load_gaussian
from onebasin.plots.exhibit import Exhibit
from onebasin.report.aligned import tables
from onebasin.report.aligned.figures import Panel, halves_figure
from onebasin.report.aligned.summary import aligned_remarks
from onebasin.report.figures.null_floor import Stds, null_floor_figure
from onebasin.report.figures.transpositions import transpositions_figure
from onebasin.report.findings import flat
from onebasin.report.page import Drawn, Part, Sheet, rendered, sheet_of
from onebasin.report.tables import (
    Table,
    table_of_basin,
    table_of_convergence,
    table_of_floor,
    table_of_knowledge,
)
from onebasin.report.write import draw
from onebasin.run.setup import ProgressCallback, silent
from onebasin.store.files import write_text


class AlignedFindings:
    """The results and Gaussians of a folder of aligned draws.

    Raises: StoreError if the folder holds none.
    """

    def __init__(self, folder: AlignedFolder):
        self.folder = folder
        self.results = folder.load_results()

    def gaussian(self, name: str) -> DiagonalGaussian:
        """The Gaussian of weights in the file of this name."""
        found, _ = load_gaussian(self.folder.gaussian(name))
        assert isinstance(found, DiagonalGaussian)
        return DiagonalGaussian(*map(without_statistics, (found.mean, found.std)))

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each array: its path without the names of collections."""
        found, _ = load_gaussian(self.folder.gaussian("aligned"))
        return own_names(found.mean)

    def is_permuted(self, array: str) -> bool:
        """Whether alignment moves any axis of an array, named by its path."""
        groups = self.results.symmetry.groups
        return any(array in group.arrays for group in groups)


def write_aligned_report(
    folder: AlignedFolder, on_progress: ProgressCallback = silent
) -> AlignedResults:
    """Draw every figure to the folder and write its page last. Returns the results.

    Raises: StoreError if the folder holds no results of `onebasin align`, or a Gaussian is missing.
    """
    findings = AlignedFindings(folder)
    folder.report.unlink(missing_ok=True)
    drawn = draw(list(_exhibits(findings)), folder.figure, on_progress)
    write_text(folder.report, _page(findings, drawn))
    on_progress("drawing figures", 1.0, "report.html")
    return findings.results


def _exhibits(findings: AlignedFindings) -> Iterator[Exhibit]:
    results = findings.results
    yield halves_figure(_panels(findings), *_halves(results))
    if results.null_floor is not None:
        unaligned, aligned, null = (
            findings.gaussian(name).std for name in ("unaligned", "aligned", "null")
        )
        names, moves = findings.names, findings.is_permuted
        yield null_floor_figure(Stds(results.null_floor, unaligned, aligned, null, names, moves))
    if results.transpositions.by_lag and results.symmetry.groups:
        yield transpositions_figure(results.transpositions)


def _halves(results: AlignedResults) -> tuple[tuple[str, str], str]:
    """What the two halves of the draws are called, and what was halved."""
    read = results.draws
    if read.num_chains == 1:
        return ("first half", "second half"), "the draws"
    what = "network" if read.are_networks else "chain"
    if read.num_chains == 2:
        return (f"first {what}", f"second {what}"), "both"
    return ("first half", "second half"), f"the {what}s"


def _panels(findings: AlignedFindings) -> list[Panel]:
    """The means before and after alignment, and the stds if each half has several draws."""
    quantities = ("mean", "std") if findings.results.draws.total > 3 else ("mean",)
    panels: list[Panel] = []
    for quantity in quantities:
        for kind in ("unaligned", "aligned"):
            halves = (findings.gaussian(f"{kind}-{half}") for half in ("first", "second"))
            values = (flat(getattr(half, quantity)) for half in halves)
            panels.append(Panel(quantity, kind == "aligned", *values))
    return panels


def _page(findings: AlignedFindings, drawn: list[Drawn]) -> str:
    results = findings.results
    network = results.request.network.rpartition(":")[2]
    parts = [
        Part("Summary", remarks=aligned_remarks(results)),
        Part("Single weights", tables=_sheets(_weight_tables(findings))),
        Part("Figures", figures=drawn),
        Part("Symmetry", tables=_sheets(_symmetry_tables(results))),
        Part("Predictions", tables=_sheets(_prediction_tables(results))),
        Part("Diagnostics", tables=_sheets(_diagnostic_tables(results))),
        Part(
            "How it was aligned",
            pair=_sheets([tables.version_table(results), tables.request_table(results)]),
        ),
    ]
    filled = [part for part in parts if any(part[1:])]
    return rendered(f"{Path(network).name}, aligned draws", results.versions, filled)


def _sheets(found: list[Table]) -> list[Sheet]:
    return [sheet_of(table) for table in found if table.rows]


def _weight_tables(findings: AlignedFindings) -> list[Table]:
    results, names = findings.results, findings.names
    if results.weights is None or results.null_floor is None:
        return [tables.spread_table(results, names)]
    return [
        table_of_knowledge(results.weights, names),
        table_of_floor(results.null_floor, names, findings.is_permuted),
    ]


def _symmetry_tables(results: AlignedResults) -> list[Table]:
    return [tables.symmetry_table(results), tables.frozen_table(results)]


def _prediction_tables(results: AlignedResults) -> list[Table]:
    found = results.predictions
    if found is None:
        return []
    basin = [] if found.basin is None else [table_of_basin(found.basin)]
    return [tables.scores_table(found), *basin]


def _diagnostic_tables(results: AlignedResults) -> list[Table]:
    found = results.convergence
    if not found.is_known:
        return [tables.alignment_table(results)]
    kinds = {
        "outputs, which alignment does not change": found.outputs,
        "weights, not aligned": found.weights_unaligned,
        "weights, aligned": found.weights_aligned,
    }
    return [table_of_convergence("Convergence", kinds), tables.alignment_table(results)]
