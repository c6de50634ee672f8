"""The page: findings, tables and figures as one HTML file that needs no other file.

This module collects the content of the page. `page.html` and `page.css` lay it out.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import jinja2
from PIL import Image

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.numbers import DASH
from onebasin.report import tables
from onebasin.report.findings import Findings
from onebasin.report.summary import Remark, summary
from onebasin.report.tables import Table

_NUMBER = re.compile(rf"{DASH}|-?[\d,]*\.?\d+(\s×\s10\S+)?( %)?( \[.*\])?")
_PROSE = 40  # characters


class Drawn(NamedTuple):
    """An exhibit with its two PNG files, for light and for dark screens."""

    exhibit: Exhibit
    light: bytes
    dark: bytes

    @property
    def size(self) -> tuple[int, int]:
        """The width and height in pixels. With them the page does not jump while it loads."""
        return Image.open(io.BytesIO(self.light)).size


class Cell(NamedTuple):
    """A text of a table, and the CSS class that lays it out. Most cells have None."""

    text: str
    kind: str | None


class Sheet(NamedTuple):
    """A table whose cells have their CSS classes."""

    title: str
    header: list[Cell]
    rows: list[list[Cell]]
    note: str


class Part(NamedTuple):
    """A part of the page. Its content is shown in the order of these fields."""

    name: str
    remarks: Sequence[Remark] = ()
    figures: Sequence[Drawn] = ()
    pair: Sequence[Sheet] = ()  # side by side
    tables: Sequence[Sheet] = ()


def page(findings: Findings, drawn: Sequence[Drawn]) -> str:
    """The whole report as HTML in plain ASCII. All content comes from the findings and figures."""
    heading = f"{findings.data_name}, {findings.network_name} network"
    return rendered(heading, findings.results.versions, _parts(findings, drawn))


def rendered(heading: str, versions: Mapping[str, str], parts: Sequence[Part]) -> str:
    """A page of these parts as HTML in plain ASCII."""
    text = _template().render(
        heading=heading, version=versions.get("onebasin", "of an unknown version"), parts=parts
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _parts(findings: Findings, drawn: Sequence[Drawn]) -> list[Part]:
    def sheets(*makers: tables.Maker) -> list[Sheet]:
        return [sheet_of(make(findings)) for make in makers]

    barriers = [tables.connectivity_table]
    if findings.compare.basin is not None:
        barriers.insert(0, tables.basin_table)
    return [
        Part("Summary", remarks=summary(findings)),
        Part("Single weights", tables=sheets(tables.knowledge_table)),
        Part("Scores", tables=sheets(tables.representation_table, tables.meaning_table)),
        Part("Figures", figures=drawn),
        Part("Weights", tables=sheets(tables.comparison_table, tables.floor_table)),
        Part("Connectivity", tables=sheets(*barriers)),
        Part("Pruned networks", tables=sheets(tables.pruning_table)),
        Part("Diagnostics", tables=sheets(tables.convergence_table, tables.sampler_table)),
        Part(
            "How it was run",
            pair=sheets(tables.seconds_table, tables.version_table),
            tables=sheets(tables.config_table),
        ),
    ]


def sheet_of(table: Table) -> Sheet:
    """A table laid out: columns of numbers and of long text get their CSS classes."""
    is_number = [_holds_numbers(column) for column in zip(*table.rows, strict=True)]

    def cells(row: Sequence[str]) -> list[Cell]:
        return [Cell(text, _kind(text, n)) for text, n in zip(row, is_number, strict=True)]

    return Sheet(table.title, cells(table.header), [cells(row) for row in table.rows], table.note)


def _holds_numbers(column: Sequence[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in column)


def _kind(text: str, is_number: bool) -> str | None:
    if is_number:
        return "number"
    return "prose" if len(text) > _PROSE else None


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("onebasin.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": _slug, "data_url": _data_url}
    return environment.get_template("page.html")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
