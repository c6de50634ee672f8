"""Tables of figures: as plain text, as Markdown, and on a page of the documentation."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_PLACE = "(<!-- benchmark: {name} -->\n).*?(<!-- end of benchmark -->)"


class Table(NamedTuple):
    """A title, the names of the columns, and rows of text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_text(self) -> str:
        """The table in plain text, columns as wide as they need to be."""
        header, rows = self.header, self.rows
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in [header, ["-" * width for width in widths], *rows]
        ]
        return "\n".join([self.title, *lines])

    def as_markdown(self) -> str:
        """The table in Markdown, under its title in bold."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def write_to_page(page: Path, name: str, tables: Sequence[Table]) -> None:
    """Replace the tables of a benchmark on a page, between the comments that mark their place.

    Raises: ValueError if the page has no place for them.
    """
    text, place = page.read_text("utf-8"), re.compile(_PLACE.format(name=name), re.DOTALL)
    if not place.search(text):
        raise ValueError(
            f"A page must mark the place of a benchmark's tables. {page} has no "
            f"'<!-- benchmark: {name} -->' with '<!-- end of benchmark -->' behind it."
        )
    body = "\n\n".join(table.as_markdown() for table in tables)
    page.write_text(place.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", text), "utf-8")
