"""The figures of compact: every representation is a line, in the color of its kind."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from onebasin.plots.theme import LIGHT, drawn_on
from onebasin.run.representations import COMPACT, kept_draws, one_chain
from onebasin.studies.compact.figures import figures

NAMES = (
    "direct", "compact", "compact-first", "direct-chain-own", "compact-chain-own", "direct-chain",
    "compact-chain", "compact-mean", "compact-ensemble", "vi", "ensemble", "kept-1", "kept-2",
    "kept-4", "hmc-chain",
)  # fmt: skip
ROWS = [
    {"data": "digits", "seed": seed, "representation": name, "accuracy": 0.9}
    | {"total_variation": 0.05 * place + 0.001 * seed, "agreement": 0.8}
    for seed in range(3)
    for place, name in enumerate((*NAMES, "hmc"))
]


@pytest.fixture(scope="module")
def figure() -> Figure:
    with drawn_on(LIGHT):
        return figures({"representations": pd.DataFrame(ROWS)})["total-variation"](LIGHT)


def test_every_representation_is_a_point_at_its_mean_from_top_to_bottom(figure: Figure) -> None:
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    found = [float(point.get_xdata()[0]) for point in reversed(points)]
    np.testing.assert_allclose(found, [0.05 * place + 0.001 for place in range(len(NAMES))])


def test_controls_and_draws_of_hmc_have_colors_of_their_own(figure: Figure) -> None:
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    colors = dict(zip(reversed(NAMES), (point.get_color() for point in points), strict=True))
    kept = {"kept-1", "kept-2", "kept-4", "hmc-chain"}
    assert {colors[name] for name in kept} == {LIGHT.muted}
    controls = {
        "compact-first", "direct-chain", "direct-chain-own", "compact-chain", "compact-chain-own",
    }  # fmt: skip
    assert {colors[name] for name in controls} == {LIGHT.vermilion}
    assert {colors[name] for name in set(NAMES) - kept - controls} == {LIGHT.blue}


def test_representations_are_called_what_the_report_calls_them(figure: Figure) -> None:
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {COMPACT.label, kept_draws(2).label, one_chain("hmc", 1).label} <= texts
    assert len(texts) == len(NAMES)
