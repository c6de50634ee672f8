"""How figures look, on a light and on a dark page: colors, fonts and sizes."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullLocator

WIDTH = 5.6
"""The width of all figures in inches: narrow, so that text can be read on a phone."""


class Theme(NamedTuple):
    """The colors of figures on one kind of page.

    `paper`, `text`, `muted` and `grid` are the background, text, less important text and lines.
    `few` and `many` are the ends of the scale of counts. The others are for data, in hues that can
    be told apart with any color vision.

    Source: Okabe and Ito (2008), Color Universal Design, for the hues.
    """

    name: str
    paper: str
    text: str
    muted: str
    grid: str
    blue: str
    sky: str
    green: str
    vermilion: str
    orange: str
    purple: str
    few: str
    many: str

    @property
    def density(self) -> Colormap:
        """The color map of counts, from few to many weights in a cell."""
        return LinearSegmentedColormap.from_list("density", [self.few, self.blue, self.many])


LIGHT = Theme(
    "light", "#ffffff", "#1c1f24", "#5b626d", "#d9dde3", "#0072b2", "#2e8cc7", "#00805b",
    "#c95500", "#b87d00", "#b3568b", "#b9dcf2", "#03263d",
)  # fmt: skip
DARK = Theme(
    "dark", "#16191e", "#e6e9ee", "#a3abb7", "#3a414c", "#3f9fdd", "#7cc4f0", "#2fbf95",
    "#f0803c", "#e9b44c", "#d98ab8", "#1d4b6c", "#eaf6ff",
)  # fmt: skip


def new_figure(height: float, *, holds_squares: bool = False) -> Figure:
    """An empty figure of the width of all figures, with a margin.

    `height` is in inches. `holds_squares` is for axes with a fixed aspect, which are moved
    together.
    """
    figure = Figure(
        figsize=(WIDTH, height), layout="compressed" if holds_squares else "constrained"
    )
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(w_pad=0.07, h_pad=0.07)
    return figure


_MOST_CROWDED = 5_000
"""The largest count up to which the color bar has three labels in each decade."""


def count_bar(
    figure: Figure | SubFigure, cells: ScalarMappable, theme: Theme, **place: Any
) -> None:
    """Add a color bar for counts of weights on a logarithmic scale, with whole numbers as labels.

    Args:
        figure: Where the bar is added.
        cells: What is drawn in the colors of the bar.
        theme: The colors of the page.
        place: Where the bar is, as in `Figure.colorbar`.
    """
    bar = figure.colorbar(cells, **place)
    most = cast("float | None", cells.norm.vmax) or 1.0
    # If there are many decades, there is room for one label in each.
    steps = (1, 2, 5) if most < _MOST_CROWDED else (1,)
    ticks = [step * 10**power for power in range(9) for step in steps]
    bar.set_ticks([tick for tick in ticks if tick <= most])
    bar.ax.minorticks_off()
    bar.formatter = FuncFormatter(lambda count, _: f"{count:,.0f}")
    bar.set_label("weights in a cell", color=theme.text)


def share_ticks(axes: Axes, shares: Sequence[float]) -> None:
    """Label the horizontal axis at these shares, as per cent, and nowhere else."""
    axes.set_xticks(shares, [f"{100 * share:g} %" for share in shares])
    axes.set_xticks([], minor=True)


def plain_log_ticks(axes: Axes) -> None:
    """Label a logarithmic vertical axis at 1, 2, 3 and 5 of each decade, as plain decimals."""
    low, high = axes.get_ylim()
    values = [step * 10.0**power for power in range(-6, 9) for step in (1, 2, 3, 5)]
    ticks = [value for value in values if low <= value <= high]
    axes.set_yticks(ticks, [f"{value:,g}" for value in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


@contextmanager
def drawn_on(theme: Theme) -> Generator[None]:
    """Within this context, figures have this theme, whatever the user's settings of Matplotlib."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, _settings(theme)))
        yield


def _settings(theme: Theme) -> dict[str, object]:
    """Matplotlib's settings for a theme."""
    text = dict.fromkeys(
        ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), theme.text
    )
    lines = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), theme.muted)
    paper = dict.fromkeys(("figure.facecolor", "savefig.facecolor", "axes.facecolor"), theme.paper)
    return {
        **text,
        **lines,
        **paper,
        "font.size": 10.5,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "legend.fontsize": 9.5,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
    }
