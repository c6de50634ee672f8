"""The pruning study's figures: drawn from tables alone, with every pair and panel named."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from onebasin.plots.theme import LIGHT, drawn_on
from onebasin.studies.pruning.figures import SHOWN, figures

pytestmark = pytest.mark.slow

PLACES = [("digits", 64, 32), ("digits", 64, 128), ("mnist", 196, 32), ("mnist", 196, 128)]


def curves() -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        {
            "data": data, "num_inputs": inputs, "width": width, "seed": seed,
            "networks": "members", "score": score, "keep": keep,
            "accuracy": float(rng.uniform(0, 1)), "nll": 1.0,
        }
        for data, inputs, width in PLACES
        for seed in range(3)
        for score in [*SHOWN, "std averaged"]
        for keep in (1.0, 0.1, 0.01)
    ]  # fmt: skip


def comparisons() -> list[dict]:
    """A pair whose first order wins everywhere, and one that is undecided."""
    rows = []
    for data, inputs, width in PLACES:
        where = {"data": data, "num_inputs": inputs, "width": width, "networks": "members"}
        for score, difference, verdict in (
            ("fisher", 0.31, "supported"),
            ("std", -0.02, "undecided"),
        ):
            values = {"score": score, "baseline": "magnitude", "difference": difference}
            rows += [where | values | {"keep": k, "verdict": verdict} for k in ("0.1", "few")]
    return rows


def draw(name: str) -> Figure:
    with drawn_on(LIGHT):
        figure = figures(
            {"curves": pd.DataFrame(curves()), "comparisons": pd.DataFrame(comparisons())}
        )[name](LIGHT)
        FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("name", ["curves", "map"])
def test_nothing_is_clipped_at_the_edges(name: str) -> None:
    figure = draw(name)
    found = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    assert min(found.x0, found.y0) >= 0
    assert found.x1 <= width
    assert found.y1 <= height


def test_a_panel_for_each_place_has_a_line_for_each_score() -> None:
    panels = draw("curves").axes
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == [f"{data} {inputs}, {width} units" for data, inputs, width in PLACES]
    assert all(len(axes.lines) == len(SHOWN) for axes in panels)


def test_lines_are_means_over_seeds() -> None:
    line = draw("curves").axes[0].lines[-1]  # "at random" is drawn last
    rows = [r for r in curves() if (r["width"], r["data"], r["score"]) == (32, "digits", "random")]
    expected = [np.mean([r["accuracy"] for r in rows if r["keep"] == k]) for k in (0.01, 0.1, 1.0)]
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_cells_of_the_map_are_bold_where_the_interval_leaves_out_zero() -> None:
    axes = draw("map").axes[0]
    weights = {text.get_text(): text.get_weight() for text in axes.texts}
    assert weights == {"+31": "bold", "-2": "normal"}
    assert len(axes.texts) == 2 * len(PLACES)
