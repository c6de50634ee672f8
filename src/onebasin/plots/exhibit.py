"""Exhibit: a figure, and the text that explains it."""

import io
from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from onebasin.plots.theme import LIGHT, Theme, drawn_on

_DPI = 160


class Exhibit(NamedTuple):
    """A figure for a light and a dark page, and the text that explains it.

    `name` is that of its file and `title` its heading. `alt` describes it to those who do not see
    it. `shows`, `read` and `misleads` say what it shows, how to read it, and when it misleads.
    `draw(theme)` draws it in the colors of a theme.
    """

    name: str
    title: str
    alt: str
    shows: str
    read: str
    misleads: str
    draw: Callable[[Theme], Figure]

    def png(self, theme: Theme = LIGHT) -> bytes:
        """The figure as a PNG file. Equal numbers give equal bytes."""
        return png(self.draw, theme)


def png(draw: Callable[[Theme], Figure], theme: Theme = LIGHT) -> bytes:
    """The figure that `draw(theme)` draws as a PNG file of 160 dots per inch.

    Equal numbers give equal bytes: the file does not say when or by what it was written.
    """
    buffer = io.BytesIO()
    with drawn_on(theme):
        draw(theme).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
