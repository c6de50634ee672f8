"""A symmetry as a table for people: text for terminals, HTML for notebooks."""

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class GroupRow(NamedTuple):
    """What the table says of one group: its name, its size and where it occurs."""

    group: str
    units: str
    inside: str
    signs: str
    arrangements: str
    places: str


_HEADER = GroupRow(
    "group", "units", "each inside of", "signs", "log10 of arrangements", "arrays and their axes"
)


class Description(NamedTuple):
    """Everything that the table of a symmetry says: its groups, and which axes never move."""

    rows: Sequence[GroupRow]
    log10_num_equivalent: float
    frozen: Mapping[str, str]

    def as_text(self) -> str:
        """Columns, then why other axes never move."""
        table = [_HEADER, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER) - 1)]
        lines = [
            "  ".join(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True)).rstrip()
            for row in table
        ]
        lines.append(self._total())
        lines += [f"{place} never moves: {reason}." for place, reason in self.frozen.items()]
        return "\n".join(lines)

    def as_html(self) -> str:
        """The same as an HTML table."""
        cell = lambda text, tag="td": f"<{tag}>{html.escape(text)}</{tag}>"
        head = "".join(cell(text, "th") for text in _HEADER)
        body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in self.rows)
        still = "".join(
            f"<li>{html.escape(place)} never moves: {html.escape(reason)}.</li>"
            for place, reason in self.frozen.items()
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{self._total()}</p>" + (f"<ul>{still}</ul>" if still else "")
        )

    def _total(self) -> str:
        return f"10^{self.log10_num_equivalent:.1f} weight settings compute the same function."
