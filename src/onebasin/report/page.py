"""The page: findings, tables and figures as one HTML file that needs nothing else."""

import base64
import html
import re
import struct
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import NamedTuple

from onebasin.plots.exhibit import Exhibit
from onebasin.plots.numbers import DASH
from onebasin.report import tables
from onebasin.report.findings import Findings
from onebasin.report.summary import summary
from onebasin.report.tables import Table

_NUMBER = re.compile(rf"{DASH}|-?[\d,]*\.?\d+(\s×\s10\S+)?( %)?( \[.*\])?")


class Drawn(NamedTuple):
    """An exhibit with its two PNG files, for light and for dark screens."""

    exhibit: Exhibit
    light: bytes
    dark: bytes


def page(findings: Findings, drawn: Sequence[Drawn]) -> str:
    """The whole report as HTML in plain ASCII; everything shown comes from the findings."""
    sections = {
        "Summary": _summary(findings),
        "Scores": _tables(tables.representation_table(findings), tables.meaning_table(findings)),
        "Figures": "\n".join(map(_figure, drawn)),
        "Weights": _tables(tables.comparison_table(findings), tables.floor_table(findings)),
        "Connectivity": _tables(tables.connectivity_table(findings)),
        "Pruned networks": _tables(tables.pruning_table(findings)),
        "Diagnostics": _tables(tables.convergence_table(findings), tables.sampler_table(findings)),
        "How it was run": _pair(tables.seconds_table(findings), tables.version_table(findings))
        + _tables(tables.config_table(findings)),
    }
    heading = f"{findings.data_name}, {findings.network_name} network"
    text = Template(_resource("page.html")).substitute(
        title=html.escape(f"onebasin: {heading}"),
        style=_resource("page.css"),
        heading=html.escape(heading),
        lead=html.escape(_lead(findings)),
        contents=" ".join(f'<a href="#{_slug(name)}">{html.escape(name)}</a>' for name in sections),
        body="\n".join(
            f'<section id="{_slug(name)}">\n<h2>{html.escape(name)}</h2>\n{body}\n</section>'
            for name, body in sections.items()
        ),
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _lead(findings: Findings) -> str:
    version = findings.results.versions.get("onebasin", "of an unknown version")
    return (
        "What the posterior of a Bayesian neural network knows about every weight, once its "
        "draws are brought into one basin: hidden units of a network may trade places without "
        "changing what it computes, so means and standard deviations of draws say something "
        f"only after their units are put in one order. Written by onebasin {version}."
    )


def _summary(findings: Findings) -> str:
    remarks = "\n".join(
        f"<dt>{html.escape(topic)}</dt>\n<dd>{html.escape(text)}</dd>"
        for topic, text in summary(findings)
    )
    return f"<dl>\n{remarks}\n</dl>"


def _figure(drawn: Drawn) -> str:
    exhibit = drawn.exhibit
    width, height = struct.unpack(">II", drawn.light[16:24])
    words = {
        "What it shows.": exhibit.shows,
        "How to read it.": exhibit.read,
        "When it misleads.": exhibit.misleads,
    }
    caption = "\n".join(
        f"<p><strong>{start}</strong> {html.escape(text.strip())}</p>"
        for start, text in words.items()
    )
    return (
        f'<h3 id="figure-{_slug(exhibit.name)}">{html.escape(exhibit.title)}</h3>\n'
        f'<figure>\n<picture><source media="screen and (prefers-color-scheme: dark)" '
        f'srcset="{_data_url(drawn.dark)}">\n'
        f'<img src="{_data_url(drawn.light)}" width="{width}" height="{height}" '
        f'alt="{html.escape(exhibit.alt)}"></picture>\n<figcaption>\n{caption}\n</figcaption>\n'
        "</figure>"
    )


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _pair(*some: Table) -> str:
    return f'<div class="pair">\n{"".join(f"<div>{_table(one)}</div>" for one in some)}\n</div>\n'


def _tables(*some: Table) -> str:
    return "\n".join(map(_table, some))


def _table(table: Table) -> str:
    title = html.escape(table.title)
    is_number = [_holds_numbers(column) for column in zip(*table.rows, strict=True)]
    head = "".join(
        f'<th scope="col"{_kind(name, number)}>{html.escape(name)}</th>'
        for name, number in zip(table.header, is_number, strict=True)
    )
    rows = "\n".join(_row(row, is_number) for row in table.rows)
    note = f'\n<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{title}</h3>\n<div class="scroll" role="region" aria-label="{title}" tabindex="0">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>{note}"
    )


def _row(row: tuple[str, ...], is_number: Sequence[bool]) -> str:
    first, *rest = (html.escape(cell) for cell in row)
    cells = "".join(
        f"<td{_kind(cell, number)}>{cell}</td>"
        for cell, number in zip(rest, is_number[1:], strict=True)
    )
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def _holds_numbers(column: Sequence[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in column)


def _kind(cell: str, is_number: bool) -> str:
    if is_number:
        return ' class="number"'
    return ' class="prose"' if len(cell) > 40 else ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _resource(name: str) -> str:
    return resources.files("onebasin.report").joinpath(name).read_text(encoding="utf-8")
