"""The table that `print(symmetry)` shows: text for terminals, HTML for notebooks.

`Symmetry` makes the rows, and this module lays them out.
"""

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class GroupRow(NamedTuple):
    """The row of one group, a text for each column.

    - `group` and `units` are its name and the number of its units.
    - `inside` are the groups that it is nested in, with their sizes.
    - `signs` is the number of signs of each unit.
    - `arrangements` is the decimal logarithm of the number of its permutations and signs.
    - `places` are the arrays and axes that list its units.
    """

    group: str
    units: str
    inside: str
    signs: str
    arrangements: str
    places: str


_HEADER = GroupRow(
    "group", "units", "nested in", "signs", "log10 of arrangements", "arrays and their axes"
)


class Description(NamedTuple):
    """The content of the table: a row for each group, and the axes that are not permuted.

    `frozen` gives the reason for each axis that is not permuted. `log10_num_equivalent` is the
    decimal logarithm of the number of weight settings that compute the same function.
    """

    rows: Sequence[GroupRow]
    log10_num_equivalent: float
    frozen: Mapping[str, str]

    def as_text(self) -> str:
        """Aligned columns, then a line for each axis that is not permuted."""
        table = [_HEADER, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER) - 1)]
        lines = [
            "  ".join(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True)).rstrip()
            for row in table
        ]
        lines.append(self._total())
        return "\n".join([*lines, *self._not_permuted()])

    def as_html(self) -> str:
        """The same text as an HTML table and a list."""
        cell = lambda text, tag="td": f"<{tag}>{html.escape(text)}</{tag}>"
        head = "".join(cell(text, "th") for text in _HEADER)
        body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in self.rows)
        still = "".join(f"<li>{html.escape(text)}</li>" for text in self._not_permuted())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{self._total()}</p>" + (f"<ul>{still}</ul>" if still else "")
        )

    def _not_permuted(self) -> list[str]:
        return [f"Not permuted: {place} ({reason})." for place, reason in self.frozen.items()]

    def _total(self) -> str:
        return f"10^{self.log10_num_equivalent:.1f} weight settings compute the same function."
