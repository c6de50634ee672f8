"""Numbers as text: one way to write a score, a share and a count everywhere in a report."""

DASH = "–"
"""Stands where there is no number."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float | int | None, places: int = 3) -> str:
    """A number with fixed decimals, fewer from 10 on; scientific where huge; a dash for None."""
    if value is None:
        return DASH
    if abs(value) >= 1e5:
        return _scientific(f"{value:.1e}")
    most = 3 - (abs(value) >= 10) - (abs(value) >= 100)
    text = f"{value:.{min(places, most)}f}"
    return text.lstrip("-") if float(text) == 0 else text


def significant(value: float | int | None, digits: int = 2) -> str:
    """A number with some significant digits, for those of unknown size; a dash for None."""
    return DASH if value is None else _scientific(f"{value:.{digits}g}")


def _scientific(text: str) -> str:
    """1.5e-05 as it is written by hand; it does not break at the end of a line."""
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    return (
        f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(exponent)).translate(_RAISED)}"
    )


def percent(value: float | int | None, places: int = 1) -> str:
    """A share as per cent; a dash for None."""
    return DASH if value is None else f"{100 * value:.{places}f} %"


def whole(value: float | int | None) -> str:
    """A count with thousands set apart; a dash for None."""
    return DASH if value is None else f"{value:,.0f}"


def counted(count: int, noun: str) -> str:
    """A count with its noun in the right number: 1 chain, 4 chains."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: list[str]) -> str:
    """Words joined as in a sentence: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
