"""write_report: all figures of a run and the page that explains them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.theme import DARK, LIGHT
from onebasin.report.figures.knowledge_maps import knowledge_maps
from onebasin.report.figures.null_floor import null_floor
from onebasin.report.figures.pruning import pruning
from onebasin.report.figures.representations import representations
from onebasin.report.figures.std_maps import feature_stds, std_maps
from onebasin.report.figures.transpositions import transpositions
from onebasin.report.figures.unit_maps import unit_maps
from onebasin.report.figures.weights import weights
from onebasin.report.findings import Findings
from onebasin.report.page import Drawn, page
from onebasin.run.run_directory import RunDirectory
from onebasin.run.setup import ProgressCallback, Setup, silent
from onebasin.store.files import write_bytes, write_text


def write_report(run: RunDirectory, setup: Setup, on_progress: ProgressCallback = silent) -> Path:
    """Draw every figure to the run directory and write the page. Returns the path of the page.

    Raises: StoreError if a step of the run is not done, or a Gaussian is missing.
    """
    findings = Findings(run, setup)
    drawn = draw(list(exhibits_of(findings)), run.figure, on_progress)
    write_text(run.report, page(findings, drawn))
    on_progress("drawing figures", 1.0, "report.html")
    return run.report


def draw(
    exhibits: Sequence[Exhibit], place: Callable[[str], Path], on_progress: ProgressCallback
) -> list[Drawn]:
    """Draw figures for both themes, and write each for light pages to the place of its name."""
    drawn: list[Drawn] = []
    for number, exhibit in enumerate(exhibits):
        on_progress("drawing figures", number / len(exhibits), exhibit.name)
        drawn.append(Drawn(exhibit, exhibit.png(LIGHT), exhibit.png(DARK)))
        write_bytes(place(exhibit.name), drawn[-1].light)
    return drawn


def exhibits_of(findings: Findings) -> Iterator[Exhibit]:
    """The figures in the order of the page. Figures of the first layer need its kernel."""
    if findings.first_kernel is not None:
        yield from _first_layer(findings)
    yield representations(findings)
    yield null_floor(findings)
    yield weights(findings)
    yield transpositions(findings)
    yield pruning(findings)


def _first_layer(findings: Findings) -> Iterator[Exhibit]:
    if findings.setup.dataset.image_shape is None:
        yield feature_stds(findings)
    else:
        yield knowledge_maps(findings)
        yield std_maps(findings)
        yield unit_maps(findings)
