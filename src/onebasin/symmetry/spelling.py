"""Names that are misspelled: which one was meant, and groups that are one by another name."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from onebasin.symmetry.axes_values import Axes, Blocks

_CLOSE = 0.8
"""How alike two names must be, from 0 to 1, so that one may be the other misspelled."""


def check_spelling(sizes: Mapping[str, int], named: Mapping[str, Axes | Blocks]) -> None:
    """Raise ValueError if the name of a group is probably a misspelled name of another group.

    That is a group that one axis of all arrays lists, with as many units as another group has
    whose name is nearly the same. A group on one axis is rare: units have weights that come in and
    weights that go out.
    """
    places = [(name, leaf, axis) for leaf, axes in named.items() for name, axis in _listed(axes)]
    times = Counter(name for name, _, _ in set(places))
    # The order of arrays, so that of two names on one axis each the later is taken for the slip.
    order = list(dict.fromkeys(name for name, _, _ in places))
    for name in reversed(order):
        same_size = (other for other in order if other != name and sizes[other] == sizes[name])
        meant = [other for other in same_size if _is_misspelled(name, other)]
        if times[name] == 1 and meant:
            other = difflib.get_close_matches(name, meant, 1, 0.0)[0]
            raise ValueError(
                f"Axes of the same units must have the same name. Got {name!r} on a single axis "
                f"beside {other!r} of as many units. Did you mean {other!r}? If not, rename one."
            )


def _listed(axes: Axes | Blocks) -> Iterator[tuple[str, int]]:
    """Every name that an array's axes list, with the axis."""
    for block in axes.axes if isinstance(axes, Blocks) else (axes,):
        for axis, name in enumerate(block.names):
            for part in name if isinstance(name, tuple) else (name,):
                if isinstance(part, str):
                    yield part, axis


def _is_misspelled(name: str, other: str) -> bool:
    """Whether names are close and do not differ as those of siblings do, by numbers or letters."""
    if name[:1].lower() != other[:1].lower() or _numbers(name) != _numbers(other):
        return False
    parts, others = _parts(name), _parts(other)
    if len(parts) == len(others):
        # As "conv_a" and "conv_b" do.
        different = [pair for pair in zip(parts, others, strict=True) if pair[0] != pair[1]]
        if different and all(max(map(len, pair)) <= 2 for pair in different):
            return False
    return difflib.SequenceMatcher(None, name, other).ratio() >= _CLOSE


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _parts(name: str) -> list[str]:
    return re.split(r"[\W_]+", name)
