"""A symmetry as a table for people: text for terminals, HTML for notebooks."""

import html

from onebasin.symmetry.axes import Symmetry

_HEADER = (
    "group", "units", "each inside of", "signs", "log10 of arrangements", "arrays and their axes",
)  # fmt: skip


def rows(symmetry: Symmetry) -> list[tuple[str, ...]]:
    """A row for each group: what it is called, how large it is and where it occurs."""
    found = []
    for group, units in symmetry.sizes.items():
        num_signs = sum(sign.group == group for sign in symmetry.signs.values())
        arranged = symmetry.log10_num_arrangements(group)
        inside = " x ".join(
            f"{name} ({size})"
            for name, size in zip(
                symmetry.nested.get(group, ()), symmetry.around(group), strict=True
            )
        )
        places = ", ".join(_places(symmetry, group))
        signs = f"{num_signs} each" if num_signs else ""
        found.append((group, f"{units:,}", inside, signs, f"{arranged:.1f}", places))
    return found


def _places(symmetry: Symmetry, group: str) -> list[str]:
    """The arrays and their own axes, each once, that list units of a group."""
    found: dict[str, None] = {}
    for piece in symmetry.pieces.values():
        axes = [axis for axis, parts in enumerate(piece.factors) for _ in parts]
        for axis, name in zip(axes, piece.names, strict=True):
            if name == group:
                found[f"{piece.leaf}:{axis}"] = None
    return list(found)


def as_text(symmetry: Symmetry) -> str:
    """Columns, then why other axes never move."""
    table = [_HEADER, *rows(symmetry)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER) - 1)]
    lines = [
        "  ".join([*(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True))]).rstrip()
        for row in table
    ]
    lines.append(_total(symmetry))
    lines += [f"{place} never moves: {reason}." for place, reason in symmetry.frozen.items()]
    return "\n".join(lines)


def as_html(symmetry: Symmetry) -> str:
    """The same as an HTML table."""
    cell = lambda text, tag="td": f"<{tag}>{html.escape(text)}</{tag}>"
    head = "".join(cell(text, "th") for text in _HEADER)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows(symmetry))
    still = "".join(
        f"<li>{html.escape(place)} never moves: {html.escape(reason)}.</li>"
        for place, reason in symmetry.frozen.items()
    )
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{_total(symmetry)}</p>" + (f"<ul>{still}</ul>" if still else "")
    )


def _total(symmetry: Symmetry) -> str:
    return f"10^{symmetry.log10_num_equivalent():.1f} weight settings compute the same function."
