"""Numbers as text: scores, shares and counts are written in the same way everywhere."""

DASH = "–"
"""What is written if there is no number."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float | int | None, places: int = 3) -> str:
    """A number with `places` decimals, as "1.234"; a dash for None.

    There are at most 2 decimals from 10 on and 1 from 100 on. From 1e5 on it is "1.2 × 10⁵".
    """
    if value is None:
        return DASH
    if abs(value) >= 1e5:
        return _scientific(f"{value:.1e}")
    most = 3 - (abs(value) >= 10) - (abs(value) >= 100)
    text = f"{value:.{min(places, most)}f}"
    return text.lstrip("-") if float(text) == 0 else text


def significant(value: float | int | None, digits: int = 2) -> str:
    """A number with significant digits, for numbers of any size; a dash for None."""
    return DASH if value is None else _scientific(f"{value:.{digits}g}")


def _scientific(text: str) -> str:
    """A number such as 1.5e-05 as "1.5 × 10⁻⁵", without a line break inside."""
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    return (
        f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(exponent)).translate(_RAISED)}"
    )


def percent(value: float | int | None, places: int = 1) -> str:
    """A share in [0, 1] as per cent, as "12.3 %"; a dash for None."""
    return DASH if value is None else f"{100 * value:.{places}f} %"


def whole(value: float | int | None) -> str:
    """A count with thousands set apart, as "1,234"; a dash for None."""
    return DASH if value is None else f"{value:,.0f}"


def counted(count: int, noun: str) -> str:
    """A count and its noun in the right number: "1 chain", "4 chains"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: list[str]) -> str:
    """Words joined as in a sentence: "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
