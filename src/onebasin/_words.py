"""Words that people type, and those that were meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that ends an error about an unknown word, led by a space; empty if none is close.

    Capitals do not count.
    """
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), by_lower, 1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
