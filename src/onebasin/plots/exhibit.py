"""Exhibit: a figure with the words that go with it."""

import io
from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from onebasin.plots.theme import LIGHT, Theme, drawn_on

_DPI = 160


class Exhibit(NamedTuple):
    """A figure, how it is drawn on either paper, and the words that go with it."""

    name: str
    title: str
    alt: str
    shows: str
    read: str
    misleads: str
    draw: Callable[[Theme], Figure]

    def png(self, theme: Theme = LIGHT) -> bytes:
        """The figure as the bytes of a PNG file, the same for the same numbers."""
        return png(self.draw, theme)


def png(draw: Callable[[Theme], Figure], theme: Theme = LIGHT) -> bytes:
    """What is drawn on some paper as the bytes of a PNG file, the same for the same numbers."""
    buffer = io.BytesIO()
    with drawn_on(theme):
        draw(theme).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
