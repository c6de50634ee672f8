"""The table that `print(symmetry)` shows: text for terminals, HTML for notebooks.

`Symmetry` makes the rows; here they are only laid out.
"""

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class GroupRow(NamedTuple):
    """The row of one group, a text for each column.

    - `group` and `units` are its name and how many units it has.
    - `inside` are the groups that it is nested in, with their sizes.
    - `signs` is how many signs each of its units has.
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
    "group", "units", "each inside of", "signs", "log10 of arrangements", "arrays and their axes"
)


class Description(NamedTuple):
    """The content of the table: a row for each group, and the axes that never move.

    `frozen` has the reason for each of these axes. `log10_num_equivalent` is the decimal logarithm
    of the number of weight settings that compute the same function.
    """

    rows: Sequence[GroupRow]
    log10_num_equivalent: float
    frozen: Mapping[str, str]

    def as_text(self) -> str:
        """Aligned columns, then a line for each axis that never moves."""
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
        """The same as an HTML table and a list."""
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
