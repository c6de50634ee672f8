"""did_you_mean: the known word that an unknown word was meant to be."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question "Did you mean 'NAME'?" for an error about an unknown word.

    It begins with a space, so that it can follow a sentence, and is empty if no known word is
    close. Upper and lower case are the same.
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, 1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
