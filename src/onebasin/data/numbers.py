"""Numbers as people write them: decimal commas, thousands separators, units and percent signs."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

Decimal: TypeAlias = Literal[".", ","]
"""What stands before the decimals of a number."""

_SPACES = " \u00a0\u2009\u202f"
_GROUPED = {
    decimal: re.compile(
        rf"[+-]?[1-9]\d{{0,2}}(?P<mark>[{other}'’{_SPACES}])\d{{3}}(?:(?P=mark)\d{{3}})*"
        rf"(?:{re.escape(decimal)}\d*)?"
    )
    for decimal, other in ((".", ","), (",", "."))
}
"""Numbers with thousands separators, by what stands before their decimals."""

_WITH_UNIT = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>[$€£¥]?)[{_SPACES}]*"
    rf"(?P<number>[+-]?[\d.,](?:[\d.,'’{_SPACES}]*[\d.,])?(?:[eE][+-]?\d+)?)"
    rf"(?P<space>[{_SPACES}]*)(?P<after>(?:[^\W\d_]|[°%$€£¥])[^\s,;]*)?"
)


class Numbers(NamedTuple):
    """The numbers of a column and how they were written.

    `unit` is what stood beside every number, such as `kg`, `%` or `$`; empty if nothing did.
    """

    values: Float[np.ndarray, " rows"]
    decimal: Decimal
    unit: str = ""


class MixedUnitsError(ValueError):
    """A column has numbers with different units."""


def number(cell: str, decimal: Decimal = ".") -> float | None:
    """The number in a cell; None if it is not one.

    Thousands separators must cut groups of three digits: `1,234.5`, or `1.234,5` if the decimals
    stand behind a comma. A space, an apostrophe or a narrow space also separate.
    """
    plain = cell.replace("−", "-")  # the typographic minus
    if decimal == ",":
        plain = "x" if "." in plain else plain.replace(",", ".")
    try:
        # Python reads 1_000 as a number; no other reader of CSV does.
        return None if "_" in plain else float(plain)
    except ValueError:
        pass
    plain = cell.replace("−", "-")
    grouped = _GROUPED[decimal].fullmatch(plain)
    if grouped is None:
        return None
    return float(plain.replace(grouped["mark"], "").replace(decimal, "."))


def readings(cells: Sequence[str], decimal: Decimal | None) -> list[Numbers]:
    """The ways to read the cells of a column as numbers: none, one, or two that differ.

    `decimal` is what stands before decimals, None if it is not known. Cells of a column that all
    have the same unit are read without it.

    Raises:
        MixedUnitsError: If all cells are a number, a space and a unit, and the units differ.
    """
    plain = _readings(cells, decimal)
    if plain:
        return plain
    parts = [_WITH_UNIT.fullmatch(cell.replace("−", "-")) for cell in cells]
    found = [part for part in parts if part is not None]
    if not cells or len(found) < len(cells):
        return []
    units = {part["before"] + (part["after"] or "") for part in found}
    stripped = _readings([part["sign"] + part["number"] for part in found], decimal)
    if not stripped or units == {""}:
        return []
    if len(units) > 1:
        if all(part["space"] or not part["after"] for part in found):
            raise MixedUnitsError(", ".join(repr(unit) for unit in sorted(units)))
        return []
    return [numbers._replace(unit=next(iter(units))) for numbers in stripped]


def _readings(cells: Sequence[str], decimal: Decimal | None) -> list[Numbers]:
    """The ways to read cells without units as numbers."""
    found: list[Numbers] = []
    both: tuple[Decimal, ...] = (".", ",")
    has_marks = any("." in cell or "," in cell for cell in cells)
    for one in both if decimal is None else (decimal,):
        if one == "," and found and not has_marks:
            break
        values = _all_numbers(cells, one)
        if values is not None and not any(np.array_equal(values, n.values) for n in found):
            found.append(Numbers(values, one))
    return found


def _all_numbers(cells: Sequence[str], decimal: Decimal) -> Float[np.ndarray, " rows"] | None:
    """The numbers of cells; None if a cell is not a number."""
    values: list[float] = []
    for cell in cells:
        value = number(cell, decimal)
        if value is None:
            return None
        values.append(value)
    return np.array(values, np.float64)
